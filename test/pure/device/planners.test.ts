import {
  ANCHOR_VNI,
  planAnchor,
  planBridge,
  planCnciVnic,
  planDeletion,
  planRemote,
  planTapVnic,
  planTunnel,
  planVethVnic,
} from '#lib/device/index';
import { describeStep } from '#lib/plan/index';
import type { Step } from '#lib/plan/index';

function chooser() {
  let next = 0;
  return {
    ifname: (prefix: string) => `${prefix}${(next += 1)}`,
    ifindex: () => 1000 + (next += 1),
    mac: () => '02:00:00:00:00:01',
  };
}

const spec = {
  alias: 'a',
  local: '192.0.2.1',
  remote: '192.0.2.9',
  key: 7,
  mtu: 1450,
  master: 5,
  ports: { vxlan: 4789, geneve: 6081 },
};
const port = { alias: 'v', mtu: 1400, master: 5 };
const known = (ifIndex: number, linkName: string) => ({
  ifIndex,
  linkName,
  alias: 'a',
  mtu: 0,
  mac: '',
});

const steps: readonly (readonly [string, Step, string])[] = [
  [
    'a bridge',
    planBridge(chooser(), 'b', 1450),
    'ip link add sbr_1 index 1002 address 02:00:00:00:00:01 mtu 1450 alias "b" up addrgenmode none type bridge',
  ],
  [
    'a GRE tunnel',
    planTunnel(chooser(), { ...spec, kind: 'gre' }),
    'ip link add sgt_1 index 1002 mtu 1450 master #5 alias "a" up addrgenmode none type gretap local 192.0.2.1 remote 192.0.2.9 key 7 pmtudisc',
  ],
  [
    'a VXLAN tunnel',
    planTunnel(chooser(), { ...spec, kind: 'vxlan' }),
    'ip link add sgt_1 index 1002 mtu 1450 master #5 alias "a" up addrgenmode none type vxlan id 7 local 192.0.2.1 remote 192.0.2.9 dstport 4789 nolearning',
  ],
  [
    'a Geneve tunnel',
    planTunnel(chooser(), { ...spec, kind: 'geneve' }),
    'ip link add sgt_1 index 1002 mtu 1450 master #5 alias "a" up addrgenmode none type geneve id 7 remote 192.0.2.9 dstport 6081',
  ],
  [
    'a tap',
    planTapVnic(chooser(), { ...port, queues: 4, owner: 107 }),
    'ip tuntap add svn_1 mode tap user 107 multi_queue # 4 queues\nip link set svn_1 mtu 1400 master #5 alias "v" up addrgenmode none',
  ],
  [
    'a veth pair',
    planVethVnic(chooser(), { ...port, mac: '02:00:00:00:00:05' }),
    'ip link add svn_1 index 1002 mtu 1400 master #5 alias "v" up addrgenmode none type veth peer name svp_1 index 1003 address 02:00:00:00:00:05 mtu 1400',
  ],
  [
    'a macvtap',
    planCnciVnic(chooser(), { alias: 'c', mac: '02:00:00:00:00:05', mode: 'vepa', link: 3 }),
    'ip link add svc_1 index 1002 link #3 address 02:00:00:00:00:05 txqueuelen 500 alias "c" up addrgenmode none type macvtap mode vepa',
  ],
  [
    'the anchor',
    planAnchor(chooser(), 'vxlan_anchor', 4789),
    `ip link add sgt_1 index 1002 alias "vxlan_anchor" up addrgenmode none type vxlan id ${ANCHOR_VNI} dstport 4789 nolearning`,
  ],
  [
    'a remote of a VXLAN device',
    planRemote('fdb.add', 9, '192.0.2.9'),
    'bridge fdb append 00:00:00:00:00:00 dev #9 dst 192.0.2.9 self permanent',
  ],
  [
    'a deletion',
    planDeletion(chooser(), [known(1, 'svn_1')], [known(2, 'sbr_2')]),
    "ip link delete svn_1\nip link delete sbr_2 # behind the caller's back, as sbr_1",
  ],
];

test.each(steps)('%s is planned', (_what, step, text) => {
  expect(describeStep(step)).toBe(text);
});

test('a VXLAN device without a remote learns, one with a remote need not', () => {
  const { remote: _remote, ...without } = spec;
  expect(planTunnel(chooser(), { ...without, kind: 'vxlan' })).toMatchObject({
    data: { learning: true },
  });
  expect(planTunnel(chooser(), { ...without, kind: 'gre' })).toMatchObject({
    data: { remote: '0.0.0.0' },
  });
  expect(planTunnel(chooser(), { ...without, kind: 'geneve' })).toMatchObject({
    data: { remote: '0.0.0.0' },
  });
});

test('descriptors are handed out where there are several queues', () => {
  expect(planTapVnic(chooser(), { ...port, queues: 1, owner: 0 }).handOut).toBe(false);
  expect(planTapVnic(chooser(), { ...port, queues: 2, owner: 0 }).handOut).toBe(true);
});
