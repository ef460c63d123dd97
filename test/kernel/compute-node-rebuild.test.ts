import { needs, whereabouts } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import {
  KINDS,
  OTHER_TENANT,
  findDisorder,
  ip,
  linksOf,
  makeHost,
  namesOf,
  openNode,
  subnetConfig,
  vnicConfig,
} from './helpers/node';

for (const { mode, test } of KINDS) {
  test(`a second node finds on ${mode} what the first made, and carries on`, async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using first = await openNode(ns, { mode });
    const made = await Promise.all([
      first.createVnic(vnicConfig()),
      first.createVnic(vnicConfig(1, { role: 'container' })),
      first.createVnic(vnicConfig(0, { tenantId: OTHER_TENANT, subnetKey: 5 })),
      first.createCnciVnic({ tenantId: OTHER_TENANT, vnicId: 'c', vnicMac: '02:00:00:00:01:01' }),
    ]);
    await using second = await openNode(ns, { mode });
    expect(await second.dbRebuild()).toEqual({ subnets: 2, vnics: 3, cnciVnics: 1, findings: [] });
    const known = second.topology().vnics.map(({ linkName }) => linkName);
    expect(new Set(known)).toEqual(new Set(made.slice(0, 3).map(({ vnic }) => vnic.linkName)));
    expect(await second.createVnic(vnicConfig())).toEqual({ vnic: made[0].vnic, created: false });
    const third = await second.createVnic(vnicConfig(2));
    expect(third.event).toBeUndefined();
    await first.dbRebuild();
    for (const config of [vnicConfig(), vnicConfig(2)]) {
      expect(await first.destroyVnic(config)).toEqual({ destroyed: true });
    }
    await second.dbRebuild();
    const last = await second.destroyVnic(vnicConfig(1, { role: 'container' }));
    expect(last).toMatchObject({
      event: { kind: 'tunnel-del', tunnel: mode, subnetKey: 69_804 },
      container: { kind: 'container-network-del' },
    });
    await second.resetNetwork();
    await second.settle();
    await first.settle();
    expect(await linksOf(ns)).toEqual([]);
  });
}

needs('vxlan')('the topology is frozen and goes through JSON unharmed', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  await node.createVnic(vnicConfig());
  await node.createVnic(vnicConfig(1, { role: 'container' }));
  await node.createCnciVnic({ tenantId: 't', vnicId: 'c', vnicMac: '02:00:00:00:01:01' });
  const topology = node.topology();
  expect(JSON.parse(JSON.stringify(topology))).toEqual(
    JSON.parse(JSON.stringify(structuredClone(topology))),
  );
  expect(JSON.parse(JSON.stringify(topology))).toMatchObject({
    type: 'compute-node',
    mode: 'vxlan',
    computeLink: { linkName: 'eth0', address: '198.51.100.1' },
    subnets: [
      { tunnel: { kind: 'vxlan', key: 69_804 }, vnics: [{ role: 'vm' }, { role: 'container' }] },
    ],
    cnciVnics: [{ vnicId: 'c' }],
    findings: [],
  });
  const isDeepFrozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isDeepFrozen));
  expect(isDeepFrozen(topology)).toBe(true);
  await node.resetNetwork();
  expect(topology.vnics).toHaveLength(2);
  await node.settle();
});

needs('vxlan')('a reset takes what is ours and nothing else', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const strangers = ['docker0', 'named', 'sbrnot', 'anchorless'];
  box.allow(ns, ['eth0', 'eth0peer', ...strangers]);
  await ip(
    ns,
    'link add docker0 type bridge',
    'link add named type bridge',
    'link set named alias "br of mine"',
    'link add sbrnot type bridge',
    'link add anchorless type bridge',
    'link set anchorless alias trash',
    'link add sbr_7ea5 type bridge',
    'link set sbr_7ea5 alias trash',
    'link add svn_1ef7 type veth peer name svp_1ef7',
  );
  await using node = await openNode(ns);
  await Promise.all(Array.from({ length: 5 }, (_, n) => node.createVnic(subnetConfig(n))));
  await node.createCnciVnic({ tenantId: 't', vnicId: 'c', vnicMac: '02:00:00:00:01:01' });
  const report = await node.resetNetwork();
  expect(report.failed).toEqual([]);
  expect(report.removed).toEqual(expect.arrayContaining(['svn_1ef7']));
  await node.settle();
  expect(await namesOf(ns)).toEqual([...strangers].sort());
  expect(node.topology()).toMatchObject({ subnets: [], cnciVnics: [] });
  expect(await node.resetNetwork()).toEqual({ removed: [], failed: [] });
  expect((await node.createVnic(vnicConfig())).event?.kind).toBe('tunnel-add');
  expect(await findDisorder(ns)).toEqual([]);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

(whereabouts() === 'host' ? needs('vxlan', 'real-root') : needs('vxlan'))(
  'strangers’ links in great number do not matter',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    box.allow(ns, 'anything');
    const pairs = whereabouts() === 'host' ? 5000 : 100;
    const lines = Array.from(
      { length: pairs },
      (_, n) => `link add a${n} type veth peer name b${n}`,
    );
    while (lines.length > 0) await ip(ns, ...lines.splice(0, 500));
    await using node = await openNode(ns);
    const { created, vnic } = await node.createVnic(vnicConfig());
    expect(created).toBe(true);
    expect(await findDisorder(ns)).toEqual([]);
    expect(node.topology().vnics).toEqual([vnic]);
    await node.destroyVnic(vnicConfig());
    await node.settle();
    expect(await linksOf(ns)).toHaveLength(pairs * 2);
  },
  120_000,
);

needs('vxlan')(
  'a reset of thousands of links leaves the event loop free',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns);
    const subnets = whereabouts() === 'host' ? 6 : 1;
    const configs = Array.from({ length: subnets * 300 }, (_, n) =>
      vnicConfig(n % 300, {
        subnetId: `s${Math.floor(n / 300)}`,
        subnetKey: 1 + Math.floor(n / 300),
      }),
    );
    await Promise.all(configs.map((config) => node.createVnic(config)));
    expect((await node.resetNetwork({ timeoutMs: 100_000 })).failed).toEqual([]);
    expect(node.topology().subnets).toEqual([]);
    await node.settle();
    expect(await linksOf(ns)).toEqual([]);
  },
  120_000,
);
