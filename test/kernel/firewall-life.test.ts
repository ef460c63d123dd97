/** The firewall's life: restarts, crashes, others who flush, and others who were there before. */
import type { Firewall, FirewallEvent } from '#lib/firewall/index';

import { spawnSync } from 'node:child_process';
import { ipAddresses } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import { rejection } from './helpers/bed';
import {
  CNCI,
  MAIL,
  OUTSIDE,
  PUBLIC,
  WEB,
  filterBridges,
  nsRun,
  open,
  openStage,
  withFirewall,
} from './helpers/firewall-bed';
import type { Stage } from './helpers/firewall-bed';
import { NEVER_MS, ask, serve } from './helpers/wire';

const it = needs('nftables');
const itIptables = needs('nftables', 'iptables-nft');
const itLegacy = needs('nftables', 'iptables-legacy');
const never = { waitMs: NEVER_MS };

const PORT = {
  protocol: 'tcp',
  externalDevice: 'eth0',
  externalPort: 2222,
  internalIp: WEB,
  internalPort: 22,
} as const;
const PAIR = { externalDevice: 'eth0', internalDevice: 'sbr_1' };
const PUBLIC_IP = { internalIp: MAIL, publicIp: PUBLIC, externalDevice: 'eth0' };

async function fill(firewall: Firewall): Promise<void> {
  await firewall.extFwding('enable', PAIR);
  await firewall.extPortAccess('enable', PORT);
  await firewall.publicIpAccess('enable', PUBLIC_IP);
}

const FILLED = { forwardings: [PAIR], ports: [PORT], publicIps: [PUBLIC_IP] };

/** A process that opens the firewall, fills it, says so, and waits to be killed. */
const OTHER_PROCESS = `
const { Firewall } = require(process.argv[1]);
(async () => {
  const firewall = await Firewall.open({ netns: process.argv[2], externalDevices: ['eth0'] });
  await firewall.extPortAccess('enable', ${JSON.stringify(PORT)});
  console.log('ready');
  setInterval(() => undefined, 1000);
})();`;

function startOther({ box, cnci }: Stage) {
  const library = require.resolve('#lib/index');
  const argv = [process.execPath, '-e', OTHER_PROCESS, library, cnci.path];
  return box.start(cnci, argv, { ready: /^ready/m });
}

describe('a restart', () => {
  it('finds everything in the kernel, and only that', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    await serve(box, stage.web, 'tcp', 22);
    await using first = await open(stage);
    await fill(first);
    const before = await first.state();
    await first.close();
    expect(await ask(stage.outside, 'tcp', [CNCI, 2222])).toBe(OUTSIDE);
    await using second = await open(stage, { externalDevices: [] });
    expect(await second.state()).toEqual(before);
    expect(before).toMatchObject(FILLED);
    expect(await second.extPortAccess('enable', PORT)).toMatchObject({ changed: 0, unchanged: 1 });
    await second.extPortAccess('disable', PORT);
    expect(await ask(stage.outside, 'tcp', [CNCI, 2222])).toBe('error ECONNREFUSED');
    // It is the first process's look at forwarding that counts.
    expect(await second.shutdown()).toEqual({ removed: true, forwarding: false });
    expect((await ipAddresses(stage.cnci)).map(({ local }) => local)).not.toContain(PUBLIC);
  });

  it('after a kill, likewise; while the other lives, it is refused and may look', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    const other = await startOther(stage);
    await using viewer = await open(stage, { externalDevices: [], readOnly: true });
    const { ownership } = await viewer.state();
    if (ownership === 'owned') {
      expect(await rejection(open(stage))).toMatchObject({
        code: 'SNNET_FIREWALL_HELD',
        operation: 'Firewall.open',
      });
    }
    expect((await viewer.state()).ports).toEqual([PORT]);
    expect(await viewer.dump()).toContain(`port eth0 tcp 2222 -> ${WEB}:22`);
    expect(await rejection(viewer.extPortAccess('disable', PORT))).toMatchObject({
      code: 'SNNET_FIREWALL_READ_ONLY',
    });
    const { text } = await viewer.plan('extPortAccess', 'disable', PORT);
    expect(text).toContain('nft delete element');
    process.kill(other.pid!, 'SIGKILL');
    await until(() => !other.running, 5000 * patience);
    await using heir = await open(stage);
    expect((await heir.state()).ports).toEqual([PORT]);
    await heir.shutdown();
  });

  it('adds devices and drops those that nothing depends on', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    await nsRun(stage.cnci, 'ip link add eth1 type veth peer name eth2');
    box.allow(stage.cnci, [/^(sbr_|eth)/]);
    await using first = await open(stage, { externalDevices: ['eth0', 'eth1'] });
    await first.extPortAccess('enable', PORT);
    await first.close();
    await using second = await open(stage, { externalDevices: ['eth2'] });
    expect(second.externalDevices).toEqual(['eth0', 'eth2']);
    expect((await second.state()).ports).toEqual([PORT]);
    await second.shutdown();
  });
});

