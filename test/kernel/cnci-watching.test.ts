/** A concentrator that watches: what strangers do to its links and servers is told, and mended. */
import { openCnci } from '#lib/cnci/index';
import type { Cnci, CnciEvent } from '#lib/cnci/index';
import type { CnciOptionsInput, TunnelKind } from '#lib/model/index';

import type { Namespace } from '../support/namespaces';
import { bridgeFdb, ipAddresses, ipLinks } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import { UNDERLAY, openUnderlay } from '../support/underlay';
import { KINDS, errorOf, ip, planSent } from './helpers/node';
import { StateDir } from './helpers/workload';

const TENANT = '1f8b0000-0000-4000-8000-00000000000a';
const NET = '172.16.1.0/24';
const GATEWAY = '172.16.1.1';
const ONE = { subnet: NET, subnetKey: 1001, cnIp: '198.51.100.21' };
const TWO = { ...ONE, cnIp: '198.51.100.22' };
const LONG = 60_000 * patience;

type Hooks = Parameters<typeof openCnci>[1];

async function withCnci(
  options: { readonly mode: TunnelKind; readonly dhcp?: CnciOptionsInput['dhcp'] },
  body: (cnci: Cnci, ns: Namespace) => Promise<void>,
  hooks: Hooks = {},
): Promise<void> {
  await using box = await Sandbox.open();
  const { cnci: ns } = await openUnderlay(box, ['cnci']);
  const given = {
    id: '1f8b0000-0000-4000-8000-0000000000c1',
    tenantId: TENANT,
    computeNets: [UNDERLAY],
    netns: ns.path,
    allowVethUplink: true,
    timeoutMs: 20_000 * patience,
  };
  const cnci = await openCnci({ ...given, dhcp: false, ...options }, hooks);
  try {
    await body(cnci, ns);
  } finally {
    await cnci.shutdown();
    await cnci.settle();
    await cnci.close();
  }
}

function listen(cnci: Cnci, heal = false) {
  const events: CnciEvent[] = [];
  void (async () => {
    for await (const event of cnci.watch({ heal })) events.push(event);
  })();
  const count = (type: CnciEvent['type']) => events.filter((event) => event.type === type).length;
  const heard = (type: CnciEvent['type'], times: number) =>
    until(() => count(type) >= times, 10_000 * patience);
  return { events, count, heard };
}

/** What there is of the subnet: bridge with its address, tunnels with their ends, all of them up ports. */
async function picture(ns: Namespace): Promise<unknown> {
  const ours = (await ipLinks(ns)).filter(
    ({ ifname, ifalias }) => /^s(br|gt)_/.test(ifname) && ifalias !== 'vxlan_anchor',
  );
  const names = new Set(ours.map(({ ifname }) => ifname));
  const aliasOf = new Map(ours.map(({ ifname, ifalias }) => [ifname, ifalias]));
  const addresses = (await ipAddresses(ns)).filter(
    ({ ifname, family }) => names.has(ifname) && family === 'inet',
  );
  const remotes = (await bridgeFdb(ns)).filter(
    ({ ifname, mac }) => names.has(ifname) && mac === '00:00:00:00:00:00',
  );
  return {
    links: ours
      .map(({ ifalias, linkinfo, master = '', flags, mtu }) => {
        const data = linkinfo?.info_slave_data;
        const isUp = flags.includes('UP');
        return [ifalias, linkinfo?.info_kind, aliasOf.get(master), isUp, mtu, data?.['hairpin']];
      })
      .sort(),
    addresses: addresses.map(({ ifname, local, prefixlen }) => [
      aliasOf.get(ifname),
      local,
      prefixlen,
    ]),
    remotes: remotes.map(({ dst }) => dst).sort(),
  };
}

async function linkOf(ns: Namespace, prefix: string): Promise<string> {
  const found = (await ipLinks(ns)).find(
    ({ ifname, ifalias }) => ifname.startsWith(prefix) && ifalias !== 'vxlan_anchor',
  );
  if (found === undefined) throw new Error(`no link ${prefix}`);
  return found.ifname;
}

for (const { mode, test } of KINDS) {
  test(`on ${mode}, drift is told with its cause and tenant, and repaired when asked`, async () => {
    await withCnci({ mode }, async (cnci, ns) => {
      await cnci.addRemoteSubnet(ONE);
      await cnci.addRemoteSubnet(TWO);
      const before = await picture(ns);
      const { events } = listen(cnci);
      await cnci.audit();
      const vandalism: readonly (readonly [cause: string, prefix: string, words: string])[] = [
        ['detached', 'sgt_', 'nomaster'],
        ['down', 'sgt_', 'down'],
        ['down', 'sbr_', 'down'],
        ['deleted', 'sgt_', 'delete'],
        ['deleted', 'sbr_', 'delete'],
      ];
      for (const [cause, prefix, words] of vandalism) {
        const name = await linkOf(ns, prefix);
        await ip(ns, words === 'delete' ? `link delete ${name}` : `link set ${name} ${words}`);
        const told = () => events.find((event) => event.type === 'drift' && event.cause === cause);
        expect(await until(() => told() !== undefined, 10_000 * patience)).toBe(true);
        expect(told()).toMatchObject({ subnet: NET, tenantId: TENANT });
        // What is deleted slowly is detached first.
        const first = words === 'delete' ? expect.stringMatching(/^(deleted|detached)$/) : cause;
        expect(events[0]).toMatchObject({ type: 'drift', cause: first });
        expect((await cnci.audit()).findings).not.toEqual([]);
        const report = await cnci.repair();
        expect(report.left).toEqual([]);
        expect(report.repaired).not.toEqual([]);
        expect(await picture(ns)).toEqual(before);
        expect((await cnci.audit()).findings).toEqual([]);
        // What a deletion did to others is drift of theirs.
        expect(events.every(({ type }) => type === 'drift')).toBe(true);
        events.length = 0;
      }
    });
  });
}

