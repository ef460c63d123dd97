/** Plans are data: what a step is in words, what undoes it, and that nobody changes one afterwards. */
import * as fc from 'fast-check';
import { describePlan, describeStep, inverseOf, makePlan } from '#lib/plan/index';
import type { Step, StepOp } from '#lib/plan/index';
import { checkProperty } from '../support/property';

const bridge: Step = {
  op: 'link.create',
  kind: 'bridge',
  ifname: 'sbr_1',
  ifindex: 1001,
  address: '02:00:00:00:00:01',
  mtu: 1450,
  up: true,
  alias: 'br_x',
  ipv6LinkLocal: false,
};

/** Every kind of step, with the words it comes out as. */
const STEPS: readonly (readonly [Step, string])[] = [
  [
    bridge,
    'ip link add sbr_1 index 1001 address 02:00:00:00:00:01 mtu 1450 alias "br_x" up addrgenmode none type bridge',
  ],
  [
    { op: 'link.create', kind: 'dummy', ifname: 'd0', ifindex: 7, txqlen: 5, up: false },
    'ip link add d0 index 7 txqueuelen 5 down type dummy',
  ],
  [
    {
      op: 'link.create',
      kind: 'veth',
      ifname: 'svn_1',
      ifindex: 8,
      master: 3,
      hairpin: true,
      peer: { ifname: 'svp_1', ifindex: 9, address: '02:00:00:00:00:02', mtu: 1400, txqlen: 1 },
    },
    'ip link add svn_1 index 8 master #3 hairpin on type veth peer name svp_1 index 9 address 02:00:00:00:00:02 mtu 1400 txqueuelen 1',
  ],
  [
    {
      op: 'link.create',
      kind: 'veth',
      ifname: 'svn_1',
      ifindex: 8,
      altName: 'c1.eth0',
      peer: { ifname: 'eth0', ifindex: 9, netns: '/proc/7/ns/net' },
    },
    'ip link add svn_1 index 8 type veth peer name eth0 index 9 netns /proc/7/ns/net\nip link property add dev svn_1 altname c1.eth0',
  ],
  [
    {
      op: 'link.set',
      netns: '/a',
      ifindex: 9,
      ipv4: { arpIgnore: 8, arpNotify: 1, rpFilter: 2 },
      up: true,
    },
    `nsenter --net=/a ip link set #9 up
nsenter --net=/a sysctl -w net.ipv4.conf.#9.arp_ignore=8
nsenter --net=/a sysctl -w net.ipv4.conf.#9.arp_notify=1
nsenter --net=/a sysctl -w net.ipv4.conf.#9.rp_filter=2`,
  ],
  [
    { op: 'address.add', netns: 'box', ifindex: 9, address: '192.0.2.1', prefixLength: 24 },
    'nsenter --net=/run/netns/box ip address add 192.0.2.1/24 dev #9',
  ],
  [
    {
      op: 'link.create',
      kind: 'macvtap',
      ifname: 'svc_1',
      ifindex: 8,
      link: 2,
      data: { mode: 'vepa' },
    },
    'ip link add svc_1 index 8 link #2 type macvtap mode vepa',
  ],
  [
    {
      op: 'link.create',
      kind: 'vxlan',
      ifname: 'sgt_1',
      ifindex: 8,
      data: { vni: 5, local: '192.0.2.1', remote: '192.0.2.2', port: 4789, learning: false },
    },
    'ip link add sgt_1 index 8 type vxlan id 5 local 192.0.2.1 remote 192.0.2.2 dstport 4789 nolearning',
  ],
  [
    { op: 'link.create', kind: 'vxlan', ifname: 'sgt_1', ifindex: 8, data: { vni: 5, port: 4789 } },
    'ip link add sgt_1 index 8 type vxlan id 5 dstport 4789',
  ],
  ...(['gretap', 'gre'] as const).map((kind): [Step, string] => [
    {
      op: 'link.create',
      kind,
      ifname: 'sgt_1',
      ifindex: 8,
      data: { local: '192.0.2.1', remote: '192.0.2.2', key: 6, pmtudisc: kind === 'gre' },
    },
    `ip link add sgt_1 index 8 type ${kind} local 192.0.2.1 remote 192.0.2.2 key 6 ${kind === 'gre' ? 'pmtudisc' : 'nopmtudisc'}`,
  ]),
  [
    {
      op: 'link.create',
      kind: 'geneve',
      ifname: 'sgt_1',
      ifindex: 8,
      data: { vni: 5, remote: '192.0.2.2', port: 6081 },
    },
    'ip link add sgt_1 index 8 type geneve id 5 remote 192.0.2.2 dstport 6081',
  ],
  [
    {
      op: 'tap.create',
      ifname: 'svn_2',
      ifindex: 8,
      queues: 4,
      handOut: true,
      master: 3,
      up: true,
      ipv6LinkLocal: false,
    },
    'ip tuntap add svn_2 mode tap multi_queue # 4 queues\nip link set svn_2 master #3 up addrgenmode none',
  ],
  [
    { op: 'tap.create', ifname: 'svn_2', ifindex: 8, queues: 1, handOut: false, alias: '' },
    'ip tuntap add svn_2 mode tap\nip link set svn_2 alias ""',
  ],
  [
    {
      op: 'link.set',
      ifindex: 8,
      ifname: 'other',
      master: 0,
      before: { ifname: 'svn_2', master: 3 },
    },
    'ip link set #8 name other nomaster',
  ],
  [
    {
      op: 'link.delete',
      links: [
        { ifindex: 8, ifname: 'a', alias: 'x' },
        { ifindex: 9, ifname: 'b', alias: '' },
      ],
      retire: [{ ifindex: 10, ifname: 'br', alias: 'y', trashName: 'sbr_t' }],
    },
    "ip link delete a\nip link delete b\nip link delete br # behind the caller's back, as sbr_t",
  ],
  [
    { op: 'address.add', ifindex: 8, address: '192.0.2.1', prefixLength: 24 },
    'ip address add 192.0.2.1/24 dev #8',
  ],
  [
    { op: 'address.delete', ifindex: 8, address: '192.0.2.1', prefixLength: 24 },
    'ip address delete 192.0.2.1/24 dev #8',
  ],
  [
    { op: 'route.add', ifindex: 8, destination: '198.51.100.0/24', via: '192.0.2.9' },
    'ip route add 198.51.100.0/24 via 192.0.2.9 dev #8',
  ],
  [
    { op: 'route.delete', ifindex: 8, destination: '198.51.100.0/24' },
    'ip route delete 198.51.100.0/24 dev #8',
  ],
  ...(['add', 'delete'] as const).flatMap((verb): [Step, string][] => [
    [
      { op: `neighbour.${verb}`, ifindex: 8, address: '192.0.2.7', lladdr: '02:00:00:00:00:07' },
      `ip neighbour ${verb} 192.0.2.7 lladdr 02:00:00:00:00:07 dev #8 nud permanent`,
    ],
    [
      { op: `fdb.${verb}`, ifindex: 8, mac: '00:00:00:00:00:00', dst: '192.0.2.7' },
      `bridge fdb ${verb === 'add' ? 'append' : verb} 00:00:00:00:00:00 dev #8 dst 192.0.2.7 self permanent`,
    ],
    [
      { op: `fdb.${verb}`, ifindex: 8, mac: '02:00:00:00:00:07' },
      `bridge fdb ${verb} 02:00:00:00:00:07 dev #8 master static sticky`,
    ],
  ]),
  [
    {
      op: 'tunnel.set',
      ifindex: 8,
      kind: 'vxlan',
      data: { remote: '192.0.2.3' },
      alias: 'vxlan_x',
      before: { data: { remote: '192.0.2.2' }, alias: 'vxlan_y' },
    },
    'ip link set #8 alias "vxlan_x" type vxlan remote 192.0.2.3',
  ],
  [
    {
      op: 'tunnel.set',
      ifindex: 8,
      kind: 'gretap',
      data: { local: '192.0.2.1', remote: '192.0.2.3', key: 4, pmtudisc: true },
    },
    'ip link set #8 type gretap local 192.0.2.1 remote 192.0.2.3 key 4 pmtudisc',
  ],
  [
    { op: 'tunnel.set', ifindex: 8, kind: 'geneve', data: { remote: '192.0.2.3' } },
    'ip link set #8 type geneve remote 192.0.2.3',
  ],
  [
    { op: 'route.add', destination: '10.0.0.0/8', ifindex: 8, via: '192.0.2.1', metric: 7 },
    'ip route add 10.0.0.0/8 via 192.0.2.1 dev #8 metric 7',
  ],
  [
    { op: 'sysctl.set', name: 'net/ipv4/ip_forward', value: '1', before: '0' },
    'sysctl -w net.ipv4.ip_forward=1',
  ],
  [
    { op: 'nft', commands: [{ op: 'table.add', family: 'inet', table: 'x' }] },
    'nft add table inet x',
  ],
  [
    {
      op: 'conntrack.delete',
      flows: [
        {
          protocol: 'udp',
          source: '192.0.2.1',
          destination: '192.0.2.2',
          sourcePort: 5,
          destinationPort: 53,
        },
      ],
    },
    'conntrack -D -p udp -s 192.0.2.1 -d 192.0.2.2 --sport 5 --dport 53',
  ],
];