describe('others', () => {
  it('who flush find the table guarded, or it is put back', async () => {
    for (const hooks of [{}, { ownership: 'shared' }] as const) {
      await withFirewall(async (firewall, { cnci, outside, web, box }) => {
        await serve(box, web, 'tcp', 22);
        await fill(firewall);
        const before = await firewall.state();
        for (const harm of [
          'flush ruleset',
          'delete chain inet libsnnet forward',
          'flush table inet libsnnet',
        ]) {
          const argv = ['nsenter', `--net=${cnci.path}`, 'nft', ...harm.split(' ')];
          spawnSync(argv[0]!, argv.slice(1));
          const isBack = () =>
            firewall.audit().then((found) => !found.some(({ type }) => type === 'table-changed'));
          expect(await until(isBack, 5000 * patience)).toBe(true);
        }
        expect(await firewall.state()).toEqual(before);
        expect(await ask(outside, 'tcp', [CNCI, 2222])).toBe(OUTSIDE);
      }, hooks);
    }
  });

  it('who flush are told of, and that it was put back; whoever does it for long waits longer', async () => {
    await withFirewall(
      async (firewall, { cnci }) => {
        await fill(firewall);
        const events: FirewallEvent[] = [];
        void (async () => {
          for await (const event of firewall.watch()) events.push(event);
        })();
        for (let times = 1; times <= 5; times += 1) {
          spawnSync('nsenter', [`--net=${cnci.path}`, 'nft', 'flush', 'ruleset']);
          expect(await until(() => events.length === times, 5000 * patience)).toBe(true);
        }
        for (const event of events) {
          expect(event).toEqual({ type: 'drift', cause: 'table-changed', healed: true });
        }
        expect(await firewall.state()).toMatchObject(FILLED);
      },
      { ownership: 'shared' },
    );
  });

  it('who flush between the look and the change do not make it fail', async () => {
    let path = '';
    const fault = ({ operation }: { readonly operation: string }): undefined => {
      if (operation === 'extPortAccess' && path !== '')
        spawnSync('nsenter', [`--net=${path}`, 'nft', 'flush', 'ruleset']);
      path = '';
      return undefined;
    };
    await withFirewall(
      async (firewall, { cnci }) => {
        await firewall.extFwding('enable', PAIR);
        path = cnci.path;
        await firewall.extPortAccess('enable', PORT);
        expect(await firewall.state()).toMatchObject({ forwardings: [PAIR], ports: [PORT] });
      },
      { ownership: 'shared', fault },
    );
  });

  it('who flush the rules of the table while no process lives do not make it a stranger’s', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    const hooks = { ownership: 'shared' } as const;
    const first = await open(stage, {}, hooks);
    await fill(first);
    await first.close();
    await nsRun(stage.cnci, 'nft flush table inet libsnnet');
    await using second = await open(stage, {}, hooks);
    expect(await second.state()).toMatchObject(FILLED);
    expect((await second.audit()).some(({ type }) => type === 'table-changed')).toBe(false);
    await second.shutdown();
  });

  it('who flush just before a change do not get into it', async () => {
    await withFirewall(
      async (firewall, { cnci }) => {
        await fill(firewall);
        spawnSync('nsenter', [`--net=${cnci.path}`, 'nft', 'flush', 'ruleset']);
        await firewall.extPortAccess('disable', PORT);
        expect(await firewall.state()).toMatchObject({ ...FILLED, ports: [] });
      },
      { ownership: 'shared' },
    );
  });

  it('who flush while no process lives leave nothing to adopt, and a new one begins anew', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    await using first = await open(stage);
    await fill(first);
    await first.close();
    await nsRun(stage.cnci, 'nft flush ruleset');
    await using second = await open(stage);
    expect(await second.state()).toMatchObject({ forwardings: [], ports: [], publicIps: [] });
    await second.shutdown();
    // The address is still there: nothing says any more that it was ours.
    await nsRun(stage.cnci, `ip address del ${PUBLIC}/32 dev eth0`);
  });

  it('who have a table of our name keep it', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    box.allow(stage.cnci, [/^sbr_/, 'nft:inet libsnnet']);
    await nsRun(stage.cnci, 'nft add table inet libsnnet');
    await nsRun(stage.cnci, 'nft add chain inet libsnnet about');
    const before = await nsRun(stage.cnci, 'nft list ruleset');
    const error = await rejection(open(stage));
    expect(error).toMatchObject({ code: 'SNNET_FIREWALL_FOREIGN', operation: 'Firewall.open' });
    expect(await nsRun(stage.cnci, 'nft list ruleset')).toBe(before);
    expect((await nsRun(stage.cnci, 'sysctl -n net.ipv4.ip_forward')).trim()).toBe('0');
  });

  it('whose chains drop are named, with what to do', async () => {
    await withFirewall(async (firewall, { cnci }) => {
      await nsRun(
        cnci,
        'nft -f -',
        `table inet firewalld { chain filter_FORWARD { type filter hook forward priority 10; ct state established accept; counter reject; }; }
         table bridge filter { chain FORWARD { type filter hook forward priority -200; policy drop; }; }`,
      );
      const found = (await firewall.audit()).filter(({ type }) => type === 'foreign-drop');
      expect(found.map(({ text }) => text)).toEqual([
        "chain filter_FORWARD of table inet firewalld drops tenants' traffic: its last rule drops everything",
        "chain FORWARD of table bridge filter drops tenants' traffic: its policy is drop",
      ]);
      expect(found[0]?.remedy).toContain('firewall-cmd');
      await nsRun(cnci, 'nft delete table inet firewalld');
      await nsRun(cnci, 'nft delete table bridge filter');
    });
  });
});

