import { closeSync } from 'node:fs';

import { bridgeFdb, ipLink } from '../support/oracle';
import { needs, whereabouts } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import {
  CONC_IP,
  KINDS,
  NODE_ID,
  NODE_IP,
  CONC,
  OTHER_TENANT,
  SUBNET,
  TENANT,
  errorOf,
  findDisorder,
  linksOf,
  makeHost,
  openNode,
  ourLinks,
  subnetConfig,
  vnicConfig,
} from './helpers/node';

for (const { mode, link, test } of KINDS) {
  describe(`on ${mode}`, () => {
    test('the first VNIC brings bridge and tunnel, the last takes them along', async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      await using node = await openNode(ns, { mode });
      const { vnic, created, event, container } = await node.createVnic(vnicConfig());
      expect(created).toBe(true);
      expect(container).toBeUndefined();
      const { bridges, tunnels, vnics } = await ourLinks(ns);
      const scope = `${TENANT}_${SUBNET}_${CONC}_${CONC_IP}`;
      expect(bridges.map(({ ifalias }) => ifalias)).toEqual([`br_${scope}`]);
      expect(tunnels.map(({ ifalias }) => ifalias)).toEqual([`${mode}_${scope}`]);
      expect(tunnels[0]?.linkinfo?.info_kind).toBe(link);
      expect(vnics).toMatchObject([
        {
          ifname: vnic.linkName,
          ifindex: vnic.ifIndex,
          ifalias: `vnic_${scope}##172.16.0.2`,
          mtu: mode === 'gre' ? 1458 : 1450,
          linkinfo: { info_kind: 'tun', info_data: { type: 'tap', persist: true } },
        },
      ]);
      expect(await findDisorder(ns)).toEqual([]);
      expect(event).toEqual({
        kind: 'tunnel-add',
        code: 2,
        cnciIp: CONC_IP,
        cnIp: NODE_IP,
        subnet: '172.16.0.0/16',
        subnetKey: 69_804,
        tenantId: TENANT,
        subnetId: SUBNET,
        concId: CONC,
        cnId: NODE_ID,
        tunnel: mode,
      });
      const gone = await node.destroyVnic(vnicConfig());
      expect(gone).toEqual({ destroyed: true, event: { ...event, kind: 'tunnel-del', code: 4 } });
      await node.settle();
      expect(await linksOf(ns)).toEqual([]);
      expect(await node.destroyVnic(vnicConfig())).toEqual({ destroyed: false });
    });

    test('two tenants with the same subnet and addresses live side by side', async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      await using node = await openNode(ns, { mode });
      const theirs = { tenantId: OTHER_TENANT, subnetKey: 69_805 };
      const first = await node.createVnic(vnicConfig());
      const second = await node.createVnic(vnicConfig(0, theirs));
      expect([first.event?.kind, second.event?.kind]).toEqual(['tunnel-add', 'tunnel-add']);
      const { vnics } = await ourLinks(ns);
      expect(new Set(vnics.map(({ master }) => master)).size).toBe(2);
      expect(await findDisorder(ns)).toEqual([]);
      expect((await node.destroyVnic(vnicConfig())).event?.tenantId).toBe(TENANT);
      expect((await ourLinks(ns)).vnics).toHaveLength(1);
      expect((await node.destroyVnic(vnicConfig(0, theirs))).event?.tenantId).toBe(OTHER_TENANT);
      await node.settle();
    });

    test('a key that another subnet has is refused before anything is made', async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      await using node = await openNode(ns, { mode });
      await node.createVnic(vnicConfig());
      const error = await errorOf(node.createVnic(vnicConfig(0, { tenantId: OTHER_TENANT })));
      expect(error).toMatchObject({
        code: mode === 'vxlan' ? 'SNNET_VNI_TAKEN' : 'SNNET_TUNNEL_TAKEN',
        operation: 'createVnic',
        field: 'subnetKey',
      });
      expect(node.topology().subnets).toHaveLength(1);
      await node.destroyVnic(vnicConfig());
      await node.settle();
    });

    test('a tunnel that a stranger has is an error, and nothing stays', async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      box.allow(ns, ['eth0', 'eth0peer', 'theirs']);
      const data = {
        vxlan: `id 69804 dstport 4789 remote ${CONC_IP}`,
        gretap: `local ${NODE_IP} remote ${CONC_IP} key 69804`,
        geneve: `id 69804 remote ${CONC_IP}`,
      }[link];
      await box.exec(ns, ['ip', 'link', 'add', 'theirs', 'type', link, ...data.split(' ')]);
      await using node = await openNode(ns, { mode });
      const error = await errorOf(node.createVnic(vnicConfig()));
      expect(error).toMatchObject({
        code: mode === 'vxlan' ? 'SNNET_VNI_TAKEN' : 'SNNET_TUNNEL_TAKEN',
        operation: 'createVnic',
      });
      await node.settle();
      expect((await linksOf(ns)).map(({ ifname }) => ifname)).toEqual(['theirs']);
      expect(node.topology().subnets).toEqual([]);
    });
  });
}

