/** What the mesh shares with a concentrator's subnets where both are VXLAN, and how large it may be. */
import { openCnci } from '#lib/cnci/index';

import { ipLinks, ipRoutes } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience } from '../support/run';
import { Sandbox } from '../support/sandbox';
import { openUnderlay } from '../support/underlay';
import { MESH_ID, neighbor, optionsFor, withCnci } from './helpers/mesh';

describe('what a mesh on vxlan shares with the subnets', () => {
  needs('vxlan')('a network identifier belongs to one of them', async () => {
    await withCnci('vxlan', async (cnci) => {
      const remote = (subnet: string, subnetKey: number) => ({
        subnet,
        subnetKey,
        cnIp: '198.51.100.9',
      });
      await cnci.addRemoteSubnet(remote('172.16.1.0/24', 1001));
      for (const [tunnelId, code] of [
        [1001, 'SNNET_VNI_TAKEN'],
        [0xffffff, 'SNNET_VNI_TAKEN'],
        [0x1000000, 'SNNET_KEY_RANGE'],
      ] as const) {
        await expect(cnci.updateNeighbors([neighbor(1, { tunnelId })])).rejects.toMatchObject({
          code,
          field: 'tunnelId',
        });
      }
      await cnci.updateNeighbors([neighbor(1), neighbor(2)]);
      await expect(cnci.addRemoteSubnet(remote('172.16.5.0/24', 5))).rejects.toMatchObject({
        code: 'SNNET_VNI_TAKEN',
        field: 'subnetKey',
      });
      // A subnet that another concentrator has is not ours too.
      await expect(cnci.addRemoteSubnet(remote('172.16.2.0/25', 1005))).rejects.toMatchObject({
        code: 'SNNET_INPUT_INVALID',
        field: 'subnet',
      });
    });
  });

  needs('vxlan')('the socket is kept open for the mesh alone too, and let go after', async () => {
    await withCnci('vxlan', async (cnci, ns) => {
      const anchors = async (): Promise<number> =>
        (await ipLinks(ns)).filter(({ ifalias }) => ifalias === 'vxlan_anchor').length;
      await cnci.updateNeighbors([neighbor(1), neighbor(2)]);
      await cnci.settle();
      expect(await anchors()).toBe(1);
      await cnci.shutdown();
      await cnci.settle();
      expect(await anchors()).toBe(0);
      expect(cnci.topology().mesh).toBeUndefined();
    });
  });

  needs('vxlan')('a link of this name that is not ours is left alone', async () => {
    await withCnci('vxlan', async (cnci, ns, box) => {
      await box.exec(ns, ['ip', 'link', 'add', 'name', 'cncitun', 'type', 'bridge']);
      await expect(cnci.updateNeighbors([neighbor(1)])).rejects.toMatchObject({
        code: 'SNNET_LINK_FOREIGN',
        object: { linkName: 'cncitun' },
      });
      await box.exec(ns, ['ip', 'link', 'delete', 'dev', 'cncitun']);
    });
  });

  needs('vxlan')('a dry run says what would be sent, in the words of ip', async () => {
    await withCnci('vxlan', async (cnci, ns) => {
      const remote = { subnet: '172.16.1.0/24', subnetKey: 1001, cnIp: '198.51.100.9' };
      expect(cnci.plan('addRemoteSubnet', remote).text).toMatch(
        /^ip link add sbr_.*\nip address add 172\.16\.1\.1\/24 dev sbr_/s,
      );
      expect(cnci.plan('delRemoteSubnet', remote).text).toBe('');
      const { text } = cnci.plan('updateNeighbors', [neighbor(1), neighbor(2)]);
      expect(text).toContain('ip route add 172.16.2.0/24 via 192.168.64.2 dev cncitun');
      expect((await ipLinks(ns)).filter(({ ifname }) => ifname === 'cncitun')).toEqual([]);
      await cnci.addRemoteSubnet(remote);
      expect(cnci.plan('addRemoteSubnet', remote).text).toBe('');
      expect(cnci.plan('delRemoteSubnet', remote).text).toMatch(/^ip link delete sgt_/);
    });
  });

  needs('vxlan')(
    'takes 65,536 neighbours, and lets them go again',
    async () => {
      await using box = await Sandbox.open();
      const { cnci: ns } = await openUnderlay(box, ['cnci']);
      const options = { ...optionsFor('vxlan', ns.path), meshPrefixLength: 14, timeoutMs: 120_000 };
      const cnci = await openCnci(options, {});
      const address = (base: number, n: number): string =>
        [24, 16, 8, 0].map((shift) => String(((base + n) >>> shift) & 255)).join('.');
      // In a guest every message costs thirty times as much.
      const count = patience === 1 ? 65_536 : 4096;
      const peers = Array.from({ length: count }, (_, n) => ({
        physicalIp: address(0x64400001, n),
        subnet: `${address(0x0a000000, n * 4)}/30`,
        tunnelIp: address(0xac100002, n),
        tunnelId: MESH_ID,
      }));
      const self = neighbor(1, { tunnelIp: '172.16.0.1', subnet: '192.0.2.0/24' });
      expect((await cnci.updateNeighbors([self, ...peers])).added).toHaveLength(count);
      expect((await ipRoutes(ns)).filter(({ dev }) => dev === 'cncitun')).toHaveLength(
        2 * count + 1,
      );
      expect(await cnci.updateNeighbors([self, ...peers])).toMatchObject({ isChanged: false });
      expect((await cnci.updateNeighbors([self])).removed).toHaveLength(count);
      expect((await ipRoutes(ns)).filter(({ dev }) => dev === 'cncitun')).toHaveLength(1);
      await cnci.shutdown();
      await cnci.close();
    },
    120_000 * patience,
  );
});
