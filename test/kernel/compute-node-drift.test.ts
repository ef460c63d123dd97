import { spawnSync } from 'node:child_process';

import type { ComputeNode, NodeEvent } from '#lib/compute-node/index';

import { ipLink } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, sleep, until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import {
  CONC,
  CONC_IP,
  KINDS,
  SUBNET,
  TENANT,
  errorOf,
  findDisorder,
  ip,
  linksOf,
  makeHost,
  openNode,
  ourLinks,
  planSent,
  subnetConfig,
  vnicConfig,
} from './helpers/node';

const SCOPE = `${TENANT}_${SUBNET}_${CONC}_${CONC_IP}`;

/** Collects what a node tells until it is closed. */
function listen(node: ComputeNode): NodeEvent[] {
  const events: NodeEvent[] = [];
  void (async () => {
    for await (const event of node.watch()) events.push(event);
  })();
  return events;
}

async function heard(events: readonly NodeEvent[], count: number): Promise<void> {
  await until(() => events.length >= count, 3000 * patience);
}

async function partsOf(ns: Namespace): Promise<{ bridge: string; tunnel: string; vnic: string }> {
  const { bridges, tunnels, vnics } = await ourLinks(ns);
  return {
    bridge: bridges[0]?.ifname ?? '',
    tunnel: tunnels[0]?.ifname ?? '',
    vnic: vnics[0]?.ifname ?? '',
  };
}

needs('vxlan')('what strangers do to our links is told, with the tenant it concerns', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  const events = listen(node);
  await node.audit();
  const link = { linkName: vnic.linkName, ifIndex: vnic.ifIndex, alias: vnic.alias };
  const drift = { type: 'drift', link, subnet: SCOPE, tenantId: TENANT };
  const { bridge } = await partsOf(ns);
  await ip(ns, `link set ${vnic.linkName} nomaster`);
  await heard(events, 1);
  await ip(ns, `link set ${vnic.linkName} master ${bridge}`);
  await sleep(60);
  await ip(ns, `link set ${vnic.linkName} down`);
  await heard(events, 2);
  await ip(ns, `link set ${vnic.linkName} name other`);
  await heard(events, 3);
  // In one message: with its name back and still down, it would be told as down once more.
  await ip(ns, `link set other name ${vnic.linkName} up alias mine`);
  await heard(events, 4);
  await ip(ns, `link delete ${vnic.linkName}`);
  await heard(events, 5);
  expect(events).toEqual([
    { ...drift, cause: 'detached' },
    { ...drift, cause: 'down' },
    { ...drift, cause: 'renamed' },
    { ...drift, cause: 're-aliased' },
    { ...drift, cause: 'deleted' },
  ]);
  expect(node.topology().vnics).toEqual([]);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

needs('vxlan')('what the node does itself is no drift', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const events = listen(node);
  const controller = new AbortController();
  const second = node.watch({ signal: controller.signal });
  for (let round = 0; round < 5; round += 1) {
    const configs = Array.from({ length: 8 }, (_, n) =>
      subnetConfig(n, { role: round % 2 === 0 ? 'vm' : 'container' }),
    );
    await Promise.all(configs.map((config) => node.createVnic(config)));
    await node.createCnciVnic({ tenantId: TENANT, vnicId: 'c', vnicMac: '02:00:00:00:01:01' });
    await sleep(30);
    await Promise.all(configs.map((config) => node.createVnic(config)));
    await node.dbRebuild();
    if (round === 2) await node.resetNetwork();
    await Promise.all(configs.map((config) => node.destroyVnic(config)));
    await node.destroyCnciVnic({ tenantId: TENANT, vnicId: 'c', vnicMac: '02:00:00:00:01:01' });
  }
  await node.settle();
  await sleep(60);
  controller.abort();
  expect(await second.next()).toEqual({ done: true, value: undefined });
  expect(events).toEqual([]);
});

needs('macvtap')('the VNIC of a CNCI that somebody deletes is told and made again', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const events = listen(node);
  const config = { tenantId: TENANT, vnicId: 'c', vnicMac: '02:00:00:00:01:01' };
  const { vnic } = await node.createCnciVnic(config);
  await ip(ns, `link delete ${vnic.linkName}`);
  await heard(events, 1);
  expect(events).toMatchObject([{ cause: 'deleted', tenantId: TENANT }]);
  expect((await node.createCnciVnic(config)).created).toBe(true);
  await node.destroyCnciVnic(config);
});