needs('vxlan')('a container gets a veth pair with its MAC at the far end', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const config = vnicConfig(0, { role: 'container', mtu: 1300 });
  const { vnic, container } = await node.createVnic(config);
  const [bridge] = (await ourLinks(ns)).bridges;
  const expected = {
    code: 2,
    kind: 'container-network-add',
    subnetId: bridge?.ifname,
    bridge: bridge?.ifalias,
    subnet: '172.16.0.0/16',
    gateway: '172.16.0.1',
  };
  expect(container).toEqual(expected);
  expect(vnic.interfaceName).toBe(vnic.linkName.replace('svn_', 'svp_'));
  expect(await ipLink(ns, vnic.linkName)).toMatchObject({
    mtu: 1300,
    linkinfo: { info_kind: 'veth' },
  });
  expect(await ipLink(ns, vnic.interfaceName)).toMatchObject({
    mtu: 1300,
    address: config.vnicMac,
    flags: expect.not.arrayContaining(['UP']),
  });
  const info = { ...expected, code: 0, kind: 'container-network-info' };
  expect((await node.createVnic(config)).container).toEqual(info);
  const vm = await node.createVnic(vnicConfig(1));
  expect(vm.container).toBeUndefined();
  const second = vnicConfig(2, { role: 'container' });
  expect((await node.createVnic(second)).container).toEqual(info);
  expect(await node.destroyVnic(config)).toEqual({ destroyed: true });
  expect(await node.destroyVnic(second)).toEqual({ destroyed: true });
  // The VM is the last to go, but the network of the containers goes with it.
  const last = await node.destroyVnic(vnicConfig(1));
  expect(last.container).toEqual({ ...expected, code: 4, kind: 'container-network-del' });
  await node.settle();
});

needs('vxlan')('a tap with queues hands out one descriptor for each, once', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const config = vnicConfig(0, { queues: 4 });
  const results = await Promise.all([1, 2, 3].map(() => node.createVnic(config)));
  const owners = results.filter(({ vnic }) => vnic.fds !== undefined);
  expect(owners).toHaveLength(1);
  expect(owners[0]?.created).toBe(true);
  expect(owners[0]?.vnic.fds).toHaveLength(4);
  const [vnic] = (await ourLinks(ns)).vnics;
  expect(vnic?.linkinfo?.info_data).toMatchObject({ multi_queue: true, persist: true });
  for (const fd of owners[0]?.vnic.fds ?? []) closeSync(fd);
  expect((await node.createVnic(config)).vnic.fds).toBeUndefined();
  await node.destroyVnic(config);
  await node.settle();
});