const ALL_OPS: Readonly<Record<StepOp, true>> = {
  'link.create': true,
  'tap.create': true,
  'link.set': true,
  'tunnel.set': true,
  'link.delete': true,
  'address.add': true,
  'address.delete': true,
  'route.add': true,
  'route.delete': true,
  'neighbour.add': true,
  'neighbour.delete': true,
  'fdb.add': true,
  'fdb.delete': true,
  'sysctl.set': true,
  nft: true,
  'conntrack.delete': true,
};

test.each(STEPS)('a step in the words of the tools (%#)', (step, text) => {
  expect(describeStep(step)).toBe(text);
});

test('every operation is among those described', () => {
  expect(new Set(STEPS.map(([step]) => step.op))).toEqual(new Set(Object.keys(ALL_OPS)));
});

test('links that a plan creates go by their names, others by what the caller knows', () => {
  const plan = makePlan('test', [
    bridge,
    { op: 'link.set', ifindex: 1001, up: true },
    { op: 'link.set', ifindex: 5, master: 1001 },
    { op: 'link.set', ifindex: 6, up: false },
  ]);
  const text = describePlan(plan, (ifindex) => (ifindex === 5 ? 'eth5' : undefined));
  expect(text.split('\n').slice(1)).toEqual([
    'ip link set sbr_1 up',
    'ip link set eth5 master sbr_1',
    'ip link set #6 down',
  ]);
});

