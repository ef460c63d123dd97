/** Calls of the firewall: concurrent, aborted, refused, failed at any step, planned. */
import { spawnSync } from 'node:child_process';

import { needs } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import { rejection } from './helpers/bed';
import {
  MAIL,
  PUBLIC,
  WEB,
  ipv4Addresses,
  listed,
  nsRun,
  open,
  openStage,
  withFirewall,
} from './helpers/firewall-bed';
import { NEVER_MS, ask, serve } from './helpers/wire';

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
    // Of addresses the IPv4 ones: how far the kernel got with its own IPv6 ones is a matter of time.
    const picture = async (): Promise<string> =>
      (await nsRun(stage.cnci, 'nft list ruleset')) +
      (await ipv4Addresses(stage.cnci)).join('\n') +
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

  it('that the kernel refuses half-way change nothing, and are made again on the table as it was', async () => {
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
    // The transaction is refused as a whole. What the other put there does not stay, since it is our
    // table; so the second attempt finds it as we left it.
    expect(await firewall.extPortAccess('enable', list)).toMatchObject({ changed: 3 });
    expect((await firewall.state()).ports).toEqual(list);
    expect(await nsRun(stage.cnci, 'nft list map inet libsnnet ports_eth0')).not.toContain('99');
    await firewall.shutdown();
  });

  it('are planned with all that they would do', async () => {
    await withFirewall(async (firewall) => {
      const { text } = await firewall.plan('publicIpAccess', 'enable', PUBLIC_IP);
      expect(text).toMatch(new RegExp(`^ip address add ${PUBLIC}/32 dev `, 'm'));
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

  it('every port of both protocols has room, in a map that is told its size', async () => {
    await withFirewall(async (firewall, { cnci }) => {
      const maps = await listed<{ name: string; size?: number }>(cnci, 'map');
      expect(maps.find(({ name }) => name === 'ports_eth0')?.size).toBe(196_608);
      const all = (['tcp', 'udp'] as const).flatMap((protocol) =>
        Array.from({ length: 65_535 }, (_, n) => ({ ...PORT, protocol, externalPort: n + 1 })),
      );
      for (let from = 0; from < all.length; from += 60_000) {
        const some = all.slice(from, from + 60_000);
        expect(await firewall.extPortAccess('enable', some)).toMatchObject({
          changed: some.length,
        });
      }
      expect((await firewall.state()).ports).toHaveLength(131_070);
    });
  });
});

describe('two ways outside', () => {
  it('have ports of their own, and masquerade each by its own address', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    const { cnci, outside, web, mail } = stage;
    await box.link(
      { ns: cnci, name: 'eth1', address: '198.51.100.1/24' },
      { ns: outside, name: 'eth1', address: '198.51.100.254/24' },
    );
    const web22 = await serve(box, web, 'tcp', 22);
    await serve(box, mail, 'tcp', 22);
    await serve(box, outside, 'udp', 7);
    await using firewall = await open(stage, { externalDevices: ['eth0', 'eth1'] });
    const second = { ...PORT, externalDevice: 'eth1', internalIp: MAIL };
    await firewall.extPortAccess('enable', [PORT, second]);
    await firewall.extFwding('enable', PAIR);
    // Only by eth0: the other pair is closed.
    expect(await ask(web, 'udp', ['203.0.113.254', 7])).toBe('203.0.113.1');
    expect(await ask(web, 'udp', ['198.51.100.254', 7], { waitMs: NEVER_MS })).toBe('silence');
    await firewall.extFwding('enable', { ...PAIR, externalDevice: 'eth1' });
    expect(await ask(web, 'udp', ['198.51.100.254', 7])).toBe('198.51.100.1');
    expect(await ask(outside, 'tcp', ['203.0.113.1', 2222])).toBe('203.0.113.254');
    await web22.stop();
    // The one leads to web, where nobody listens any more; the other to mail.
    expect(await ask(outside, 'tcp', ['203.0.113.1', 2222])).toBe('error ECONNREFUSED');
    expect(await ask(outside, 'tcp', ['198.51.100.1', 2222])).toBe('198.51.100.254');
    await firewall.shutdown();
  });
});

describe('options', () => {
  it('name links that are inside from the beginning, and leave input alone', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    const { cnci, outside } = stage;
    const tenant = await box.netns('tenant');
    await box.link(
      { ns: cnci, name: 'tun7', address: '172.16.9.1/24' },
      { ns: tenant, name: 'eth0', address: '172.16.9.5/24' },
    );
    await nsRun(tenant, 'ip route add default via 172.16.9.1');
    await serve(box, outside, 'udp', 7);
    await serve(box, cnci, 'udp', ['172.16.9.1', 53]);
    const options = { internalDevices: ['tun7'], guardInput: false };
    await using firewall = await open(stage, options);
    const out = ['203.0.113.254', 7] as const;
    expect(await ask(tenant, 'udp', out, { waitMs: NEVER_MS })).toBe('silence');
    expect(await ask(outside, 'udp', ['172.16.9.1', 53])).toBe('203.0.113.254');
    await firewall.extFwding('enable', { externalDevice: 'eth0', internalDevice: 'tun7' });
    expect(await ask(tenant, 'udp', out)).toBe('203.0.113.1');
    await firewall.shutdown();
  });
});
