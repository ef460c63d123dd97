import type { LinkRow } from '#lib/kernel/index';
import { identityKey, rebuildComputeNode } from '#lib/topology/index';
import type { FindingType } from '#lib/topology/index';

import { row } from '../helpers/rows';

const SCOPE = 't_s_c_192.0.2.9';
const bridge = row({ ifindex: 1, ifname: 'sbr_1', kind: 'bridge', alias: `br_${SCOPE}` });
const tunnel = row({
  ifindex: 2,
  ifname: 'sgt_1',
  kind: 'gretap',
  alias: `gre_${SCOPE}`,
  master: 1,
  data: { key: 7, local: '192.0.2.1', remote: '192.0.2.9' },
});
const tap = row({
  ifindex: 3,
  ifname: 'svn_1',
  kind: 'tap',
  alias: `vnic_${SCOPE}##172.16.0.2`,
  master: 1,
  data: { multiQueue: true },
});
const veth = row({
  ifindex: 4,
  ifname: 'svn_2',
  kind: 'veth',
  alias: `vnic_${SCOPE}##172.16.0.3`,
  master: 1,
  link: 5,
});
const peer = row({
  ifindex: 5,
  ifname: 'svp_2',
  kind: 'veth',
  link: 4,
  address: '02:00:00:00:00:09',
});
const whole = [bridge, tunnel, tap, veth, peer];

function typesOf(rows: readonly LinkRow[]): FindingType[] {
  return rebuildComputeNode(rows).findings.map(({ type }) => type);
}

test('a whole subnet is rebuilt without a finding, in whatever order its links come', () => {
  for (const rows of [whole, [...whole].reverse()]) {
    const { subnets, findings } = rebuildComputeNode(rows);
    expect(findings).toEqual([]);
    const subnet = subnets.get(SCOPE);
    expect(subnet).toMatchObject({
      bridge: { linkName: 'sbr_1' },
      tunnel: { kind: 'gre', key: 7, local: '192.0.2.1', remote: '192.0.2.9' },
    });
    expect(subnet?.vnics.get('172.16.0.2')).toMatchObject({ role: 'vm', multiQueue: true });
    expect(subnet?.vnics.get('172.16.0.3')).toMatchObject({
      role: 'container',
      peerName: 'svp_2',
      peerMac: '02:00:00:00:00:09',
    });
  }
});

test('a container end that a runtime took leaves no MAC, also where a stranger has its index', () => {
  const stranger = row({ ifindex: 5, ifname: 'eth5', address: '02:00:00:00:00:66' });
  for (const rows of [
    [bridge, tunnel, veth],
    [bridge, tunnel, veth, stranger],
  ]) {
    const vnic = rebuildComputeNode(rows).subnets.get(SCOPE)?.vnics.get('172.16.0.3');
    expect(vnic).toMatchObject({ role: 'container', peerName: 'svp_2', peerMac: undefined });
  }
});

const disorders: readonly (readonly [string, readonly LinkRow[], readonly FindingType[]])[] = [
  ['a VNIC without its bridge', [tunnel, tap], ['missing-bridge', 'missing-bridge']],
  ['a bridge without its tunnel', [bridge, tap], ['missing-tunnel']],
  ['a bridge without a VNIC', [bridge, tunnel], ['orphan']],
  ['a bridge alone', [bridge], ['orphan']],
  ['a VNIC on another bridge', [bridge, tunnel, { ...tap, master: 77 }], ['detached']],
  ['a tunnel on no bridge', [bridge, { ...tunnel, master: 0 }, tap], ['detached']],
  ['a VNIC that is down', [bridge, tunnel, { ...tap, isUp: false }], ['down']],
  ['a bridge that is down', [{ ...bridge, isUp: false }, tunnel, tap], ['down']],
  [
    'a bridge with router advertisements',
    [{ ...bridge, takesAdvertisements: true }, tunnel, tap],
    ['open'],
  ],
  [
    'a container whose end was never up',
    [bridge, tunnel, { ...veth, waitsForPeer: true }],
    ['unfinished'],
  ],
  ['an alias of a bridge on a veth', [row({ kind: 'veth', alias: `br_${SCOPE}` })], ['wrong-kind']],
  [
    'an alias of a tunnel on a bridge',
    [row({ kind: 'bridge', alias: `gre_${SCOPE}` })],
    ['wrong-kind'],
  ],
  ['an alias of a VNIC on a device', [row({ alias: tap.alias })], ['wrong-kind']],
  ['a stranger on a bridge of ours', [...whole, row({ master: 1 })], ['foreign']],
  ['a name of ours without an alias', [row({ ifname: 'svn_ab', kind: 'tap' })], ['remnant']],
  ['two links with one alias', [...whole, { ...tap, ifindex: 9 }], ['duplicate']],
  [
    'two tunnels of different kinds',
    [...whole, row({ ifindex: 9, kind: 'vxlan', alias: `vxlan_${SCOPE}` })],
    ['duplicate'],
  ],
];