for (const { mode, test } of KINDS) {
  test(`on ${mode}, what strangers deleted is made again by the next create`, async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns, { mode });
    await node.createVnic(vnicConfig());
    await node.createVnic(vnicConfig(1, { role: 'container' }));
    for (const part of ['vnic', 'tunnel', 'bridge'] as const) {
      const names = await partsOf(ns);
      await ip(ns, `link delete ${names[part]}`);
      const again = await node.createVnic(vnicConfig());
      const other = await node.createVnic(vnicConfig(1, { role: 'container' }));
      expect([again.created, other.created].includes(true)).toBe(part === 'vnic');
      const events = [again.event, other.event].filter((event) => event !== undefined);
      expect(events.map(({ kind }) => kind)).toEqual(part === 'tunnel' ? ['tunnel-add'] : []);
      expect(await findDisorder(ns)).toEqual([]);
    }
    await node.destroyVnic(vnicConfig());
    expect((await node.destroyVnic(vnicConfig(1, { role: 'container' }))).event?.code).toBe(4);
    await node.settle();
    expect(await linksOf(ns)).toEqual([]);
  });

  test(`on ${mode}, what strangers deleted is no obstacle to a destroy`, async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns, { mode });
    for (const part of ['vnic', 'tunnel', 'bridge'] as const) {
      for (const pause of [0, 30]) {
        await node.createVnic(vnicConfig());
        const names = await partsOf(ns);
        await ip(ns, `link delete ${names[part]}`);
        await sleep(pause);
        expect((await node.destroyVnic(vnicConfig())).event?.kind).toBe('tunnel-del');
        await node.settle();
        expect(await linksOf(ns)).toEqual([]);
        expect(node.topology().subnets).toEqual([]);
      }
    }
  });

  test(`on ${mode}, a node that starts finds and repairs what is missing`, async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const findings: string[][] = [];
    for (const part of ['tunnel', 'bridge'] as const) {
      await using first = await openNode(ns, { mode });
      await first.createVnic(vnicConfig());
      await first.createVnic(vnicConfig(1));
      await first.close();
      await ip(ns, `link delete ${(await partsOf(ns))[part]}`);
      await using node = await openNode(ns, { mode });
      const audit = await node.audit();
      findings.push(audit.findings.map(({ type }) => type));
      expect(node.topology().findings).toEqual(audit.findings);
      if (part === 'tunnel') {
        const unknown = await node.repair();
        expect(unknown.left).toMatchObject([{ reason: expect.stringMatching(/key is unknown/) }]);
      }
      const report = await node.repair({ subnetKeys: { [SCOPE.toUpperCase()]: 69_804 } });
      expect(report.left).toEqual([]);
      expect(report.events).toMatchObject(
        part === 'tunnel' ? [{ kind: 'tunnel-add', code: 2, subnetKey: 69_804, tunnel: mode }] : [],
      );
      expect((await node.audit()).findings).toEqual([]);
      expect(await findDisorder(ns)).toEqual([]);
      await node.resetNetwork();
      await node.settle();
    }
    expect(findings).toEqual([
      ['missing-tunnel'],
      ['missing-bridge', 'missing-bridge', 'missing-bridge'],
    ]);
  });
}

needs('vxlan')('a VNIC that was set down or detached is mended by the next create', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  await ip(ns, `link set ${vnic.linkName} nomaster`, `link set ${vnic.linkName} down`);
  expect(await findDisorder(ns)).toHaveLength(2);
  expect(await node.createVnic(vnicConfig())).toEqual({ vnic, created: false });
  expect(await findDisorder(ns)).toEqual([]);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

needs('vxlan')('a renamed VNIC is still ours, a re-aliased one no longer', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  box.allow(ns, ['eth0', 'eth0peer', /^svn_/]);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  await ip(ns, `link set ${vnic.linkName} down`, `link set ${vnic.linkName} name other`);
  expect((await node.destroyVnic(vnicConfig())).destroyed).toBe(true);
  const second = await node.createVnic(vnicConfig());
  await ip(ns, `link set ${second.vnic.linkName} alias mine`);
  expect(await errorOf(node.destroyVnic(vnicConfig()))).toMatchObject({
    code: 'SNNET_LINK_FOREIGN',
    operation: 'destroyVnic',
  });
  expect(await ipLink(ns, second.vnic.linkName)).toMatchObject({ ifalias: 'mine' });
  // What the alias no longer says, the kernel no longer knows.
  await node.dbRebuild();
  const gone = await node.destroyVnic(vnicConfig());
  expect(gone).toMatchObject({ destroyed: false, event: { kind: 'tunnel-del' } });
  await node.settle();
  expect((await linksOf(ns)).map(({ ifname }) => ifname)).toEqual([second.vnic.linkName]);
});