needs('vxlan')('equal calls at the same time share one VNIC and one event', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const results = await Promise.all(
    Array.from({ length: 20 }, () => node.createVnic(vnicConfig())),
  );
  expect(results.filter(({ created }) => created)).toHaveLength(1);
  expect(results.filter(({ event }) => event !== undefined)).toHaveLength(1);
  expect(new Set(results.map(({ vnic }) => vnic.linkName)).size).toBe(1);
  const gone = await Promise.all(Array.from({ length: 20 }, () => node.destroyVnic(vnicConfig())));
  expect(gone.filter(({ destroyed }) => destroyed)).toHaveLength(1);
  expect(gone.filter(({ event }) => event !== undefined)).toHaveLength(1);
  await node.settle();
});

needs('vxlan')('the same VNIC again is the same VNIC, and a second one tells nobody', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const first = await node.createVnic(vnicConfig());
  const again = await node.createVnic(vnicConfig());
  expect(again).toEqual({ vnic: first.vnic, created: false });
  const second = await node.createVnic(vnicConfig(1));
  expect(second).toEqual({ vnic: expect.anything(), created: true });
  expect(await node.destroyVnic(vnicConfig())).toEqual({ destroyed: true });
  expect((await node.destroyVnic(vnicConfig(1))).event?.kind).toBe('tunnel-del');
  await node.settle();
});

const contradictions: readonly [string, Parameters<typeof vnicConfig>[1]][] = [
  ['role', { role: 'container' }],
  ['subnetKey', { subnetKey: 7 }],
  ['vnicMac', { vnicMac: '02:00:00:00:00:99' }],
  ['vnicId', { vnicId: 'another' }],
];

needs('vxlan')('a configuration that contradicts the VNIC is refused by field', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  await node.createVnic(vnicConfig());
  for (const [field, changes] of contradictions) {
    const refusal = { code: 'SNNET_VNIC_CONFLICT', field };
    const config = vnicConfig(0, changes);
    expect(await errorOf(node.createVnic(config))).toMatchObject({
      ...refusal,
      operation: 'createVnic',
    });
    expect(await errorOf(node.destroyVnic(config))).toMatchObject({
      ...refusal,
      operation: 'destroyVnic',
    });
  }
  const otherKey = vnicConfig(1, { subnetKey: 7 });
  expect(await errorOf(node.createVnic(otherKey))).toMatchObject({
    code: 'SNNET_VNIC_CONFLICT',
    field: 'subnetKey',
  });
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

needs('vxlan')('bad identities and keys are refused before anything is touched', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const long = 'x'.repeat(90);
  const refusals: [string, Parameters<typeof vnicConfig>[1]][] = [
    ['SNNET_KEY_RANGE', { subnetKey: 0x0100_0000 }],
    ['SNNET_VNI_TAKEN', { subnetKey: 0x00ff_ffff }],
    ['SNNET_ALIAS_TOO_LONG', { tenantId: long, subnetId: long, concId: long }],
    ['SNNET_INPUT_INVALID', { subnetKey: 0 }],
    ['SNNET_INPUT_INVALID', { subnet: '' }],
  ];
  for (const [code, changes] of refusals) {
    const error = await errorOf(node.createVnic(vnicConfig(0, changes)));
    expect(error).toMatchObject({ code, operation: 'createVnic' });
  }
  expect(await linksOf(ns)).toEqual([]);
  expect(node.topology().subnets).toEqual([]);
});

// An emulated processor takes minutes over it.
if (whereabouts() === 'host') {
  needs('vxlan')('a bridge takes 1022 VNICs, and the next is refused', async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns);
    const all = Array.from({ length: 1022 }, (_, n) => vnicConfig(n));
    await Promise.all(all.map((config) => node.createVnic(config)));
    const error = await errorOf(node.createVnic(vnicConfig(1022)));
    expect(error).toMatchObject({ code: 'SNNET_BRIDGE_FULL', operation: 'createVnic' });
    const gone = await Promise.all(all.map((config) => node.destroyVnic(config)));
    expect(gone.filter(({ event }) => event !== undefined)).toHaveLength(1);
    await node.settle();
    expect(await linksOf(ns)).toEqual([]);
  });
}

