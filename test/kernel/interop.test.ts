/** Topologies that the Go library made, as its dumps show them: found, extended, destroyed. */
import type { VnicConfigInput } from '#lib/model/index';

import { goldenLinks } from '../pure/helpers/golden';
import { needs } from '../support/reasons';
import type { DefineTest } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import { findDisorder, ip, linksOf, makeHost, openNode, ourLinks } from './helpers/node';

interface GoldenRow {
  readonly ifindex: number;
  readonly ifname: string;
  readonly ifalias?: string;
  readonly address?: string;
  readonly master?: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: Readonly<Record<string, unknown>>;
  };
}

const OURS = /^s(br|gt|vn|vp|vc)_/;

/** The words of `ip link add` for a link of a dump; a veth's far end comes with its near end. */
function wordsFor(row: GoldenRow): string | undefined {
  const data = row.linkinfo?.info_data ?? {};
  const text = (key: string): string => String(data[key]);
  switch (row.linkinfo?.info_kind) {
    case 'bridge':
      return `link add ${row.ifname} type bridge`;
    case 'gretap':
      return `link add ${row.ifname} type gretap local ${text('local')} remote ${text('remote')} key ${text('ikey')} ttl inherit pmtudisc`;
    case 'vxlan':
      return `link add ${row.ifname} type vxlan id ${text('id')} local ${text('local')} remote ${text('remote') === 'undefined' ? text('group') : text('remote')} dstport ${text('port')}`;
    case 'tun':
      return `tuntap add ${row.ifname} mode tap pi`;
    case 'veth':
      return row.ifname.startsWith('svn_')
        ? `link add ${row.ifname} mtu ${row.mtu} type veth peer name ${row.ifname.replace('svn', 'svp')} mtu ${row.mtu}`
        : undefined;
    case 'macvtap':
      return `link add ${row.ifname} link eth0 address ${row.address} type macvtap mode bridge`;
    default:
      throw new Error(`a ${row.linkinfo?.info_kind} in the dump`);
  }
}

async function recreate(box: Sandbox, ns: Namespace, rows: readonly GoldenRow[]): Promise<void> {
  const words = rows.map(wordsFor).filter((line) => line !== undefined);
  const peers = rows
    .filter(({ ifname }) => ifname.startsWith('svp_'))
    .map(({ ifname, address }) => `link set ${ifname} address ${address}`);
  await ip(ns, ...words, ...peers);
  for (const { ifname, ifalias, master, flags } of rows) {
    const attach = master === undefined ? [] : ['master', master];
    const up = flags.includes('UP') ? ['up'] : [];
    const alias = ifalias === undefined ? [] : ['alias', ifalias];
    const what = [...attach, ...up, ...alias];
    if (what.length > 0) await box.exec(ns, ['ip', 'link', 'set', ifname, ...what]);
  }
}

/** What the Go library was asked for when it made a VNIC, as far as its links tell. */
function configsOf(rows: readonly GoldenRow[]): VnicConfigInput[] {
  return rows.flatMap((row) => {
    const alias = /^vnic_(([^_]+)_([^_]+)_([^_]+)_([^_]+))##(.+)$/.exec(row.ifalias ?? '');
    return alias === null ? [] : [configOf(row, rows, alias as unknown as Parts)];
  });
}

type Parts = readonly [string, string, string, string, string, string, string];

function configOf(row: GoldenRow, rows: readonly GoldenRow[], parts: Parts): VnicConfigInput {
  const [, scope, tenantId, subnetId, concId, concIp, vnicIp] = parts;
  const isVeth = row.linkinfo?.info_kind === 'veth';
  const peer = rows.find(({ ifname }) => isVeth && ifname === row.ifname.replace('svn', 'svp'));
  const tunnel = rows.find(({ ifalias }) => ifalias === `gre_${scope}`);
  return {
    role: isVeth ? 'container' : 'vm',
    tenantId,
    subnetId,
    concId,
    concIp,
    vnicId: 'as-it-was',
    vnicIp,
    vnicMac: peer?.address ?? '02:00:00:00:00:01',
    subnet: vnicIp.replace(/\.\d+$/, '.0/24'),
    subnetKey: keyOf(tunnel?.linkinfo?.info_data ?? {}),
  };
}

// `ip` prints a GRE key as an address.
function keyOf({ id, ikey }: Readonly<Record<string, unknown>>): number {
  if (typeof id === 'number') return id;
  return String(ikey)
    .split('.')
    .reduce((key, part) => key * 256 + Number(part), 0);
}

const dumps: readonly [string, 'gre' | 'vxlan', DefineTest][] = [
  ['07-topo-2tenants.iplink.json', 'gre', needs('gretap')],
  ['vxlan-variant/07-topo-vxlan.iplink.json', 'vxlan', needs('vxlan')],
];

