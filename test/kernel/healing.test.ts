/** A node that watches and heals: what strangers put out of order comes back by itself. */
import type { ComputeNode, NodeEvent } from '#lib/compute-node/index';

import { bridgeFdb, ipLink } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, sleep, until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import {
  findDisorder,
  ip,
  linksOf,
  makeHost,
  openNode,
  ourLinks,
  vnicConfig,
} from './helpers/node';
import { CONC_IP, KINDS, TENANT, SUBNET, CONC } from './helpers/node';

const SCOPE = `${TENANT}_${SUBNET}_${CONC}_${CONC_IP}`;
const LONG = 60_000 * patience;

/** Watches with healing, and keeps what it hears. */
function heal(node: ComputeNode, onEvent: (event: NodeEvent) => void = () => undefined) {
  const events: NodeEvent[] = [];
  const controller = new AbortController();
  void (async () => {
    for await (const event of node.watch({ heal: true, signal: controller.signal })) {
      events.push(event);
      onEvent(event);
    }
  })();
  const count = (type: NodeEvent['type']) => events.filter((event) => event.type === type).length;
  const heard = (type: NodeEvent['type'], times: number) =>
    until(() => count(type) >= times, 20_000 * patience);
  return { events, count, heard, stop: () => controller.abort() };
}

async function namesIn(ns: Namespace) {
  const { bridges, tunnels, vnics } = await ourLinks(ns);
  const name = (links: typeof bridges): string => links[0]?.ifname ?? '';
  return { bridge: name(bridges), tunnel: name(tunnels), vnic: name(vnics) };
}

for (const { mode, test } of KINDS) {
  test(
    `on ${mode}, whatever a stranger does to a subnet comes back, and concentrators are told`,
    async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      await using node = await openNode(ns, { mode });
      await node.createVnic(vnicConfig());
      await node.createVnic(vnicConfig(1, { role: 'container' }));
      type Act = (names: Awaited<ReturnType<typeof namesIn>>) => string;
      const vandalism: readonly (readonly Act[])[] = [
        [
          ({ vnic }) => `link set ${vnic} nomaster`,
          ({ vnic }) => `link set ${vnic} down`,
          ({ bridge }) => `link set ${bridge} down`,
        ],
        [
          ({ tunnel }) => `link set ${tunnel} nomaster`,
          ({ tunnel }) => `link delete ${tunnel}`,
          ({ bridge }) => `link delete ${bridge}`,
        ],
      ];
      const told: unknown[] = [];
      // A subnet is mended five times a minute at most: each group has a watcher of its own.
      for (const acts of vandalism) {
        const { events, heard, stop } = heal(node);
        for (const [done, act] of acts.entries()) {
          await ip(ns, act(await namesIn(ns)));
          expect(await heard('healed', done + 1)).toBe(true);
          expect(await findDisorder(ns)).toEqual([]);
        }
        stop();
        told.push(...events.flatMap((event) => (event.type === 'healed' ? event.events : [])));
      }
      expect(told).toMatchObject([
        { kind: 'tunnel-add', subnet: SCOPE, subnetKey: 69_804, tunnel: mode },
      ]);
      await node.resetNetwork();
      await node.settle();
    },
    LONG,
  );
}

needs('vxlan')(
  'a bridge whose last VNIC somebody deleted goes, after a while, and is told of',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns);
    await node.createVnic(vnicConfig());
    const { events, heard } = heal(node);
    await ip(ns, `link delete ${(await namesIn(ns)).vnic}`);
    expect(await heard('healed', 1)).toBe(true);
    expect(events).toMatchObject([
      { type: 'drift', cause: 'deleted', subnet: SCOPE, tenantId: TENANT },
      { type: 'healed', repaired: [{ type: 'orphan' }], events: [{ kind: 'tunnel-del' }] },
    ]);
    await node.settle();
    expect(await linksOf(ns)).toEqual([]);
    expect(await node.destroyVnic(vnicConfig())).toEqual({ destroyed: false });
  },
  LONG,
);

needs('vxlan')(
  'a stranger who insists wins: the node stops, says so, and goes on when it is in order',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns);
    const { vnic } = await node.createVnic(vnicConfig());
    const down = () => ip(ns, `link set ${vnic.linkName} down`);
    const { events, count, heard } = heal(node, ({ type }) => {
      if (type === 'healed') void down();
    });
    await down();
    expect(await heard('gave-up', 1)).toBe(true);
    expect(count('healed')).toBe(5);
    expect(events.at(-1)).toMatchObject({
      type: 'gave-up',
      subnet: SCOPE,
      tenantId: TENANT,
      attempts: 5,
      findings: [{ type: 'down' }],
    });
    await sleep(1000);
    expect([count('healed'), count('gave-up')]).toEqual([5, 1]);
    expect((await ipLink(ns, vnic.linkName)).flags).not.toContain('UP');
    await node.destroyVnic(vnicConfig());
    await node.settle();
  },
  LONG,
);

needs('vxlan')('a workload whose alias somebody took keeps its bridge', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  box.allow(ns, ['eth0', 'eth0peer', /^svn_/]);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  const { bridge } = await namesIn(ns);
  const { count, heard } = heal(node);
  await ip(ns, `link set ${vnic.linkName} alias mine`);
  expect(await heard('drift', 1)).toBe(true);
  await node.dbRebuild();
  await sleep(2500);
  expect(count('healed')).toBe(0);
  expect((await ipLink(ns, vnic.linkName)).master).toBe(bridge);
  const [finding] = (await node.audit()).findings.filter(({ type }) => type === 'orphan');
  expect(finding).toMatchObject({ remedy: 'none' });
  await node.resetNetwork();
  await node.settle();
});

needs('vxlan')('a repair pins a workload to its port again', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  const pins = async () =>
    (await bridgeFdb(ns)).filter(
      ({ mac, ifname, state }) =>
        mac === vnicConfig().vnicMac && ifname === vnic.linkName && state === 'static',
    );
  expect(await pins()).toHaveLength(1);
  await ip(ns, `link set ${vnic.linkName} nomaster`);
  expect(await pins()).toHaveLength(0);
  await node.repair();
  expect(await pins()).toHaveLength(1);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

needs('vxlan')('who does not ask for healing gets none; bad options are refused', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  const controller = new AbortController();
  const healing = node.watch({ heal: true, signal: controller.signal });
  const plain = node.watch();
  controller.abort();
  expect(await healing.next()).toEqual({ done: true, value: undefined });
  await ip(ns, `link set ${vnic.linkName} down`);
  expect(await plain.next()).toMatchObject({ value: { type: 'drift', cause: 'down' } });
  await sleep(500);
  expect((await ipLink(ns, vnic.linkName)).flags).not.toContain('UP');
  expect(() => node.watch({ heal: 'yes' as never })).toThrow(
    expect.objectContaining({ code: 'SNNET_INPUT_INVALID', field: 'heal' }) as Error,
  );
  await node.destroyVnic(vnicConfig());
  await node.settle();
});
