/** The firewall of a concentrator on the real kernel: what gets through, and what does not. */
import { Firewall } from '#lib/index';

import { capture, ipAddresses, ping } from '../support/oracle';
import { needs } from '../support/reasons';
import { until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import {
  CNCI,
  FAR,
  MAIL,
  OUTSIDE,
  PUBLIC,
  WEB,
  filterBridges,
  ipv4Addresses,
  listed,
  nsRun,
  open,
  openStage,
  withFirewall,
} from './helpers/firewall-bed';
import { rejection } from './helpers/bed';
import { NEVER_MS, ask, serve } from './helpers/wire';

const it = needs('nftables');
const itCaptures = needs('nftables', 'capture');
const PAIR = { externalDevice: 'eth0', internalDevice: 'sbr_1' };

function port(externalPort: number, internalIp = WEB, internalPort = 22) {
  return {
    protocol: 'tcp',
    externalDevice: 'eth0',
    externalPort,
    internalIp,
    internalPort,
  } as const;
}
const PUBLIC_IP = { internalIp: WEB, publicIp: PUBLIC, externalDevice: 'eth0' };
const never = { waitMs: NEVER_MS };

describe('opening', () => {
  it('closes everything at once, masquerades, and lets the machine forward', async () => {
    await withFirewall(async (firewall, { cnci, outside, web, box }) => {
      expect((await nsRun(cnci, 'sysctl -n net.ipv4.ip_forward')).trim()).toBe('1');
      await serve(box, outside, 'udp', 53);
      await serve(box, web, 'udp', 53);
      expect(await ask(web, 'udp', [OUTSIDE, 53], never)).toBe('silence');
      expect(await ask(outside, 'udp', [WEB, 53], never)).toBe('silence');
      expect(await firewall.state()).toMatchObject({
        externalDevices: ['eth0'],
        forwardings: [],
        ports: [],
        publicIps: [],
        forwarding: true,
        forwardedBefore: false,
      });
    });
  });

  it('lets a tenant’s subnets talk to each other and to their gateway', async () => {
    await withFirewall(async (_firewall, { web, far, mail }) => {
      expect(await ping(web, FAR, { count: 1 })).toMatchObject({ received: 1 });
      expect(await ping(web, MAIL, { count: 1 })).toMatchObject({ received: 1 });
      expect(await ping(far, '172.16.1.1', { count: 1 })).toMatchObject({ received: 1 });
      expect(await ping(mail, '172.16.1.1', { count: 1 })).toMatchObject({ received: 1 });
    });
  });

  it('keeps the outside from a gateway’s own services', async () => {
    await withFirewall(async (_firewall, { cnci, outside, web, box }) => {
      await serve(box, cnci, 'udp', ['172.16.1.1', 53]);
      expect(await ask(web, 'udp', ['172.16.1.1', 53])).toBe(WEB);
      expect(await ask(outside, 'udp', ['172.16.1.1', 53], never)).toBe('silence');
    });
  });

  it('refuses a link that is not there, a bridge of a tenant, none at all', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    const cases = [
      [['eth7'], 'SNNET_DEVICE_NOT_FOUND'],
      [['sbr_1'], 'SNNET_INPUT_INVALID'],
      [[], 'SNNET_FIREWALL_ABSENT'],
    ] as const;
    for (const [externalDevices, code] of cases) {
      expect(await rejection(open(stage, { externalDevices }))).toMatchObject({
        code,
        operation: 'Firewall.open',
      });
    }
    expect((await nsRun(stage.cnci, 'sysctl -n net.ipv4.ip_forward')).trim()).toBe('0');
  });

  it('shutdown leaves nothing, and forwarding as it was', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    for (const before of ['0', '1']) {
      await nsRun(stage.cnci, `sysctl -w net.ipv4.ip_forward=${before}`);
      await using firewall = await open(stage);
      await firewall.publicIpAccess('enable', PUBLIC_IP);
      expect(await firewall.shutdown()).toEqual({ removed: true, forwarding: before === '1' });
      expect(await firewall.shutdown()).toMatchObject({ removed: false });
      expect((await nsRun(stage.cnci, 'sysctl -n net.ipv4.ip_forward')).trim()).toBe(before);
      expect(await nsRun(stage.cnci, 'nft list ruleset')).toBe('');
      expect((await ipAddresses(stage.cnci)).map(({ local }) => local)).not.toContain(PUBLIC);
      expect(await rejection(firewall.extFwding('enable', PAIR))).toMatchObject({
        code: 'SNNET_FIREWALL_ABSENT',
      });
    }
  });
});

