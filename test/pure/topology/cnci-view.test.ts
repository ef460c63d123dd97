import { rebuildCnci } from '#lib/topology/index';

import { row } from '../helpers/rows';

const bridge = row({ ifindex: 1, kind: 'bridge', alias: 'br_10.0.0.0+24' });
const pair = row({ ifindex: 2, kind: 'gretap', alias: 'gre_10.0.0.0+24##192.0.2.2', master: 1 });
const shared = row({ ifindex: 3, kind: 'vxlan', alias: 'vxlan_10.0.0.0+24', master: 1 });

test('tunnels are told by compute node, a VXLAN device stands for all', () => {
  const { subnets, findings } = rebuildCnci([bridge, pair, shared]);
  expect(findings).toEqual([]);
  const subnet = subnets.get('10.0.0.0/24');
  expect(subnet?.tunnels.get('192.0.2.2')).toMatchObject({ kind: 'gre', ifIndex: 2 });
  expect(subnet?.vxlan).toMatchObject({ kind: 'vxlan', ifIndex: 3 });
});

test('a tunnel without its bridge, detached, or down is found', () => {
  const typesOf = (...rows: Parameters<typeof rebuildCnci>[0]): string[] =>
    rebuildCnci(rows).findings.map(({ type }) => type);
  expect(typesOf(pair)).toEqual(['missing-bridge']);
  expect(typesOf(bridge, { ...pair, master: 9 })).toEqual(['detached']);
  expect(typesOf({ ...bridge, isUp: false }, { ...pair, isUp: false })).toEqual(['down', 'down']);
  expect(typesOf(bridge)).toEqual([]);
});

test('the mesh, anchors and trash are set apart', () => {
  const view = rebuildCnci([
    row({ kind: 'gre', alias: 'cncitun', ifname: 'cncitun' }),
    row({ kind: 'vxlan', alias: 'vxlan_anchor' }),
    row({ kind: 'bridge', alias: 'trash', ifname: 'sbr_1' }),
  ]);
  expect(view.mesh?.linkName).toBe('cncitun');
  expect([view.anchors.length, view.trash.length, view.subnets.size]).toEqual([1, 1, 0]);
});
