/** The mesh among a tenant's concentrators on the real kernel, as VXLAN and as GRE. */
import { openCnci, type Cnci } from '#lib/cnci/index';
import type { MeshKind, NeighborInput } from '#lib/model/index';

import type { Namespace } from '../support/namespaces';
import { ipLink, ipLinks, ping } from '../support/oracle';
import { needs, whereabouts, type DefineTest } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import { openUnderlay } from '../support/underlay';
import {
  MESH_ID,
  expectedMesh,
  meshOf,
  neighbor,
  optionsFor,
  putWorkload,
  withCnci,
} from './helpers/mesh';

const ALL = { sent: 3, received: 3 };
const NONE = { received: 0 };

const KINDS: readonly { kind: MeshKind; mtu: number; it: DefineTest }[] = [
  { kind: 'vxlan', mtu: 1450, it: needs('vxlan') },
  { kind: 'gre', mtu: 1472, it: needs('gretap') },
];

// The host has VXLAN only, and runs it; a guest takes long.
const kinds = KINDS.filter(({ kind }) => whereabouts() === 'host' || kind !== 'vxlan');

for (const { kind, mtu, it } of kinds) {
  describe(`a mesh on ${kind}`, () => {
    it('leaves in the kernel what the Go original leaves, and shows it', async () => {
      await withCnci(kind, async (cnci, ns) => {
        const list = [neighbor(2), neighbor(1), neighbor(3)];
        const made = await cnci.updateNeighbors(list);
        expect(made).toMatchObject({
          linkName: 'cncitun',
          kind,
          key: MESH_ID,
          tunnelIp: '192.168.64.1',
          mtu,
          created: true,
          isChanged: true,
          added: ['192.168.64.2', '192.168.64.3'],
          removed: [],
        });
        expect(await meshOf(ns)).toEqual(
          expectedMesh(kind, neighbor(1), [neighbor(2), neighbor(3)]),
        );
        const link = await ipLink(ns, 'cncitun');
        expect(link).toMatchObject({ ifalias: 'cncitun', mtu, linkinfo: { info_kind: kind } });
        expect(link.flags).toContain('UP');
        expect(link.linkinfo?.info_data).toMatchObject(
          kind === 'gre'
            ? { remote: 'any', local: '198.51.100.1', ikey: '0.0.0.5', okey: '0.0.0.5', ttl: 0 }
            : { id: MESH_ID, local: '198.51.100.1', port: 4789, learning: false },
        );
        expect(cnci.topology().mesh).toMatchObject({
          linkName: 'cncitun',
          kind,
          key: MESH_ID,
          tunnelIp: '192.168.64.1',
          neighbours: [
            { tunnelIp: '192.168.64.2', physicalIp: '198.51.100.2', subnet: '172.16.2.0/24' },
            { tunnelIp: '192.168.64.3', physicalIp: '198.51.100.3', subnet: '172.16.3.0/24' },
          ],
        });
      });
    });

    it('adds, changes and removes, and the same again sends nothing', async () => {
      const plans: string[] = [];
      const fault = (plan: { operation: string }): undefined => {
        plans.push(plan.operation);
      };
      await withCnci(
        kind,
        async (cnci, ns) => {
          const update = async (others: readonly NeighborInput[]) => {
            const result = await cnci.updateNeighbors([neighbor(1), ...others]);
            expect(await meshOf(ns)).toEqual(expectedMesh(kind, neighbor(1), others));
            return result;
          };
          expect(await update([])).toMatchObject({ created: true, added: [] });
          expect(await update([neighbor(2), neighbor(3)])).toMatchObject({
            created: false,
            added: ['192.168.64.2', '192.168.64.3'],
          });
          expect(await update([neighbor(2), neighbor(4)])).toMatchObject({
            added: ['192.168.64.4'],
            removed: ['192.168.64.3'],
            changed: [],
          });
          // The subnets change places, and one concentrator moves.
          const moved = [
            neighbor(2, { subnet: '172.16.4.0/24', physicalIp: '198.51.100.22' }),
            neighbor(4, { subnet: '172.16.2.0/24' }),
          ];
          expect(await update(moved)).toMatchObject({
            changed: ['192.168.64.2', '192.168.64.4'],
          });
          const before = plans.filter((name) => name === 'updateNeighbors').length;
          expect(await update(moved)).toMatchObject({ isChanged: false, created: false });
          expect(await update([...moved].reverse())).toMatchObject({ isChanged: false });
          expect(plans.filter((name) => name === 'updateNeighbors')).toHaveLength(before);
          expect(await update([])).toMatchObject({ removed: ['192.168.64.2', '192.168.64.4'] });
        },
        { fault },
      );
    });

    it('follows when its own address or the key changes', async () => {
      await withCnci(kind, async (cnci, ns) => {
        await cnci.updateNeighbors([neighbor(1), neighbor(2), neighbor(3)]);
        const first = await ipLink(ns, 'cncitun');
        const self = neighbor(1, { tunnelIp: '192.168.64.77' });
        expect(await cnci.updateNeighbors([self, neighbor(2)])).toMatchObject({
          tunnelIp: '192.168.64.77',
          created: false,
        });
        expect(await meshOf(ns)).toEqual(expectedMesh(kind, self, [neighbor(2)]));
        const moved = await ipLink(ns, 'cncitun');
        expect(moved.ifindex).toBe(first.ifindex);
        if (kind === 'vxlan') expect(moved.address).toBe('02:00:c0:a8:40:4d');
        const others = [neighbor(2, { tunnelId: 9 }), neighbor(3, { tunnelId: 9 })];
        const renumbered = { ...self, tunnelId: 9 };
        const result = await cnci.updateNeighbors([renumbered, ...others]);
        // A VXLAN keeps its identifier: another device takes its place.
        expect(result).toMatchObject({ key: 9, created: kind === 'vxlan' });
        expect(await meshOf(ns)).toEqual(expectedMesh(kind, renumbered, others));
        await cnci.settle();
        expect((await ipLinks(ns)).filter(({ ifname }) => ifname.startsWith('sgt_'))).toHaveLength(
          kind === 'vxlan' ? 1 : 0,
        );
        expect(cnci.topology().mesh).toMatchObject({ key: 9, tunnelIp: '192.168.64.77' });
      });
    });

    it('is found by a new process, which goes on where the other stopped', async () => {
      await withCnci(kind, async (cnci, ns, box) => {
        await cnci.updateNeighbors([neighbor(1), neighbor(2), neighbor(3)]);
        const other = await openCnci(optionsFor(kind, ns.path), {});
        expect(other.topology().mesh).toEqual(cnci.topology().mesh);
        expect(await other.rebuildTopology()).toMatchObject({ neighbours: 2, findings: [] });
        const again = [neighbor(1), neighbor(2), neighbor(3)];
        expect(await other.updateNeighbors(again)).toMatchObject({ isChanged: false });
        // What somebody else did meanwhile is made good: the kernel is asked, not a memory.
        await box.exec(ns, ['ip', 'route', 'delete', '172.16.3.0/24']);
        await box.exec(ns, ['ip', 'neigh', 'delete', '192.168.64.2', 'dev', 'cncitun']);
        await box.exec(ns, ['ip', 'link', 'set', 'dev', 'cncitun', 'mtu', '1300']);
        expect(await other.updateNeighbors(again)).toMatchObject({ isChanged: true });
        expect(await meshOf(ns)).toEqual(
          expectedMesh(kind, neighbor(1), [neighbor(2), neighbor(3)]),
        );
        await box.exec(ns, ['ip', 'link', 'set', 'dev', 'cncitun', 'down']);
        expect((await other.rebuildTopology()).findings).toMatchObject([{ type: 'down' }]);
        expect(await other.updateNeighbors(again)).toMatchObject({ isChanged: true });
        expect(await meshOf(ns)).toEqual(
          expectedMesh(kind, neighbor(1), [neighbor(2), neighbor(3)]),
        );
        expect(await ipLink(ns, 'cncitun')).toMatchObject({ mtu });
        await other.close();
      });
    });

    it('is rolled back as a whole when a step fails, and the same call succeeds after', async () => {
      const first = [neighbor(1), neighbor(2), neighbor(3)];
      const renumbered = [9, 8].map((n) => neighbor(n, { tunnelId: 7 }));
      const second = [
        [neighbor(1), neighbor(2, { physicalIp: '198.51.100.22' }), neighbor(4)],
        [neighbor(1, { tunnelIp: '192.168.64.99' }), neighbor(2), neighbor(4)],
        [neighbor(1, { tunnelId: 7 }), ...renumbered],
      ];
      for (const target of second) {
        let failAt = -1;
        const fault = (plan: { operation: string; steps: readonly unknown[] }) => {
          if (plan.operation !== 'updateNeighbors' || failAt < 0) return undefined;
          const step = failAt;
          if (step >= plan.steps.length) return undefined;
          return { step, errno: 'ENOBUFS' };
        };
        await withCnci(
          kind,
          async (cnci, ns) => {
            await cnci.updateNeighbors(first);
            const before = await meshOf(ns);
            const index = (await ipLink(ns, 'cncitun')).ifindex;
            const steps = cnci.plan('updateNeighbors', target).plan.steps.length;
            expect(steps).toBeGreaterThan(4);
            for (failAt = 0; failAt < steps; failAt += 1) {
              await expect(cnci.updateNeighbors(target)).rejects.toMatchObject({
                code: 'SNNET_KERNEL_FAILED',
                step: { index: failAt },
              });
              expect([failAt, await meshOf(ns)]).toEqual([failAt, before]);
              expect((await ipLink(ns, 'cncitun')).ifindex).toBe(index);
            }
            failAt = -1;
            expect(await cnci.updateNeighbors(first)).toMatchObject({ isChanged: false });
            expect(await cnci.updateNeighbors(target)).toMatchObject({ isChanged: true });
          },
          { fault },
        );
      }
    });

    it('carries the tenant from subnet to subnet, here and there', async () => {
      await using box = await Sandbox.open();
      const net = await openUnderlay(box, ['a', 'b', 'c']);
      const open = (ns: Namespace): Promise<Cnci> => openCnci(optionsFor(kind, ns.path), {});
      const [a, b, c] = [await open(net.a), await open(net.b), await open(net.c)];
      const at = async (cnci: Cnci, ns: Namespace, third: number, label: string) => {
        const config = {
          subnet: `172.16.${String(third)}.0/24`,
          subnetKey: 1000 + third,
          cnIp: '198.51.100.200',
        };
        const { bridge } = await cnci.addRemoteSubnet(config);
        await box.exec(ns, ['sysctl', '-q', '-w', 'net.ipv4.ip_forward=1']);
        return await putWorkload(box, ns, { bridge, third, label, mtu: 1450 });
      };
      const wa = await at(a, net.a, 1, 'wa');
      const wa2 = await at(a, net.a, 11, 'wa2');
      const wb = await at(b, net.b, 2, 'wb');
      const wc = await at(c, net.c, 3, 'wc');
      // Two subnets of one concentrator need no mesh.
      expect(await ping(wa, '172.16.11.5')).toEqual(ALL);
      expect(await ping(wa, '172.16.2.5', { timeoutMs: 500 })).toMatchObject(NONE);

      const two = [neighbor(1), neighbor(2)];
      await a.updateNeighbors(two);
      await b.updateNeighbors(two);
      expect(await ping(wa, '172.16.2.5')).toEqual(ALL);
      expect(await ping(wb, '172.16.1.5')).toEqual(ALL);
      const full = { size: Math.min(mtu, 1450) - 28, dontFragment: true };
      expect(await ping(wa, '172.16.2.5', full)).toEqual(ALL);

      // A third comes, and the first is another process by now.
      await a.close();
      const again = await open(net.a);
      const three = [...two, neighbor(3)];
      for (const cnci of [again, b, c]) await cnci.updateNeighbors(three);
      expect(await ping(wa, '172.16.3.5')).toEqual(ALL);
      expect(await ping(wc, '172.16.2.5')).toEqual(ALL);
      expect(await ping(wc, '172.16.1.5')).toEqual(ALL);
      // A second subnet that the list doesn't name is not reached from elsewhere.
      expect(await ping(wa2, '172.16.11.1')).toEqual(ALL);

      // The second goes: the others still meet.
      for (const cnci of [again, c]) await cnci.updateNeighbors([neighbor(1), neighbor(3)]);
      expect(await ping(wa, '172.16.2.5', { timeoutMs: 500 })).toMatchObject(NONE);
      expect(await ping(wa, '172.16.3.5')).toEqual(ALL);
      for (const cnci of [again, b, c]) {
        expect((await cnci.shutdown()).failed).toEqual([]);
        await cnci.close();
      }
      for (const ns of [net.a, net.b, net.c]) {
        expect((await ipLinks(ns)).filter(({ ifname }) => ifname === 'cncitun')).toEqual([]);
      }
    });

    it('refuses a list that contradicts itself or what there is, and touches nothing', async () => {
      await withCnci(kind, async (cnci, ns) => {
        await cnci.addRemoteSubnet({
          subnet: '172.16.1.0/24',
          subnetKey: 1001,
          cnIp: '198.51.100.9',
        });
        const before = (await ipLinks(ns)).map(({ ifindex }) => ifindex);
        for (const [list, code, field] of badLists()) {
          const call = cnci.updateNeighbors(list as readonly NeighborInput[]);
          await expect(call).rejects.toMatchObject({ name: 'APIError', code, field });
          expect(() => cnci.plan('updateNeighbors', list as readonly NeighborInput[])).toThrow();
        }
        const inTheWay = [neighbor(1), neighbor(2, { subnet: '172.16.0.0/16' })];
        await expect(cnci.updateNeighbors(inTheWay)).rejects.toMatchObject({
          field: 'neighbors[1].subnet',
        });
        expect((await ipLinks(ns)).map(({ ifindex }) => ifindex)).toEqual(before);
        expect(cnci.topology().mesh).toBeUndefined();
      });
    });
  });
}

