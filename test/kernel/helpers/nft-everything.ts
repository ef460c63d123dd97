/** Every command and expression that a step can have, in a ruleset that makes sense. */
import type { NftCommand, NftExpression } from '#lib/plan/index';
import { forward, portEntries, portMap, ports, rule, T, table } from './nft';

const eth0 = '65746830000000000000000000000000';

/** Every expression, in rules that make sense, with what `nft` makes of them. */
export const RULES: readonly (readonly [string, readonly NftExpression[], string | RegExp])[] = [
  [
    'forwarding',
    [
      { type: 'meta', key: 'iifname', dreg: 0 },
      { type: 'cmp', op: 'eq', sreg: 0, value: eth0 },
      { type: 'counter' },
      { type: 'verdict', verdict: { code: 'accept' } },
    ],
    'iifname "eth0" counter packets 0 bytes 0 accept',
  ],
  [
    'forwarding',
    [
      { type: 'ct', key: 'state', dreg: 0 },
      { type: 'bitwise', sreg: 0, dreg: 0, mask: '06000000', xor: '00000000' },
      { type: 'cmp', op: 'neq', sreg: 0, value: '00000000' },
      { type: 'verdict', verdict: { code: 'jump', chain: 'sub' } },
    ],
    'ct state established,related jump sub',
  ],
  [
    'sub',
    [
      { type: 'meta', key: 'l4proto', dreg: 0 },
      { type: 'cmp', op: 'eq', sreg: 0, value: '06' },
      { type: 'payload', base: 'transport', offset: 2, bytes: 2, dreg: 0 },
      { type: 'lookup', set: 'services', sreg: 0, dreg: 'verdict' },
    ],
    'tcp dport vmap @services',
  ],
  [
    'sub',
    [
      { type: 'meta', key: 'iifname', dreg: 4 },
      { type: 'lookup', set: 'names', sreg: 4, invert: true },
      { type: 'verdict', verdict: { code: 'goto', chain: 'last' } },
    ],
    'iifname != @names goto last',
  ],
  [
    'last',
    [
      { type: 'immediate', dreg: 0, value: '2a000000' },
      { type: 'meta.set', key: 'mark', sreg: 0 },
      { type: 'ct.set', key: 'mark', sreg: 0 },
    ],
    'meta mark set 0x0000002a ct mark set 0x0000002a',
  ],
  [
    'mss',
    [
      { type: 'meta', key: 'l4proto', dreg: 0 },
      { type: 'cmp', op: 'eq', sreg: 0, value: '06' },
      { type: 'payload', base: 'transport', offset: 13, bytes: 1, dreg: 0 },
      { type: 'bitwise', sreg: 0, dreg: 0, mask: '06', xor: '00' },
      { type: 'cmp', op: 'eq', sreg: 0, value: '02' },
      { type: 'rt', key: 'tcpmss', dreg: 0 },
      { type: 'byteorder', sreg: 0, dreg: 0, op: 'hton', bytes: 2, size: 2 },
      { type: 'tcp-option', option: 2, offset: 2, bytes: 2, sreg: 0 },
    ],
    // Versions of nft differ in how they put a mask.
    /^tcp flags (syn \/ syn,rst|& \(syn \| rst\) == syn) tcp option maxseg size set rt mtu$/,
  ],
  [
    'mss',
    [
      { type: 'tcp-option', option: 2, offset: 2, bytes: 2, dreg: 0 },
      { type: 'cmp', op: 'gt', sreg: 0, value: '0200' },
      { type: 'verdict', verdict: { code: 'return' } },
    ],
    'tcp option maxseg size > 512 return',
  ],
  [
    'mss',
    [
      { type: 'fib', selectors: ['daddr'], result: 'addrtype', dreg: 0 },
      { type: 'cmp', op: 'eq', sreg: 0, value: '02000000' },
      { type: 'verdict', verdict: { code: 'drop' } },
    ],
    'fib daddr type local drop',
  ],
  [
    'pre',
    [
      { type: 'meta', key: 'nfproto', dreg: 0 },
      { type: 'cmp', op: 'eq', sreg: 0, value: '02' },
      { type: 'meta', key: 'l4proto', dreg: 0 },
      { type: 'payload', base: 'transport', offset: 2, bytes: 2, dreg: 1 },
      { type: 'lookup', set: 'ports', sreg: 0, dreg: 8 },
      { type: 'nat', kind: 'dnat', family: 'ip', address: 8, port: 9 },
    ],
    'meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports',
  ],
  [
    'post',
    [
      { type: 'meta', key: 'oifname', dreg: 0 },
      { type: 'cmp', op: 'eq', sreg: 0, value: eth0 },
      { type: 'masq', flags: ['fully-random'] },
    ],
    'oifname "eth0" masquerade fully-random',
  ],
  [
    'post',
    [
      { type: 'immediate', dreg: 0, value: 'c0000201' },
      { type: 'nat', kind: 'snat', family: 'ip', address: 0, flags: ['random', 'persistent'] },
    ],
    'snat ip to 192.0.2.1 random,persistent',
  ],
];

const nat = (chain: string, hook: 'prerouting' | 'postrouting', priority: number): NftCommand => ({
  op: 'chain.add',
  ...T,
  chain,
  base: { type: 'nat', hook, priority, policy: 'accept' },
});

export const EVERYTHING: readonly NftCommand[] = [
  table(),
  forward,
  { op: 'chain.add', ...T, chain: 'sub' },
  { op: 'chain.add', ...T, chain: 'last' },
  {
    op: 'chain.add',
    ...T,
    chain: 'mss',
    base: { type: 'filter', hook: 'forward', priority: -150, policy: 'drop' },
  },
  nat('pre', 'prerouting', -100),
  nat('post', 'postrouting', 100),
  { op: 'set.add', ...T, set: 'names', key: ['ifname'] },
  { op: 'set.add', ...T, set: 'services', key: ['inet_service'], data: ['verdict'] },
  { op: 'set.add', ...T, set: 'fixed', key: ['mark'], flags: ['constant'] },
  { op: 'set.add', ...T, set: 'macs', key: ['ether_addr', 'iface_index'], data: ['mark'], size: 9 },
  portMap,
  {
    op: 'elements.add',
    ...T,
    set: 'names',
    keyBytes: 16,
    dataBytes: 0,
    packed: Buffer.from(`${eth0}${eth0.replace('30', '31')}`, 'hex'),
  },
  {
    op: 'elements.add',
    ...T,
    set: 'services',
    keyBytes: 2,
    dataBytes: 0,
    packed: Buffer.from('0016000000500000', 'hex'),
    verdicts: [{ code: 'drop' }, { code: 'jump', chain: 'last' }],
  },
  {
    op: 'elements.add',
    ...T,
    set: 'fixed',
    keyBytes: 4,
    dataBytes: 0,
    packed: new Uint8Array([42, 0, 0, 0]),
  },
  {
    op: 'elements.add',
    ...T,
    set: 'macs',
    keyBytes: 12,
    dataBytes: 4,
    packed: Buffer.from('020000000001000001000000' + '07000000', 'hex'),
  },
  ports('elements.add', portEntries(2)),
  ...RULES.map(([chain, expressions], n) => rule(chain, `rule ${n}`, ...expressions)),
];