describe('forwarding', () => {
  it('is open one way, behind the gateway’s address, and closed again also for what is under way', async () => {
    await withFirewall(async (firewall, { outside, web, far, box }) => {
      const server = await serve(box, outside, 'udp', 7);
      await serve(box, web, 'udp', 7);
      expect(await firewall.extFwding('enable', PAIR)).toEqual({
        changed: 1,
        unchanged: 0,
        flowsEnded: 0,
      });
      const flow = { localPort: 4000, waitMs: 5000 };
      expect(await ask(web, 'udp', [OUTSIDE, 7], flow)).toBe(CNCI);
      expect(await ask(outside, 'udp', [WEB, 7], never)).toBe('silence');
      expect(await ask(far, 'udp', [OUTSIDE, 7], never)).toBe('silence');
      expect(await firewall.extFwding('enable', PAIR)).toMatchObject({ changed: 0, unchanged: 1 });
      await firewall.extFwding('disable', PAIR);
      expect(await ask(web, 'udp', [OUTSIDE, 7], { ...flow, ...never })).toBe('silence');
      expect(await firewall.extFwding('disable', PAIR)).toMatchObject({ changed: 0, unchanged: 1 });
      expect(server.stdout.match(/heard/g)).toHaveLength(1);
    });
  });

  it('needs links that are there', async () => {
    await withFirewall(async (firewall) => {
      const absent = { ...PAIR, internalDevice: 'sbr_77' };
      expect(await rejection(firewall.extFwding('enable', absent))).toMatchObject({
        code: 'SNNET_DEVICE_NOT_FOUND',
        field: 'internalDevice',
        operation: 'extFwding',
      });
      expect(await firewall.extFwding('disable', absent)).toMatchObject({ changed: 0 });
      const unknown = { ...PAIR, externalDevice: 'eth9' };
      expect(await rejection(firewall.extFwding('enable', unknown))).toMatchObject({
        field: 'externalDevice',
      });
    });
  });

  itCaptures('no tenant’s address is ever seen outside, whatever is set up meanwhile', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    const { cnci, web, outside } = stage;
    await using seen = await capture(outside, 'eth0', 'src net 172.16.0.0/16');
    await using marker = await capture(outside, 'eth0', `udp port 9 and host ${CNCI}`);
    // It sends all the time, also before the firewall is there: so its flow is known from before.
    const chatter = await box.start(
      web,
      ['ping', '-n', '-f', '-i', '0.01', '-W', '1', OUTSIDE],
      {},
    );
    await using firewall = await open(stage);
    await firewall.extFwding('enable', PAIR);
    await firewall.publicIpAccess('enable', PUBLIC_IP);
    await firewall.publicIpAccess('disable', PUBLIC_IP);
    await firewall.extFwding('disable', PAIR);
    await firewall.shutdown();
    await chatter.stop();
    // What was sent before has been seen when this is.
    await ask(cnci, 'udp', [OUTSIDE, 9], never);
    await marker.waitFor(1);
    expect(await seen.stop()).toEqual([]);
  });

  itCaptures('nor that of a flow which went out untranslated before', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    const { cnci, web, outside } = stage;
    await nsRun(cnci, 'sysctl -q -w net.ipv4.ip_forward=1');
    // Connection tracking has to see it, as on any machine with a firewall before ours.
    const tracking =
      'table ip x { chain y { type filter hook forward priority 0; ct state new counter; }; }';
    await nsRun(cnci, 'nft -f -', tracking);
    await serve(box, outside, 'udp', 7);
    const flow = { localPort: 4000 };
    expect(await ask(web, 'udp', [OUTSIDE, 7], flow)).toBe(WEB);
    await using firewall = await open(stage);
    await using seen = await capture(outside, 'eth0', 'src net 172.16.0.0/16');
    const pair = { ...PAIR, internalDevice: 'sbr_2' };
    expect(await firewall.extFwding('enable', pair)).toMatchObject({ flowsEnded: 0 });
    await ask(web, 'udp', [OUTSIDE, 7], { ...flow, ...never });
    // When its own bridge is opened it begins anew, as it should.
    expect(await firewall.extFwding('enable', PAIR)).toMatchObject({ flowsEnded: 1 });
    expect(await ask(web, 'udp', [OUTSIDE, 7], flow)).toBe(CNCI);
    expect(await seen.stop()).toEqual([]);
    await firewall.shutdown();
    await nsRun(cnci, 'nft delete table ip x');
  });
});