needs('gretap')('a GRE key has 32 bits', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns, { mode: 'gre' });
  const config = vnicConfig(0, { subnetKey: 0xffff_fffe });
  expect((await node.createVnic(config)).event?.subnetKey).toBe(0xffff_fffe);
  await node.destroyVnic(config);
  await node.settle();
});

needs('vxlan')(
  'a workload that was behind the tunnel until now is pinned to its port',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns);
    await node.createVnic(vnicConfig());
    const [tunnel] = (await ourLinks(ns)).tunnels;
    const config = vnicConfig(1);
    // As the bridge learns it from what comes in.
    await box.exec(ns, [
      ...['bridge', 'fdb', 'add', config.vnicMac, 'dev', tunnel?.ifname ?? ''],
      ...['master', 'dynamic'],
    ]);
    const { vnic, created } = await node.createVnic(config);
    expect(created).toBe(true);
    const entries = (await bridgeFdb(ns)).filter(({ mac }) => mac === config.vnicMac);
    // A kernel with VLAN filtering has it once more for the VLAN of untagged frames.
    expect(entries.length).toBeGreaterThan(0);
    for (const entry of entries) {
      expect(entry).toMatchObject({ ifname: vnic.linkName, state: 'static', flags: ['sticky'] });
    }
    await node.resetNetwork();
    await node.settle();
  },
);

needs('vxlan')('two workloads of a subnet with one MAC are refused by the field', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  const { vnicMac } = vnicConfig();
  expect(await errorOf(node.createVnic(vnicConfig(1, { vnicMac })))).toMatchObject({
    code: 'SNNET_VNIC_CONFLICT',
    field: 'vnicMac',
    value: vnicMac,
  });
  const entries = (await bridgeFdb(ns)).filter(({ mac }) => mac === vnicMac);
  expect([...new Set(entries.map(({ ifname }) => ifname))]).toEqual([vnic.linkName]);
  expect((await ourLinks(ns)).vnics).toHaveLength(1);
  await node.resetNetwork();
  await node.settle();
});

needs('macvtap')('the VNIC of a CNCI is a macvtap on the compute link', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  for (const mode of ['bridge', 'vepa'] as const) {
    const config = { tenantId: TENANT, vnicId: `cnci-${mode}`, vnicMac: '02:00:00:00:01:01', mode };
    const results = await Promise.all([1, 2].map(() => node.createCnciVnic(config)));
    expect(results.map(({ created }) => created).sort()).toEqual([false, true]);
    const vnic = results[0]?.vnic;
    expect(vnic?.devicePath).toBe(`/dev/tap${vnic?.ifIndex}`);
    expect(await ipLink(ns, vnic?.linkName ?? '')).toMatchObject({
      ifindex: vnic?.ifIndex,
      ifalias: `cncivnic_${TENANT}_cnci-${mode}`,
      address: config.vnicMac,
      link: 'eth0',
      txqlen: 500,
      flags: expect.arrayContaining(['UP']),
      linkinfo: { info_kind: 'macvtap', info_data: { mode } },
    });
    const conflict = { ...config, vnicMac: '02:00:00:00:01:02' };
    expect(await errorOf(node.createCnciVnic(conflict))).toMatchObject({
      code: 'SNNET_VNIC_CONFLICT',
    });
    expect(await node.destroyCnciVnic(config)).toEqual({ destroyed: true });
    expect(await node.destroyCnciVnic(config)).toEqual({ destroyed: false });
  }
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
});

needs('vxlan')('a node, a tenant and a CNCI share a host', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const cnci = { tenantId: TENANT, vnicId: 'cnci', vnicMac: '02:00:00:00:01:01' };
  await Promise.all([
    node.createCnciVnic(cnci),
    ...Array.from({ length: 5 }, (_, n) => node.createVnic(subnetConfig(n))),
  ]);
  expect(node.topology()).toMatchObject({ cnciVnics: [{ vnicId: 'cnci' }] });
  expect(node.topology().subnets).toHaveLength(5);
  expect((await node.resetNetwork()).failed).toEqual([]);
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
});