function badLists(): [unknown, string, string][] {
  const self = neighbor(1);
  const bad = 'SNNET_INPUT_INVALID';
  return [
    [undefined, 'SNNET_INPUT_MISSING', 'neighbors'],
    ['all', bad, 'neighbors'],
    [[], 'SNNET_INPUT_MISSING', 'neighbors'],
    [[neighbor(2)], 'SNNET_INPUT_MISSING', 'neighbors'],
    [[self, null], bad, 'neighbors[1]'],
    [[self, { ...neighbor(2), via: 1 }], 'SNNET_INPUT_UNKNOWN', 'neighbors[1].via'],
    [[self, neighbor(2, { tunnelIp: '192.168.64.1' })], bad, 'neighbors[1].tunnelIp'],
    [[self, neighbor(2, { physicalIp: '198.51.100.1' })], bad, 'neighbors[1].physicalIp'],
    [[self, neighbor(2, { tunnelIp: '192.168.128.2' })], bad, 'neighbors[1].tunnelIp'],
    [[self, neighbor(2, { tunnelIp: '192.168.127.255' })], bad, 'neighbors[1].tunnelIp'],
    [[self, neighbor(2, { tunnelIp: 'fd00::2' })], bad, 'neighbors[1].tunnelIp'],
    [[self, neighbor(2, { physicalIp: '224.0.0.1' })], bad, 'neighbors[1].physicalIp'],
    [[self, neighbor(2, { subnet: '128.0.0.0/1' })], bad, 'neighbors[1].subnet'],
    [[self, neighbor(2, { subnet: 'fd00::/64' })], bad, 'neighbors[1].subnet'],
    [[self, neighbor(2, { subnet: '172.16.2.1/24' })], bad, 'neighbors[1].subnet'],
    [[self, neighbor(2, { subnet: '172.16.1.0/24' })], bad, 'neighbors[1].subnet'],
    [[self, neighbor(2, { subnet: '198.51.100.128/25' })], bad, 'neighbors[1].subnet'],
    [[self, neighbor(2, { subnet: '192.168.0.0/16' })], bad, 'neighbors[1].subnet'],
    [[self, neighbor(2), neighbor(3, { subnet: '172.16.2.128/25' })], bad, 'neighbors[2].subnet'],
    [[self, neighbor(2, { physicalIp: '172.16.2.9' })], bad, 'neighbors[1].physicalIp'],
    [[self, neighbor(2, { tunnelId: 6 })], bad, 'neighbors[1].tunnelId'],
    [[self, neighbor(2, { tunnelId: 0 })], bad, 'neighbors[1].tunnelId'],
  ];
}