needs('vxlan')(
  'a stranger who takes the bridge of a call given up does not keep its VNIC',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    box.allow(ns, ['eth0', 'eth0peer', /^sbr_/]);
    const { sent, fault } = planSent('createVnic');
    let harms = 1;
    const harm: typeof fault = (plan) => {
      // Just before what was made is to go again.
      if (plan.operation === 'destroyVnic' && harms-- > 0) {
        const [bridge] = node.topology().subnets.map((subnet) => subnet.bridge?.linkName ?? '');
        spawnSync('ip', ['-n', ns.name, 'link', 'set', bridge ?? '', 'alias', 'mine']);
      }
      return fault(plan);
    };
    await using node = await openNode(ns, {}, { fault: harm });
    const controller = new AbortController();
    const call = errorOf(node.createVnic(vnicConfig(), { signal: controller.signal }));
    await sent;
    controller.abort();
    expect(await call).toMatchObject({ code: 'SNNET_CALL_ABORTED' });
    await node.dbRebuild();
    expect(harms).toBeLessThan(1);
    expect((await ourLinks(ns)).vnics).toEqual([]);
    expect(node.topology().vnics).toEqual([]);
    await node.resetNetwork();
    await node.settle();
  },
);

needs('vxlan')('what goes with an orphan needs no repair of its own', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  const { bridge, tunnel } = await partsOf(ns);
  await ip(
    ns,
    `link delete ${vnic.linkName}`,
    `link set ${tunnel} nomaster`,
    `link set ${bridge} down`,
  );
  const { repaired, left } = await node.repair();
  expect(left).toEqual([]);
  expect(repaired.map(({ type }) => type).sort()).toEqual(['detached', 'down', 'orphan']);
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
});

needs('vxlan')('every finding is found and repaired, or left with a reason', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  box.allow(ns, ['eth0', 'eth0peer', 'guest', 'faker', 'svn_1ef7']);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  const other = await node.createVnic(vnicConfig(1));
  const { bridge } = await partsOf(ns);
  const orphan = `t_s_c_${CONC_IP}`;
  await ip(
    ns,
    `link set ${vnic.linkName} nomaster`,
    `link set ${other.vnic.linkName} down`,
    'link add guest type bridge',
    'link delete guest',
    'link add guest type veth peer name faker',
    `link set guest master ${bridge}`,
    `link set faker alias br_a_b_c_${CONC_IP}`,
    'link add svn_1ef7 type veth peer name twin',
    'link add orphan type bridge',
    `link set orphan alias br_${orphan} up`,
    'link add lonely type vxlan id 77 dstport 4789',
    `link set lonely alias vxlan_x_y_z_${CONC_IP} up`,
  );
  // In a batch, # begins a comment.
  await box.exec(ns, ['ip', 'link', 'set', 'twin', 'alias', vnic.alias]);
  const types = (await node.audit()).findings.map(({ type }) => type).sort();
  expect(types).toEqual([
    'detached',
    'down',
    'duplicate',
    'foreign',
    'missing-bridge',
    'open',
    'orphan',
    'remnant',
    'wrong-kind',
  ]);
  const report = await node.repair();
  expect(report.repaired.map(({ type }) => type).sort()).toEqual([
    'detached',
    'down',
    'missing-bridge',
    'open',
    'orphan',
  ]);
  expect(report.left.every(({ reason }) => reason === 'a person must decide')).toBe(true);
  expect(report.events).toMatchObject([{ kind: 'tunnel-del', subnetKey: 77 }]);
  const reset = await node.resetNetwork();
  expect(reset.failed).toEqual([]);
  await node.settle();
  expect((await linksOf(ns)).map(({ ifname }) => ifname).sort()).toEqual(['faker', 'guest']);
});
