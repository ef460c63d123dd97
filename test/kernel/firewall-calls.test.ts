/** Calls of the firewall: concurrent, aborted, refused, failed at any step, planned. */
import { spawnSync } from 'node:child_process';

import { ipAddresses } from '../support/oracle';
import { needs } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import { rejection } from './helpers/bed';
import { MAIL, PUBLIC, WEB, nsRun, open, openStage, withFirewall } from './helpers/firewall-bed';

const it = needs('nftables');

const PORT = {
  protocol: 'tcp',
  externalDevice: 'eth0',
  externalPort: 2222,
  internalIp: WEB,
  internalPort: 22,
} as const;
const PAIR = { externalDevice: 'eth0', internalDevice: 'sbr_1' };
const PUBLIC_IP = { internalIp: MAIL, publicIp: PUBLIC, externalDevice: 'eth0' };

describe('calls', () => {
  it('follow each other, whatever they ask', async () => {
    await withFirewall(async (firewall) => {
      const ports = Array.from({ length: 30 }, (_, n) => ({ ...PORT, externalPort: 1000 + n }));
      await Promise.all(ports.map((one) => firewall.extPortAccess('enable', one)));
      expect((await firewall.state()).ports).toEqual(ports);
      await Promise.all([
        ...ports.map((one) => firewall.extPortAccess('disable', one)),
        firewall.extFwding('enable', PAIR),
      ]);
      expect(await firewall.state()).toMatchObject({ ports: [], forwardings: [PAIR] });
    });
  });

  it('that were aborted or come too late do nothing', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    await using firewall = await open(stage);
    const aborted = firewall.extPortAccess('enable', PORT, { signal: AbortSignal.abort() });
    expect(await rejection(aborted)).toMatchObject({ code: 'SNNET_CALL_ABORTED' });
    expect((await firewall.state()).ports).toEqual([]);
    await firewall.shutdown();
    await firewall.close();
    expect(await rejection(firewall.state())).toMatchObject({ code: 'SNNET_HANDLE_CLOSED' });
  });

  it('that fail at any step leave nothing behind', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    const picture = async (): Promise<string> =>
      (await nsRun(stage.cnci, 'nft list ruleset')) +
      JSON.stringify(await ipAddresses(stage.cnci)) +
      (await nsRun(stage.cnci, 'sysctl net.ipv4.ip_forward'));
    let failing: { readonly step: number; readonly errno: string } | undefined;
    const hooks = { fault: () => failing };
    const empty = await picture();
    for (const step of [0, 1]) {
      failing = { step, errno: 'ENOMEM' };
      expect(await rejection(open(stage, {}, hooks))).toMatchObject({
        code: 'SNNET_KERNEL_FAILED',
      });
      expect(await picture()).toBe(empty);
    }
    failing = undefined;
    await using firewall = await open(stage, {}, hooks);
    const opened = await picture();
    for (const step of [0, 1]) {
      failing = { step, errno: 'ENOMEM' };
      expect(await rejection(firewall.publicIpAccess('enable', PUBLIC_IP))).toMatchObject({
        code: 'SNNET_KERNEL_FAILED',
        operation: 'publicIpAccess',
      });
      failing = undefined;
      expect(await picture()).toBe(opened);
      expect(await firewall.audit()).not.toContainEqual(
        expect.objectContaining({ type: 'table-changed' }),
      );
    }
    await firewall.publicIpAccess('enable', PUBLIC_IP);
    const filled = await picture();
    for (const [step, call] of [
      [0, () => firewall.publicIpAccess('disable', PUBLIC_IP)],
      [1, () => firewall.publicIpAccess('disable', PUBLIC_IP)],
      [0, () => firewall.shutdown()],
      [1, () => firewall.shutdown()],
      [2, () => firewall.shutdown()],
    ] as const) {
      failing = { step, errno: 'ENOMEM' };
      await rejection(call());
      failing = undefined;
      expect(await picture()).toBe(filled);
    }
    await firewall.shutdown();
    expect(await picture()).toBe(empty);
  });

  it('that the kernel refuses half-way change nothing', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    let element: string | undefined;
    // Somebody is quicker: between our look and our transaction the port is taken.
    const fault = (): undefined => {
      if (element === undefined) return;
      const command = `add element inet libsnnet ports_eth0 ${element}`;
      spawnSync('nsenter', [`--net=${stage.cnci.path}`, 'nft', command]);
      element = undefined;
    };
    await using firewall = await open(stage, {}, { ownership: 'shared', fault });
    const list = [4000, 4001, 4002].map((externalPort) => ({ ...PORT, externalPort }));
    element = '{ tcp . 4001 : 172.16.1.99 . 1 }';
    expect(await rejection(firewall.extPortAccess('enable', list))).toMatchObject({
      code: 'SNNET_KERNEL_FAILED',
      cause: { name: 'EEXIST' },
    });
    expect(await nsRun(stage.cnci, 'nft list map inet libsnnet ports_eth0')).not.toContain('4000');
    // What the other put there does not stay: it is our table.
    expect(await firewall.extPortAccess('enable', list)).toMatchObject({ changed: 3 });
    expect((await firewall.state()).ports).toEqual(list);
    await firewall.shutdown();
  });

  it('are planned with all that they would do', async () => {
    await withFirewall(async (firewall) => {
      const { text } = await firewall.plan('publicIpAccess', 'enable', PUBLIC_IP);
      expect(text).toMatch(new RegExp(`^ip address add ${PUBLIC}/32 dev `));
      expect(text).toContain('nft add element inet libsnnet published');
      expect((await firewall.state()).publicIps).toEqual([]);
      expect((await firewall.planOfShutdown()).text).toContain('nft delete table inet libsnnet');
      expect(firewall.planOfOpening().text).toContain('nft add table inet libsnnet');
    });
  });

  it('routing is switched, and reported', async () => {
    await withFirewall(async (firewall, { cnci }) => {
      expect(await firewall.routing('disable')).toMatchObject({ changed: 1 });
      expect((await nsRun(cnci, 'sysctl -n net.ipv4.ip_forward')).trim()).toBe('0');
      expect((await firewall.audit()).map(({ type }) => type)).toContain('forwarding-off');
      expect(await firewall.routing('disable')).toMatchObject({ changed: 0, unchanged: 1 });
      expect(await firewall.routing('enable')).toMatchObject({ changed: 1 });
    });
  });
});