test('a plan is frozen, through and through', () => {
  const isFrozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isFrozen));
  expect(isFrozen(makePlan('test', structuredClone(STEPS.map(([step]) => step))))).toBe(true);
});

test('what creates a link is undone by its deletion, by index, name and alias', () => {
  const links = [{ ifindex: 1001, ifname: 'sbr_1', alias: 'br_x' }];
  expect(inverseOf(bridge)).toEqual({ op: 'link.delete', links });
});

test.each<[string, Step]>([
  ['a deletion', { op: 'link.delete', links: [] }],
  ['a change that does not say what was before', { op: 'link.set', ifindex: 5, up: true }],
  ['a sysctl that does not say what was before', { op: 'sysctl.set', name: 'x', value: '1' }],
])('%s has no inverse', (_, step) => {
  expect(inverseOf(step)).toBeUndefined();
});

test('the inverse of the inverse is the step itself, wherever both exist', async () => {
  const index = fc.integer({ min: 1, max: 0x7fff_ffff });
  const attributes = fc.record(
    { mtu: fc.nat(), master: fc.nat(), up: fc.boolean(), alias: fc.string({ maxLength: 9 }) },
    { requiredKeys: [] },
  );
  const rows = STEPS.map(([step]) => step)
    .filter(({ op }) => /^(address|route|neigh|fdb)/.test(op))
    .filter(({ netns }) => netns === undefined);
  const step = fc.oneof(
    fc.constantFrom(...rows).chain((row) => index.map((ifindex) => ({ ...row, ifindex }) as Step)),
    fc
      .tuple(index, attributes, attributes)
      .map(([ifindex, after, before]): Step => ({ op: 'link.set', ifindex, ...after, before })),
    fc
      .tuple(fc.string(), fc.string())
      .map(([value, before]): Step => ({ op: 'sysctl.set', name: 'net/x', value, before })),
  );
  await checkProperty(
    fc.property(step, (one) => {
      const back = inverseOf(one);
      expect(back).toBeDefined();
      if (back !== undefined) expect(inverseOf(back)).toEqual(one);
    }),
  );
});
