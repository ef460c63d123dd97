import { packPorts } from '../model';
import type { NftBase, NftCommand, NftExpression } from '../plan';
import {
  clampSegments,
  dnatByAddress,
  dnatByPort,
  isDirection,
  isIpv4,
  isLocal,
  isMapped,
  isNotIpv4,
  isNotLocal,
  isState,
  masquerade,
  masqueradeRandomly,
  nameBegins,
  nameIn,
  nameVerdict,
  pairVerdict,
  snatByAddressAndLink,
  verdict,
} from './expressions';
import type { Words } from './expressions';
import type { Ledger } from './ledger';
import { BRIDGE_PREFIX, CHAIN, FAMILY, SET, TABLE, arrivalOf, portsOf } from './names';
import { NO_PORTS } from './port-choice';
import { ACCEPT, addElements, changePortElements, declarePorts, declareSet } from './sets';

const HERE = { family: FAMILY, table: TABLE } as const;

/** The first says whose table it is; the number is the layout's. */
export const SIGNATURE = 'libsnnet firewall 1';
const FORWARDED = 'ip_forward was ';

/** A rule, and the sentence that `nft list` shows beside it. */
export interface Rule {
  readonly comment: string;
  readonly words: Words;
}

export interface Chain {
  readonly name: string;
  readonly base?: NftBase;
  readonly rules: readonly Rule[];
}

/** linux/netfilter_ipv4.h and the names that nft has for them. */
const PRIORITY = { dstnat: -100, filter: 0, srcnat: 100, last: 300 } as const;

function base(
  type: 'filter' | 'nat',
  hook: NftBase['hook'],
  priority: keyof typeof PRIORITY,
): NftBase {
  return { type, hook, priority: PRIORITY[priority], policy: 'accept' };
}

function rule(comment: string, ...words: readonly Words[]): Rule {
  return { comment, words: words.flat() };
}

/** A link of a tenant is known by a bridge's name, or by the set: so two rules for everything. */
function inside(
  key: 'iifname' | 'oifname',
  comment: string,
  before: Words,
  after: Words,
): readonly Rule[] {
  return [
    rule(`${comment}: tenants' bridges`, before, nameBegins(key, BRIDGE_PREFIX), after),
    rule(`${comment}: tenants' other links`, before, nameIn(key, SET.inside), after),
  ];
}

/** All chains for these external devices and options, callees before their callers. */
export function chainsFor(ledger: Ledger): readonly Chain[] {
  const devices = [...ledger.external].sort();
  const { guardInput, forwardedBefore } = ledger.options;
  return [
    about(forwardedBefore),
    ...devices.map(arrival),
    hairpin(devices),
    prerouting(),
    returning(),
    postrouting(),
    escape(),
    fromInside(),
    toInside(),
    forward(),
    ...(guardInput ? [input()] : []),
  ];
}

function about(forwardedBefore: boolean): Chain {
  return {
    name: CHAIN.about,
    rules: [
      rule(SIGNATURE, verdict('return')),
      rule(`${FORWARDED}${forwardedBefore ? '1' : '0'}`, verdict('return')),
    ],
  };
}

/** What the chain {@link CHAIN.about} says; nothing where the table is not ours. */
export function readAbout(
  comments: readonly (string | undefined)[],
): { readonly version: string; readonly forwardedBefore: boolean } | undefined {
  const version = comments[0];
  if (version?.startsWith('libsnnet firewall ') !== true) return undefined;
  return { version, forwardedBefore: comments.includes(`${FORWARDED}1`) };
}

function arrival(device: string): Chain {
  return {
    name: arrivalOf(device),
    rules: [rule(`ports of ${device}`, dnatByPort(portsOf(device)))],
  };
}

// From inside to an address of the outside that is this machine's. What the gateway itself offers to
// its subnet is left alone.
function hairpin(devices: readonly string[]): Chain {
  return {
    name: CHAIN.hairpin,
    rules: [
      rule('a public address, from inside', dnatByAddress(SET.published)),
      rule("the gateway's own services", isLocal('daddr', 'iif'), verdict('return')),
      rule('not for this machine', isNotLocal('daddr'), verdict('return')),
      ...devices.map((device) =>
        rule(`ports of ${device}, from inside`, verdict('jump', arrivalOf(device))),
      ),
    ],
  };
}

function prerouting(): Chain {
  return {
    name: CHAIN.prerouting,
    base: base('nat', 'prerouting', 'dstnat'),
    rules: [
      rule('IPv6 is not translated', isNotIpv4, verdict('return')),
      ...inside('iifname', 'from inside', [], verdict('goto', CHAIN.hairpin)),
      rule('public addresses', dnatByAddress(SET.published)),
      rule('ports', isLocal('daddr'), nameVerdict('iifname', SET.arrivals)),
    ],
  };
}

// A workload that is reached by way of the outside must answer by way of this machine, also where the
// asker is its neighbour, or itself.
function returning(): Chain {
  return {
    name: CHAIN.returning,
    rules: [...inside('oifname', 'answers come back here', [], masquerade)],
  };
}