describe('ports', () => {
  it('lead to a workload, for TCP and UDP, and no other port does', async () => {
    await withFirewall(async (firewall, { outside, web, box }) => {
      await serve(box, web, 'tcp', 22);
      await serve(box, web, 'udp', 53);
      const udp = { ...port(5353, WEB, 53), protocol: 'udp' } as const;
      expect(await firewall.extPortAccess('enable', [port(33261), udp])).toMatchObject({
        changed: 2,
      });
      expect(await ask(outside, 'tcp', [CNCI, 33261])).toBe(OUTSIDE);
      expect(await ask(outside, 'udp', [CNCI, 5353])).toBe(OUTSIDE);
      expect(await ask(outside, 'tcp', [CNCI, 5353])).toBe('error ECONNREFUSED');
      expect(await ask(outside, 'tcp', [WEB, 22], never)).toBe('silence');
      expect(await firewall.extPortAccess('enable', [port(33261), udp])).toMatchObject({
        changed: 0,
        unchanged: 2,
      });
      await firewall.extPortAccess('disable', port(33261));
      expect(await ask(outside, 'tcp', [CNCI, 33261])).toBe('error ECONNREFUSED');
      expect(await firewall.extPortAccess('disable', port(33261))).toMatchObject({ changed: 0 });
    });
  });

  it('are in the kernel’s map, one element each', async () => {
    await withFirewall(async (firewall, { cnci }) => {
      await firewall.extPortAccess('enable', [port(80, WEB, 8080)]);
      interface Map {
        name: string;
        elem?: unknown;
      }
      const maps = await listed<Map>(cnci, 'map');
      expect(maps.find(({ name }) => name === 'ports_eth0')?.elem).toEqual([
        [{ concat: ['tcp', 80] }, { concat: [WEB, 8080] }],
      ]);
    });
  });

  it('that are taken are refused, naming both, and nothing of the list is done', async () => {
    await withFirewall(async (firewall) => {
      await firewall.extPortAccess('enable', port(80));
      const error = await rejection(firewall.extPortAccess('enable', [port(81), port(80, MAIL)]));
      expect(error).toMatchObject({ code: 'SNNET_FIREWALL_CONFLICT', operation: 'extPortAccess' });
      expect(error.message).toContain(`${WEB}:22`);
      expect(error.message).toContain(`${MAIL}:22`);
      expect((await firewall.state()).ports).toEqual([port(80)]);
    });
  });

  it('flows by a mapping that comes, changes or goes are ended, and begin anew', async () => {
    await withFirewall(async (firewall, { outside, cnci, web, mail, box }) => {
      const own = await serve(box, cnci, 'udp', [CNCI, 5353]);
      const first = await serve(box, web, 'udp', 53);
      const second = await serve(box, mail, 'udp', 53);
      const to = (ip: string) => ({ ...port(5353, ip, 53), protocol: 'udp' }) as const;
      // Always the same flow: connection tracking knows it for half a minute.
      const send = () => ask(outside, 'udp', [CNCI, 5353], { localPort: 4001 });
      const heard = () =>
        [own, first, second].map(({ stdout }) => stdout.split('heard').length - 1);
      expect(await send()).toBe(OUTSIDE);
      expect(heard()).toEqual([1, 0, 0]);
      expect(await firewall.extPortAccess('enable', to(WEB))).toMatchObject({ flowsEnded: 1 });
      expect(await send()).toBe(OUTSIDE);
      expect(heard()).toEqual([1, 1, 0]);
      expect(await firewall.extPortAccess('disable', to(WEB))).toMatchObject({ flowsEnded: 1 });
      expect(await firewall.extPortAccess('enable', to(MAIL))).toMatchObject({ flowsEnded: 0 });
      expect(await send()).toBe(OUTSIDE);
      expect(heard()).toEqual([1, 1, 1]);
      expect(await firewall.extPortAccess('disable', to(MAIL))).toMatchObject({ flowsEnded: 1 });
      expect(await send()).toBe(OUTSIDE);
      expect(heard()).toEqual([2, 1, 1]);
    });
  });

  // With the latter, bridged frames are translated while they are bridged.
  for (const filtered of ['0', '1'] as const) {
    it(`a workload reaches another by the outside’s port, bridge-nf-call-iptables ${filtered}`, async () => {
      await withFirewall(async (firewall, { web, mail, far, cnci, box }) => {
        const isFiltered = (await filterBridges(cnci, filtered)) && filtered === '1';
        await serve(box, web, 'tcp', 22);
        await serve(box, cnci, 'udp', ['172.16.1.1', 53]);
        const dns = { ...port(53, MAIL, 53), protocol: 'udp' } as const;
        await firewall.extPortAccess('enable', [port(2222), dns]);
        for (const ns of isFiltered ? [mail, far] : [mail, far, web]) {
          expect(await ask(ns, 'tcp', [CNCI, 2222])).toMatch(/^172\.16\.1\.[16]$/);
        }
        // The gateway's own service on a port that is mapped outside.
        expect(await ask(web, 'udp', ['172.16.1.1', 53])).toBe(WEB);
        const types = (await firewall.audit()).map(({ type }) => type);
        expect(types).toEqual(isFiltered ? ['bridge-filtered'] : []);
      });
    });
  }

  it('two thousand come and go in one call each', async () => {
    await withFirewall(async (firewall, { outside, web, box }) => {
      await serve(box, web, 'tcp', 22);
      const many = Array.from({ length: 2045 }, (_, n) => port(20_000 + n));
      expect(await firewall.extPortAccess('enable', many)).toMatchObject({ changed: 2045 });
      expect(await ask(outside, 'tcp', [CNCI, 22_044])).toBe(OUTSIDE);
      expect(await firewall.extPortAccess('disable', many)).toMatchObject({ changed: 2045 });
      expect((await firewall.state()).ports).toEqual([]);
    });
  });
});