for (const { mode, test } of KINDS) {
  test(
    `on ${mode}, a concentrator that heals brings back tunnels and bridges by itself`,
    async () => {
      await withCnci({ mode }, async (cnci, ns) => {
        await cnci.addRemoteSubnet(ONE);
        await cnci.addRemoteSubnet(TWO);
        const before = await picture(ns);
        const { events, heard } = listen(cnci, true);
        let times = 0;
        for (const prefix of ['sgt_', 'sbr_']) {
          await ip(ns, `link delete ${await linkOf(ns, prefix)}`);
          expect(await heard('healed', (times += 1))).toBe(true);
          expect(await picture(ns)).toEqual(before);
        }
        // What is taken away on purpose stays away.
        await cnci.delRemoteSubnet(ONE);
        await cnci.delRemoteSubnet(TWO);
        expect((await cnci.audit()).findings).toEqual([]);
        expect(events.some(({ type }) => type === 'gave-up')).toBe(false);
      });
    },
    LONG,
  );
}

needs('vxlan')('what a concentrator does itself is no drift', async () => {
  await withCnci({ mode: 'vxlan' }, async (cnci) => {
    const { events } = listen(cnci);
    const mesh = (last: string) => [
      { physicalIp: '198.51.100.1', subnet: NET, tunnelIp: '192.0.2.1', tunnelId: 9 },
      { physicalIp: last, subnet: '172.16.9.0/24', tunnelIp: '192.0.2.9', tunnelId: 9 },
    ];
    for (let round = 0; round < 3; round += 1) {
      await Promise.all([cnci.addRemoteSubnet(ONE), cnci.addRemoteSubnet(TWO)]);
      await cnci.updateNeighbors(mesh(`198.51.100.${String(30 + round)}`));
      await cnci.rebuildTopology();
      await Promise.all([cnci.delRemoteSubnet(ONE), cnci.delRemoteSubnet(TWO)]);
      if (round === 1) await cnci.shutdown();
    }
    await cnci.settle();
    await cnci.audit();
    expect(events).toEqual([]);
  });
});

needs('vxlan', 'dnsmasq')(
  'the death of a DHCP server is told, and its return',
  async () => {
    using state = new StateDir();
    await withCnci({ mode: 'vxlan', dhcp: { stateDir: state.path } }, async (cnci) => {
      await cnci.addRemoteSubnet(ONE);
      const pid = cnci.topology().subnets[0]?.dhcp?.pid ?? 0;
      const { events, heard } = listen(cnci);
      process.kill(pid, 'SIGKILL');
      expect(await heard('dhcp', 2)).toBe(true);
      const about = { type: 'dhcp', subnet: NET, tenantId: TENANT };
      expect(events).toMatchObject([
        { ...about, state: 'died', pid },
        { ...about, state: 'restarted' },
      ]);
      expect((await cnci.audit()).findings).toEqual([]);
    });
  },
  LONG,
);

needs('vxlan')('who waits for a call that fails is not forgotten with it', async () => {
  let faults = 1;
  const fault: Hooks['fault'] = ({ operation }) =>
    operation === 'addRemoteSubnet' && faults-- > 0 ? { step: 0, errno: 'ENOBUFS' } : undefined;
  const body = async (cnci: Cnci, ns: Namespace): Promise<void> => {
    const [first, second] = await Promise.allSettled([
      cnci.addRemoteSubnet(ONE),
      cnci.addRemoteSubnet(ONE),
    ]);
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
    expect(cnci.topology().subnets).toMatchObject([{ subnet: NET, gateway: GATEWAY }]);
    expect((await cnci.addRemoteSubnet(ONE)).created).toEqual({ bridge: false, tunnel: false });
    expect((await ipLinks(ns)).filter(({ ifname }) => ifname.startsWith('sbr_'))).toHaveLength(1);
  };
  await withCnci({ mode: 'vxlan' }, body, { fault });
});

needs('vxlan')('a call that is aborted while the kernel works leaves nothing behind', async () => {
  const { sent, fault } = planSent('addRemoteSubnet');
  const body = async (cnci: Cnci, ns: Namespace): Promise<void> => {
    const controller = new AbortController();
    const call = errorOf(cnci.addRemoteSubnet(ONE, { signal: controller.signal }));
    await sent;
    controller.abort();
    expect(await call).toMatchObject({ code: 'SNNET_CALL_ABORTED' });
    await cnci.rebuildTopology();
    await cnci.settle();
    expect(cnci.topology().subnets).toEqual([]);
    expect(await picture(ns)).toEqual({ links: [], addresses: [], remotes: [] });
  };
  await withCnci({ mode: 'vxlan' }, body, { fault });
});