function postrouting(): Chain {
  return {
    name: CHAIN.postrouting,
    base: base('nat', 'postrouting', 'srcnat'),
    rules: [
      rule('workloads with a public address', snatByAddressAndLink(SET.sources)),
      rule(
        "only the device's own addresses leave it",
        isIpv4,
        nameIn('oifname', SET.external),
        isNotLocal('saddr', 'oif'),
        masqueradeRandomly,
      ),
      ...inside(
        'iifname',
        'reached by way of the outside',
        isMapped,
        verdict('goto', CHAIN.returning),
      ),
    ],
  };
}

// Packets that connection tracking knows from before, or cannot place, are not translated: they must
// not carry a tenant's address outside either.
function escape(): Chain {
  const leaving = [
    ...nameIn('oifname', SET.external),
    ...isNotLocal('saddr', 'oif'),
    ...verdict('drop'),
  ];
  return {
    name: CHAIN.escape,
    base: base('filter', 'postrouting', 'last'),
    rules: [...inside('iifname', "no tenant's address escapes", [], leaving)],
  };
}

function fromInside(): Chain {
  return {
    name: CHAIN.fromInside,
    rules: [
      rule('segments fit the path', clampSegments),
      ...inside('oifname', 'within the tenant', [], verdict('accept')),
      rule('unknown to connection tracking', isState('invalid'), verdict('drop')),
      rule('answers of mapped ports', isMapped, isDirection('reply'), verdict('accept')),
      rule('opened pairs', pairVerdict(['iifname', 'oifname'], SET.pairs)),
      rule('closed', verdict('drop')),
    ],
  };
}

function toInside(): Chain {
  return {
    name: CHAIN.toInside,
    rules: [
      rule('segments fit the path', clampSegments),
      rule('unknown to connection tracking', isState('invalid'), verdict('drop')),
      rule('mapped ports', isMapped, isDirection('original'), verdict('accept')),
      rule('answers', isState('known'), pairVerdict(['oifname', 'iifname'], SET.pairs)),
      rule('closed', verdict('drop')),
    ],
  };
}

function forward(): Chain {
  return {
    name: CHAIN.forward,
    base: base('filter', 'forward', 'filter'),
    rules: [
      ...inside('iifname', 'from inside', [], verdict('goto', CHAIN.fromInside)),
      ...inside('oifname', 'to inside', [], verdict('goto', CHAIN.toInside)),
    ],
  };
}

function input(): Chain {
  return {
    name: CHAIN.input,
    base: base('filter', 'input', 'filter'),
    rules: [
      rule(
        "another device's address, from outside",
        nameIn('iifname', SET.external),
        isLocal('daddr'),
        isNotLocal('daddr', 'iif'),
        verdict('drop'),
      ),
    ],
  };
}

/** Whether the kernel keeps tables for one owner, beyond its end (6.9). */
export type Ownership = 'owned' | 'shared';

const OWNED = { flags: ['owner', 'persist'] } as const;

/** Makes a table that outlived its process this one's own. */
export const ADOPT_TABLE: NftCommand = Object.freeze({ op: 'table.set', ...HERE, ...OWNED });

export const DELETE_TABLE: NftCommand = Object.freeze({ op: 'table.delete', ...HERE });

/** The whole table, sets with their elements, chains with their rules: one transaction. */
export function wholeTable(ledger: Ledger, ownership: Ownership): readonly NftCommand[] {
  const chains = chainsFor(ledger);
  const devices = [...ledger.external].sort();
  return [
    { op: 'table.add', ...HERE, ...(ownership === 'owned' && OWNED) },
    ...(Object.keys(SET) as (keyof typeof SET)[]).map(declareSet),
    ...devices.map(declarePorts),
    ...chains.map(({ name, base }): NftCommand => ({
      op: 'chain.add',
      ...HERE,
      chain: name,
      ...(base !== undefined && { base }),
    })),
    ...chains.flatMap(({ name, rules }) =>
      rules.map(({ comment, words }) => addRule(name, words, comment)),
    ),
    ...elementsOf(ledger, devices),
  ];
}

function addRule(
  chain: string,
  expressions: readonly NftExpression[],
  comment: string,
): NftCommand {
  return { op: 'rule.add', ...HERE, chain, expressions, comment };
}

function elementsOf(ledger: Ledger, devices: readonly string[]): NftCommand[] {
  const pairs = [...ledger.pairs].flatMap(([external, insides]) =>
    [...insides].map((device) => [device, external]),
  );
  const published = [...ledger.published].map(([address, { internal }]) => [address, internal]);
  const sources = [...ledger.sources].flatMap(([device, addresses]) =>
    [...addresses].map(([internal, address]) => [internal, device, address]),
  );
  return [
    ...addElements(
      'external',
      devices.map((device) => [device]),
    ),
    ...addElements(
      'inside',
      [...ledger.inside].map((device) => [device]),
    ),
    ...addElements(
      'arrivals',
      devices.map((device) => [device]),
      devices.map((device) => ({ code: 'goto', chain: arrivalOf(device) })),
    ),
    ...addElements(
      'pairs',
      pairs,
      pairs.map(() => ACCEPT),
    ),
    ...addElements('published', published),
    ...addElements('sources', sources),
    ...[...ledger.ports].flatMap(
      ([device, ports]) =>
        changePortElements(device, { put: packPorts(ports), drop: NO_PORTS }).commands,
    ),
  ];
}