describe('public addresses', () => {
  it('lead in and out, are on the device, and go without a trace', async () => {
    await withFirewall(async (firewall, { outside, cnci, web, box }) => {
      await serve(box, web, 'tcp', 80);
      await serve(box, outside, 'tcp', 80);
      expect(await firewall.publicIpAccess('enable', PUBLIC_IP)).toMatchObject({ changed: 1 });
      await firewall.extFwding('enable', PAIR);
      expect(await ask(outside, 'tcp', [PUBLIC, 80])).toBe(OUTSIDE);
      expect(await ask(web, 'tcp', [OUTSIDE, 80])).toBe(PUBLIC);
      const own = (await ipAddresses(cnci)).filter(({ local }) => local === PUBLIC);
      expect(own).toMatchObject([{ ifname: 'eth0', prefixlen: 32 }]);
      expect(await firewall.publicIpAccess('enable', PUBLIC_IP)).toMatchObject({ unchanged: 1 });
      expect(await firewall.publicIpAccess('disable', PUBLIC_IP)).toMatchObject({ changed: 1 });
      expect(await ask(web, 'tcp', [OUTSIDE, 80])).toBe(CNCI);
      expect((await ipAddresses(cnci)).map(({ local }) => local)).not.toContain(PUBLIC);
      expect(await firewall.publicIpAccess('disable', PUBLIC_IP)).toMatchObject({ changed: 0 });
    });
  });

  it('are reached from inside too, also by their own workload', async () => {
    await withFirewall(async (firewall, { cnci, web, mail, far, box }) => {
      await filterBridges(cnci, '0');
      await serve(box, web, 'tcp', 80);
      await firewall.publicIpAccess('enable', PUBLIC_IP);
      for (const ns of [mail, far, web]) expect(await ask(ns, 'tcp', [PUBLIC, 80])).toMatch(/^172/);
    });
  });

  it('of the machine, of a tenant or of another workload are refused', async () => {
    await withFirewall(async (firewall, { cnci }) => {
      await firewall.publicIpAccess('enable', PUBLIC_IP);
      const before = await ipv4Addresses(cnci);
      for (const publicIp of [CNCI, '172.16.2.99', '172.16.1.1']) {
        const wish = { internalIp: MAIL, publicIp, externalDevice: 'eth0' };
        const error = await rejection(firewall.publicIpAccess('enable', wish));
        expect(error).toMatchObject({ code: 'SNNET_FIREWALL_CONFLICT' });
        expect(error.message).toContain(publicIp);
      }
      const second = await rejection(
        firewall.publicIpAccess('enable', { ...PUBLIC_IP, internalIp: MAIL }),
      );
      expect(second).toMatchObject({ code: 'SNNET_FIREWALL_CONFLICT' });
      expect(await ipv4Addresses(cnci)).toEqual(before);
    });
  });

  it('come back with their device', async () => {
    await withFirewall(async (firewall, { box, cnci, outside, web }) => {
      await filterBridges(cnci, '0');
      await serve(box, web, 'tcp', 80);
      await firewall.publicIpAccess('enable', PUBLIC_IP);
      await nsRun(cnci, 'ip link delete eth0');
      expect(await firewall.audit()).toMatchObject([{ type: 'missing-device' }]);
      await box.link(
        { ns: cnci, name: 'eth0', address: `${CNCI}/24` },
        { ns: outside, name: 'eth0', address: `${OUTSIDE}/24` },
      );
      const isBack = async (): Promise<boolean> =>
        (await ipAddresses(cnci)).some(({ local }) => local === PUBLIC);
      expect(await until(isBack, 5000)).toBe(true);
      expect(await ask(outside, 'tcp', [PUBLIC, 80])).toBe(OUTSIDE);
      expect(await firewall.audit()).toEqual([]);
    });
  });
});

describe('segments', () => {
  itCaptures('are clamped to the path in both directions', async () => {
    await withFirewall(async (firewall, { cnci, outside, web, box }) => {
      await nsRun(cnci, 'ip link set sbr_1 mtu 1400');
      await serve(box, outside, 'tcp', 80);
      await firewall.extFwding('enable', PAIR);
      await using out = await capture(outside, 'eth0', 'tcp[tcpflags] & tcp-syn != 0 and port 80');
      await using back = await capture(web, 'eth0', 'tcp[tcpflags] == (tcp-syn|tcp-ack)');
      expect(await ask(web, 'tcp', [OUTSIDE, 80])).toBe(CNCI);
      expect((await out.waitFor(1))[0]).toContain('mss 1360');
      expect((await back.waitFor(1))[0]).toContain('mss 1360');
    });
  });
});

test('the class is part of the package', () => {
  expect(typeof Firewall.open).toBe('function');
});