describe('iptables-legacy', () => {
  itLegacy('is named, for nothing here can see what it drops', async () => {
    await withFirewall(async (firewall, { cnci }) => {
      const legacy = async () =>
        (await firewall.audit()).filter(({ type }) => type === 'legacy-iptables');
      expect(await legacy()).toEqual([]);
      await nsRun(cnci, 'iptables-legacy -P FORWARD DROP');
      expect(await legacy()).toMatchObject([
        { text: expect.stringContaining('(filter)') as string },
      ]);
    });
  });
});

describe('docker’s FORWARD DROP', () => {
  /** Says whether bridged frames are dropped too. */
  const prepare = async (cnci: Namespace): Promise<boolean> => {
    await nsRun(cnci, 'iptables-nft -N DOCKER-USER');
    await nsRun(cnci, 'iptables-nft -A FORWARD -j DOCKER-USER');
    await nsRun(cnci, 'iptables-nft -P FORWARD DROP');
    return filterBridges(cnci, '1');
  };

  itIptables(
    'gets a passage that iptables can print, kept open, and closed at the end',
    async () => {
      await using box = await Sandbox.open();
      const stage = await openStage(box);
      const { cnci, outside, web, mail } = stage;
      box.allow(cnci, [/^sbr_/, 'nft:ip filter']);
      const isFiltered = await prepare(cnci);
      const filtered = isFiltered ? ['bridge-filtered'] : [];
      const before = await nsRun(cnci, 'iptables-nft -S');
      await serve(box, web, 'tcp', 22);
      await serve(box, mail, 'udp', 7);
      await serve(box, outside, 'udp', 7);
      await using firewall = await open(stage);
      await firewall.extFwding('enable', PAIR);
      await firewall.extPortAccess('enable', PORT);
      expect(await ask(web, 'udp', [MAIL, 7], never)).toBe(isFiltered ? 'silence' : WEB);
      expect(await ask(outside, 'tcp', [CNCI, 2222], never)).toBe('silence');
      expect((await firewall.audit()).map(({ type }) => type)).toEqual([
        'foreign-drop',
        ...filtered,
      ]);
      expect(await firewall.passBridges('enable')).toMatchObject({ changed: 8 });
      expect(await firewall.passBridges('enable')).toMatchObject({ changed: 0, unchanged: 8 });
      const isOpen = async (): Promise<void> => {
        expect(await ask(web, 'udp', [MAIL, 7])).toBe(WEB);
        expect(await ask(outside, 'tcp', [CNCI, 2222])).toBe(OUTSIDE);
        expect(await ask(web, 'udp', [OUTSIDE, 7])).toBe(CNCI);
      };
      await isOpen();
      const rules = await nsRun(cnci, 'iptables-nft -S DOCKER-USER');
      expect(rules).toContain(
        '-A DOCKER-USER -i sbr_+ -o eth0 -m comment --comment "libsnnet passage: sbr_* to eth0" -j ACCEPT',
      );
      expect((await firewall.audit()).map(({ type }) => type)).toEqual(filtered);
      // An operator flushes it: it is opened again.
      await nsRun(cnci, 'iptables-nft -F DOCKER-USER');
      const isBack = async (): Promise<boolean> =>
        (await nsRun(cnci, 'iptables-nft -S DOCKER-USER')) === rules;
      expect(await until(isBack, 5000 * patience)).toBe(true);
      await isOpen();
      await firewall.shutdown();
      expect(await nsRun(cnci, 'iptables-nft -S')).toBe(before);
    },
  );

  itIptables(
    'without docker it is FORWARD itself; without iptables there is nothing to do',
    async () => {
      await using box = await Sandbox.open();
      const stage = await openStage(box);
      const { cnci } = stage;
      await using firewall = await open(stage);
      expect(await firewall.passBridges('enable')).toMatchObject({ changed: 0 });
      await nsRun(cnci, 'iptables-nft -P FORWARD DROP');
      box.allow(cnci, [/^sbr_/, 'nft:ip filter']);
      await firewall.passBridges('enable');
      expect(await nsRun(cnci, 'iptables-nft -S FORWARD')).toContain(
        '-A FORWARD -i sbr_+ -o sbr_+',
      );
      expect(await firewall.passBridges('disable')).toMatchObject({ changed: 8 });
      expect(await nsRun(cnci, 'iptables-nft -S FORWARD')).toBe('-P FORWARD DROP\n');
      await firewall.shutdown();
    },
  );
});
