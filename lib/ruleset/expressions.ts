import type { NftExpression, NftRegister, NftVerdict } from '../plan';

/**
 * Words to build rules from. Each gives the instructions that `nft` would compile the same words to,
 * so that its listing reads as if a person had written it. Values that the kernel keeps in host order
 * are little-endian: x86-64 and arm64 are all that the addon is built for.
 */
export type Words = readonly NftExpression[];

const FIRST: NftRegister = 0;
/** A link's name takes four registers. */
const AFTER_NAME: NftRegister = 4;
const AFTER_WORD: NftRegister = 1;

const NFPROTO_IPV4 = '02';
const TCP = '06';
/** uapi/linux/rtnetlink.h: RTN_LOCAL. */
const LOCAL = '02000000';
/** uapi/linux/netfilter/nf_conntrack_common.h: IPS_DST_NAT, IPS_SRC_NAT is half of it. */
const DST_NAT = '20000000';
const NOTHING = '00000000';

/** uapi/linux/netfilter/nf_tables.h, NF_CT_STATE_BIT: what a rule asks of a packet's flow. */
const STATES = { invalid: '01000000', known: '06000000' } as const;

function compare(op: 'eq' | 'neq', value: string): NftExpression {
  return { type: 'cmp', op, sreg: FIRST, value };
}

function anyBit(mask: string): Words {
  return [
    { type: 'bitwise', sreg: FIRST, dreg: FIRST, mask, xor: NOTHING },
    compare('neq', NOTHING),
  ];
}

export const verdict = (code: NftVerdict['code'], chain?: string): Words => [
  { type: 'verdict', verdict: chain === undefined ? { code } : { code, chain } },
];

export const isIpv4: Words = [
  { type: 'meta', key: 'nfproto', dreg: FIRST },
  compare('eq', NFPROTO_IPV4),
];

export const isNotIpv4: Words = [
  { type: 'meta', key: 'nfproto', dreg: FIRST },
  compare('neq', NFPROTO_IPV4),
];

/** A link whose name begins so: `iifname "sbr_*"`. */
export function nameBegins(key: 'iifname' | 'oifname', prefix: string): Words {
  const value = Buffer.from(prefix).toString('hex');
  return [{ type: 'meta', key, dreg: FIRST }, compare('eq', value)];
}

/** A link with exactly this name. */
export function nameIs(key: 'iifname' | 'oifname', name: string): Words {
  const value = Buffer.from(name).toString('hex').padEnd(32, '0');
  return [{ type: 'meta', key, dreg: FIRST }, compare('eq', value)];
}

/** In a table of iptables: it knows one value for each, `sbr_*` as `sbr_+`. */
export function passageRule([from, to]: readonly [string, string]): Words {
  const name = (key: 'iifname' | 'oifname', text: string): Words =>
    text.endsWith('*') ? nameBegins(key, text.slice(0, -1)) : nameIs(key, text);
  return [...name('iifname', from), ...name('oifname', to), ...verdict('accept')];
}

export function nameIn(key: 'iifname' | 'oifname', set: string): Words {
  return [
    { type: 'meta', key, dreg: FIRST },
    { type: 'lookup', set, sreg: FIRST },
  ];
}

/** `iifname vmap @set`. */
export function nameVerdict(key: 'iifname' | 'oifname', set: string): Words {
  return [
    { type: 'meta', key, dreg: FIRST },
    { type: 'lookup', set, sreg: FIRST, dreg: 'verdict' },
  ];
}

/** `iifname . oifname vmap @set`, in either order. */
export function pairVerdict(
  [first, second]: readonly ['iifname' | 'oifname', 'iifname' | 'oifname'],
  set: string,
): Words {
  return [
    { type: 'meta', key: first, dreg: FIRST },
    { type: 'meta', key: second, dreg: AFTER_NAME },
    { type: 'lookup', set, sreg: FIRST, dreg: 'verdict' },
  ];
}

export function isState(state: keyof typeof STATES): Words {
  return [{ type: 'ct', key: 'state', dreg: FIRST }, ...anyBit(STATES[state])];
}

/** The flow's destination was changed. */
export const isMapped: Words = [{ type: 'ct', key: 'status', dreg: FIRST }, ...anyBit(DST_NAT)];

export function isDirection(direction: 'original' | 'reply'): Words {
  return [
    { type: 'ct', key: 'direction', dreg: FIRST },
    compare('eq', direction === 'original' ? '00' : '01'),
  ];
}

type FibSelector = 'saddr' | 'daddr' | 'iif' | 'oif';

/** `fib <selectors> type local`: an address of this machine; with a link, of that link. */
export function isLocal(...selectors: readonly FibSelector[]): Words {
  return [{ type: 'fib', selectors, result: 'addrtype', dreg: FIRST }, compare('eq', LOCAL)];
}

export function isNotLocal(...selectors: readonly FibSelector[]): Words {
  return [{ type: 'fib', selectors, result: 'addrtype', dreg: FIRST }, compare('neq', LOCAL)];
}

/** `tcp flags syn / syn,rst tcp option maxseg size set rt mtu`: never raises it. */
export const clampSegments: Words = [
  { type: 'meta', key: 'l4proto', dreg: FIRST },
  compare('eq', TCP),
  { type: 'payload', base: 'transport', offset: 13, bytes: 1, dreg: FIRST },
  { type: 'bitwise', sreg: FIRST, dreg: FIRST, mask: '06', xor: '00' },
  compare('eq', '02'),
  { type: 'rt', key: 'tcpmss', dreg: FIRST },
  { type: 'byteorder', sreg: FIRST, dreg: FIRST, op: 'hton', bytes: 2, size: 2 },
  { type: 'tcp-option', option: 2, offset: 2, bytes: 2, sreg: FIRST },
];

/** `dnat ip to ip daddr map @map`. */
export function dnatByAddress(map: string): Words {
  return [
    ...isIpv4,
    { type: 'payload', base: 'network', offset: 16, bytes: 4, dreg: FIRST },
    { type: 'lookup', set: map, sreg: FIRST, dreg: FIRST },
    { type: 'nat', kind: 'dnat', family: 'ip', address: FIRST },
  ];
}

/** `dnat ip to meta l4proto . th dport map @map`. */
export function dnatByPort(map: string): Words {
  return [
    { type: 'meta', key: 'l4proto', dreg: FIRST },
    { type: 'payload', base: 'transport', offset: 2, bytes: 2, dreg: AFTER_WORD },
    { type: 'lookup', set: map, sreg: FIRST, dreg: FIRST },
    { type: 'nat', kind: 'dnat', family: 'ip', address: FIRST, port: AFTER_WORD },
  ];
}

/** `snat ip to ip saddr . oifname map @map`. */
export function snatByAddressAndLink(map: string): Words {
  return [
    ...isIpv4,
    { type: 'payload', base: 'network', offset: 12, bytes: 4, dreg: FIRST },
    { type: 'meta', key: 'oifname', dreg: AFTER_WORD },
    { type: 'lookup', set: map, sreg: FIRST, dreg: FIRST },
    { type: 'nat', kind: 'snat', family: 'ip', address: FIRST },
  ];
}

export const masqueradeRandomly: Words = [{ type: 'masq', flags: ['fully-random'] }];
export const masquerade: Words = [{ type: 'masq' }];