test.each(disorders)('%s is found', (_what, rows, types) => {
  expect(typesOf(rows)).toEqual(types);
  for (const finding of rebuildComputeNode(rows).findings) {
    expect(finding.text).toMatch(/\w/);
    expect(finding.link).toBeDefined();
  }
});

test('of two links with one identity the one with a name of ours counts, then the lower index', () => {
  const fake = row({ ifindex: 1, ifname: 'fake', kind: 'tap', alias: tap.alias, master: 1 });
  const later = { ...tap, ifindex: 30, ifname: 'svn_9' };
  const { subnets } = rebuildComputeNode([later, fake, { ...tap, ifindex: 20 }, bridge, tunnel]);
  expect(subnets.get(SCOPE)?.vnics.get('172.16.0.2')?.ifIndex).toBe(20);
});

test('what a VNIC without its bridge needs is a bridge, and a tunnel alone goes', () => {
  const remedies = (rows: readonly LinkRow[]): string[] =>
    rebuildComputeNode(rows).findings.map(({ remedy }) => remedy);
  expect(remedies([tunnel, tap])).toEqual(['remake', 'remake']);
  expect(remedies([tunnel])).toEqual(['remove']);
});

test('the kind of a tunnel is what its link is, whatever its alias says', () => {
  const odd = { ...tunnel, kind: 'vxlan' };
  expect(rebuildComputeNode([bridge, odd, tap])).toMatchObject({ findings: [] });
  expect(rebuildComputeNode([bridge, odd, tap]).subnets.get(SCOPE)?.tunnel?.kind).toBe('vxlan');
});

test('trash has a name of ours too; the word alone is anybody’s', () => {
  const { trash, findings } = rebuildComputeNode([
    row({ ifname: 'sbr_9', kind: 'bridge', alias: 'trash' }),
    row({ ifname: 'bin', kind: 'bridge', alias: 'trash' }),
  ]);
  expect(trash.map(({ linkName }) => linkName)).toEqual(['sbr_9']);
  expect(findings).toEqual([]);
});

test('every anchor is found, so that one too many can go', () => {
  const anchors = [1, 2].map((n) =>
    row({ ifname: `sgt_${n}`, kind: 'vxlan', alias: 'vxlan_anchor' }),
  );
  expect(rebuildComputeNode(anchors).anchors).toHaveLength(2);
});

test('a UUID in capitals is the same identity, other ids are not', () => {
  const uuid = 'abcdef01-2345-4789-abcd-ef0123456789';
  expect(identityKey(`br_${uuid.toUpperCase()}_S_c`)).toBe(`br_${uuid}_S_c`);
  expect(identityKey(`X${uuid.toUpperCase()}`)).toBe(`X${uuid.toUpperCase()}`);
  const capital = (link: LinkRow): LinkRow => ({
    ...link,
    alias: link.alias.replace('t_s', `${uuid.toUpperCase()}_s`),
  });
  const small = { ...veth, alias: veth.alias.replace('t_s', `${uuid}_s`) };
  const { subnets } = rebuildComputeNode([
    capital(bridge),
    capital(tunnel),
    capital(tap),
    small,
    peer,
  ]);
  expect(subnets.size).toBe(1);
  expect(subnets.get(`${uuid}_s_c_192.0.2.9`)?.vnics.size).toBe(2);
});

test('10,000 links of strangers change nothing', () => {
  const strangers = Array.from({ length: 10_000 }, (_, n) =>
    row({ ifindex: 1000 + n, kind: 'veth', alias: n % 2 === 0 ? '' : `pod ${n}` }),
  );
  const view = rebuildComputeNode([...strangers, ...whole]);
  expect(view.findings).toEqual([]);
  expect(view.subnets.size).toBe(1);
});

test('a tunnel that left for another address of the concentrator takes its subnet along', () => {
  const fresh = SCOPE.replace('192.0.2.9', '192.0.2.10');
  const gone = { ...tunnel, alias: `gre_${fresh}`, data: { ...tunnel.data, remote: '192.0.2.10' } };
  const view = rebuildComputeNode([bridge, gone, tap, veth, peer]);
  expect([...view.subnets.keys()]).toEqual([fresh]);
  expect(view.subnets.get(fresh)).toMatchObject({
    bridge: { ifIndex: 1, alias: `br_${SCOPE}` },
    tunnel: { ifIndex: 2 },
  });
  expect(view.findings.map(({ type, remedy, link }) => [type, remedy, link?.ifIndex])).toEqual([
    ['half-moved', 'realias', 1],
    ['half-moved', 'realias', 3],
    ['half-moved', 'realias', 4],
  ]);
});

test('another concentrator’s tunnel on a bridge is not taken for a move', () => {
  const other = { ...tunnel, alias: 'gre_t_s_other_192.0.2.10' };
  const view = rebuildComputeNode([bridge, other, tap]);
  expect(view.subnets.size).toBe(2);
  expect(view.findings.some(({ type }) => type === 'half-moved')).toBe(false);
});