for (const [name, mode, test] of dumps) {
  const rows = (goldenLinks(name) as readonly GoldenRow[]).filter(({ ifname }) =>
    OURS.test(ifname),
  );
  const configs = configsOf(rows);

  test(`what the Go library made with ${mode} is found, extended and destroyed`, async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await recreate(box, ns, rows);
    expect(await findDisorder(ns)).toEqual([]);
    await using node = await openNode(ns, { mode });
    const topology = node.topology();
    // Its bridges listen to what the tenants' machines say of IPv6.
    expect(topology.findings.map(({ type }) => type)).toEqual(['open', 'open']);
    expect(topology.subnets).toHaveLength(2);
    expect(topology.vnics).toHaveLength(4);
    expect(topology.subnets.every(({ tunnel }) => tunnel?.kind === mode)).toBe(true);
    const keys = topology.subnets.map(({ tunnel }) => tunnel?.key).sort();
    expect(keys).toEqual([...new Set(configs.map(({ subnetKey }) => subnetKey))].sort());
    for (const config of configs) {
      expect(await node.createVnic(config)).toMatchObject({ created: false });
    }
    const [config] = configs;
    if (config === undefined) throw new Error('the dump has no VNIC');
    const further = { ...config, vnicIp: config.vnicIp.replace(/\d+$/, '77'), vnicId: 'further' };
    const extended = await node.createVnic({ ...further, vnicMac: '02:00:00:00:00:77' });
    expect(extended).toMatchObject({ created: true });
    expect(extended.event).toBeUndefined();
    expect(await findDisorder(ns)).toEqual([]);
    await node.destroyVnic({ ...further, vnicMac: '02:00:00:00:00:77' });
    const events = [];
    for (const each of configs) {
      const { destroyed, event } = await node.destroyVnic(each);
      expect(destroyed).toBe(true);
      if (event !== undefined) events.push(event);
    }
    expect(events.map(({ code, tunnel }) => [code, tunnel])).toEqual([
      [4, mode],
      [4, mode],
    ]);
    for (const { vnicId, tenantId, mac } of node.topology().cnciVnics) {
      await node.destroyCnciVnic({ tenantId, vnicId, vnicMac: mac });
    }
    await node.settle();
    expect(await linksOf(ns)).toEqual([]);
  });
}

needs('vxlan')(
  'what the Go library made under a UUID in capitals is the same in small letters',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const tenant = 'ABCDEF01-2345-4789-ABCD-EF0123456789';
    const scope = `${tenant}_s_c_198.51.100.9`;
    await ip(
      ns,
      'link add sbr_1 type bridge',
      `link set sbr_1 up alias br_${scope}`,
      'link add sgt_1 type vxlan id 7 local 198.51.100.1 remote 198.51.100.9 dstport 4789',
      `link set sgt_1 up master sbr_1 alias gre_${scope}`,
      'tuntap add svn_1 mode tap',
      'link set svn_1 up master sbr_1',
      'link add svc_1 link eth0 address 02:00:00:00:01:01 type macvtap mode bridge',
      `link set svc_1 up alias cncivnic_${tenant}_v`,
    );
    await box.exec(ns, ['ip', 'link', 'set', 'svn_1', 'alias', `vnic_${scope}##172.16.1.2`]);
    await using node = await openNode(ns);
    const config = {
      tenantId: tenant,
      subnetId: 's',
      concId: 'c',
      concIp: '198.51.100.9',
      vnicId: 'v',
      vnicIp: '172.16.1.2',
      vnicMac: '02:00:00:00:00:01',
      subnet: '172.16.1.0/24',
      subnetKey: 7,
    };
    expect(await node.createVnic(config)).toMatchObject({
      created: false,
      vnic: { linkName: 'svn_1' },
    });
    const further = { ...config, vnicIp: '172.16.1.3', vnicId: 'w', vnicMac: '02:00:00:00:00:02' };
    expect((await node.createVnic(further)).created).toBe(true);
    expect((await ourLinks(ns)).bridges).toHaveLength(1);
    expect(await findDisorder(ns)).toEqual([]);
    await node.destroyVnic(further);
    expect((await node.destroyVnic(config)).event?.code).toBe(4);
    const cnci = { tenantId: tenant, vnicId: 'v', vnicMac: '02:00:00:00:01:01' };
    expect(await node.destroyCnciVnic(cnci)).toEqual({ destroyed: true });
    await node.settle();
    expect(await linksOf(ns)).toEqual([]);
  },
);

needs('vxlan')(
  'ids with underscores, which only the Go library allows, can be destroyed',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const scope = 'tenantuuid_suuid_1_0_cnciuuid_192.168.254.1';
    await ip(
      ns,
      'link add sbr_1 type bridge',
      `link set sbr_1 up alias br_${scope}`,
      'link add sgt_1 type vxlan id 7 local 198.51.100.1 remote 192.168.254.1 dstport 4789',
      `link set sgt_1 up master sbr_1 alias gre_${scope}`,
      'tuntap add svn_1 mode tap',
      'link set svn_1 up master sbr_1',
    );
    await box.exec(ns, ['ip', 'link', 'set', 'svn_1', 'alias', `vnic_${scope}##192.168.1.100`]);
    await using node = await openNode(ns);
    const gone = await node.destroyVnic({
      tenantId: 'tenantuuid',
      subnetId: 'suuid_1_0',
      concId: 'cnciuuid',
      concIp: '192.168.254.1',
      vnicId: 'v',
      vnicIp: '192.168.1.100',
      vnicMac: '02:00:00:00:00:01',
      subnet: '192.168.1.0/24',
      subnetKey: 7,
    });
    expect(gone).toMatchObject({ destroyed: true, event: { kind: 'tunnel-del', subnetKey: 7 } });
    await node.settle();
    expect(await linksOf(ns)).toEqual([]);
  },
);
