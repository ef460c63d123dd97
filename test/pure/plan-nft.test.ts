/** Transactions of nftables as data: their words, and what undoes them. */
import * as fc from 'fast-check';
import { describeStep, inverseOf, makePlan } from '#lib/plan/index';
import type { NftCommand, NftExpression, NftStep } from '#lib/plan/index';
import { checkProperty } from '../support/property';

const T = { family: 'inet', table: 't' } as const;
const bytes = (...numbers: readonly number[]): Uint8Array => new Uint8Array(numbers);

const COMMANDS: readonly (readonly [NftCommand, string])[] = [
  [
    { op: 'table.add', ...T, flags: ['owner', 'persist'] },
    'nft add table inet t { flags owner, persist; }',
  ],
  [{ op: 'table.set', ...T, flags: ['owner'] }, 'nft add table inet t { flags owner; }'],
  [{ op: 'table.delete', ...T }, 'nft delete table inet t'],
  [{ op: 'chain.add', ...T, chain: 'c' }, 'nft add chain inet t c'],
  [
    {
      op: 'chain.add',
      ...T,
      chain: 'c',
      base: { type: 'filter', hook: 'ingress', device: 'eth0', priority: -5, policy: 'drop' },
    },
    'nft add chain inet t c { type filter hook ingress device eth0 priority -5; policy drop; }',
  ],
  [{ op: 'chain.delete', ...T, chain: 'c' }, 'nft delete chain inet t c'],
  [{ op: 'chain.flush', ...T, chain: 'c' }, 'nft flush chain inet t c'],
  [
    { op: 'set.add', ...T, set: 's', key: ['mark'], flags: ['constant'] },
    'nft add set inet t s { type mark; flags constant; }',
  ],
  [
    {
      op: 'set.add',
      ...T,
      set: 's',
      key: ['inet_proto', 'inet_service'],
      data: ['ipv4_addr', 'inet_service'],
      size: 1000,
    },
    'nft add map inet t s { type inet_proto . inet_service : ipv4_addr . inet_service; size 1000; }',
  ],
  [{ op: 'set.delete', ...T, set: 's' }, 'nft delete set inet t s'],
  [
    { op: 'elements.add', ...T, set: 's', keyBytes: 2, dataBytes: 0, packed: bytes(0, 80, 0, 0) },
    'nft add element inet t s { 0x0050 }',
  ],
  [
    {
      op: 'elements.add',
      ...T,
      set: 's',
      keyBytes: 1,
      dataBytes: 2,
      packed: bytes(6, 0, 0, 0, 0, 80, 0, 0, 17, 0, 0, 0, 1, 187, 0, 0),
    },
    'nft add element inet t s { 0x06 : 0x0050, 0x11 : 0x01bb }',
  ],
  [
    {
      op: 'elements.add',
      ...T,
      set: 's',
      keyBytes: 1,
      dataBytes: 0,
      packed: bytes(6, 0, 0, 0, 7, 0, 0, 0),
      verdicts: [{ code: 'drop' }, { code: 'goto', chain: 'c' }],
    },
    'nft add element inet t s { 0x06 : drop, 0x07 : goto c }',
  ],
  [
    {
      op: 'elements.delete',
      ...T,
      set: 's',
      keyBytes: 4,
      dataBytes: 4,
      packed: bytes(1, 2, 3, 4, 5, 6, 7, 8),
    },
    'nft delete element inet t s { 0x01020304 }',
  ],
  [
    {
      op: 'elements.delete',
      ...T,
      set: 's',
      keyBytes: 4,
      dataBytes: 0,
      packed: bytes(...Array<number>(400).fill(0)),
    },
    'nft delete element inet t s { 100 elements }',
  ],
  [
    { op: 'rule.insert', ...T, chain: 'c', expressions: [{ type: 'counter' }], comment: 'why' },
    'nft insert rule inet t c [ counter ] comment "why"',
  ],
  [
    { op: 'rule.add', ...T, chain: 'c', expressions: [{ type: 'masq' }, { type: 'counter' }] },
    'nft add rule inet t c [ masq ] [ counter ]',
  ],
  [{ op: 'rule.delete', ...T, chain: 'c', handle: 7 }, 'nft delete rule inet t c handle 7'],
  [
    { op: 'rule.delete', ...T, chain: 'c', addedBy: 7 },
    'nft delete rule inet t c handle of the rule added',
  ],
];

test.each(COMMANDS)('a command in the words of nft (%#)', (command, text) => {
  expect(describeStep({ op: 'nft', commands: [command] })).toBe(text);
});

const EXPRESSIONS: readonly (readonly [NftExpression, string])[] = [
  [{ type: 'meta', key: 'iifname', dreg: 1 }, 'meta load iifname => reg 1'],
  [{ type: 'meta.set', key: 'mark', sreg: 1 }, 'meta set mark with reg 1'],
  [{ type: 'ct', key: 'state', dreg: 0 }, 'ct load state => reg 0'],
  [{ type: 'ct.set', key: 'mark', sreg: 0 }, 'ct set mark with reg 0'],
  [{ type: 'rt', key: 'tcpmss', dreg: 0 }, 'rt load tcpmss => reg 0'],
  [
    { type: 'payload', base: 'network', offset: 12, bytes: 4, dreg: 2 },
    'payload load 4b @ network header + 12 => reg 2',
  ],
  [{ type: 'cmp', op: 'neq', sreg: 3, value: '06' }, 'cmp neq reg 3 0x06'],
  [
    { type: 'bitwise', sreg: 0, dreg: 1, mask: 'ff', xor: '01' },
    'bitwise reg 1 = ( reg 0 & 0xff ) ^ 0x01',
  ],
  [
    { type: 'byteorder', sreg: 0, dreg: 1, op: 'hton', bytes: 2, size: 2 },
    'byteorder reg 1 = hton(reg 0, 2, 2)',
  ],
  [{ type: 'lookup', set: 's', sreg: 0, invert: true }, 'lookup reg 0 set s not'],
  [{ type: 'lookup', set: 's', sreg: 0, dreg: 4 }, 'lookup reg 0 set s dreg 4'],
  [{ type: 'lookup', set: 's', sreg: 0, dreg: 'verdict' }, 'lookup reg 0 set s dreg verdict'],
  [{ type: 'immediate', dreg: 0, value: '01' }, 'immediate reg 0 0x01'],
  [{ type: 'verdict', verdict: { code: 'jump', chain: 'c' } }, 'immediate reg verdict jump c'],
  [
    { type: 'nat', kind: 'dnat', family: 'ip', address: 0, port: 1 },
    'nat dnat ip addr reg 0 proto reg 1',
  ],
  [
    { type: 'nat', kind: 'snat', family: 'ip6', address: 0, flags: ['random', 'persistent'] },
    'nat snat ip6 addr reg 0 flags random,persistent',
  ],
  [{ type: 'masq', flags: ['fully-random'] }, 'masq flags fully-random'],
  [
    { type: 'tcp-option', option: 2, offset: 2, bytes: 2, dreg: 0 },
    'exthdr load tcpopt 2b @ 2 + 2 => reg 0',
  ],
  [
    { type: 'tcp-option', option: 2, offset: 2, bytes: 2, sreg: 0 },
    'exthdr write tcpopt reg 0 => 2b @ 2 + 2',
  ],
  [
    { type: 'fib', selectors: ['daddr', 'iif'], result: 'addrtype', dreg: 0 },
    'fib daddr . iif addrtype => reg 0',
  ],
  [{ type: 'counter' }, 'counter'],
];

test.each(EXPRESSIONS)('an expression in words (%#)', (expression, text) => {
  const commands = [{ op: 'rule.add', ...T, chain: 'c', expressions: [expression] }] as const;
  expect(describeStep({ op: 'nft', commands })).toBe(`nft add rule inet t c [ ${text} ]`);
});

test('a flow of ICMP has a type and a code, and a zone where it lies in one', () => {
  const flow = {
    protocol: 'icmp',
    source: '192.0.2.1',
    destination: '192.0.2.2',
    sourcePort: 99,
    destinationPort: 0x0800,
    zone: 4,
  } as const;
  expect(describeStep({ op: 'conntrack.delete', flows: [flow] })).toBe(
    'conntrack -D -p icmp -s 192.0.2.1 -d 192.0.2.2 --icmp-id 99 --icmp-type 8 --icmp-code 0 --zone 4',
  );
});

test('of many flows the first are listed', () => {
  const flow = { protocol: 'udp', source: '192.0.2.1', destination: '192.0.2.2' } as const;
  const flows = Array.from({ length: 30 }, (_, n) => ({
    ...flow,
    sourcePort: n,
    destinationPort: 53,
  }));
  const lines = describeStep({ op: 'conntrack.delete', flows }).split('\n');
  expect(lines).toHaveLength(9);
  expect(lines.at(-1)).toBe('# conntrack -D of 22 more');
});

const elements: NftCommand = {
  op: 'elements.add',
  ...T,
  set: 's',
  keyBytes: 4,
  dataBytes: 0,
  packed: bytes(1, 2, 3, 4),
  verdicts: [{ code: 'drop' }],
};
const rule = (chain: string): NftCommand => ({ op: 'rule.add', ...T, chain, expressions: [] });

test('the mirror image comes last first', () => {
  const step: NftStep = {
    op: 'nft',
    commands: [
      { op: 'set.add', ...T, set: 's', key: ['ipv4_addr'], data: ['verdict'] },
      { op: 'chain.add', ...T, chain: 'new' },
      rule('old'),
      rule('new'),
      elements,
      rule('new'),
    ],
  };
  expect(inverseOf(step)).toEqual({
    op: 'nft',
    commands: [
      { op: 'chain.flush', ...T, chain: 'new' },
      {
        op: 'elements.delete',
        ...T,
        set: 's',
        keyBytes: 4,
        dataBytes: 0,
        packed: bytes(1, 2, 3, 4),
      },
      { op: 'rule.delete', ...T, chain: 'old', addedBy: 2 },
      { op: 'chain.delete', ...T, chain: 'new' },
      { op: 'set.delete', ...T, set: 's' },
    ],
  });
});

test('a table that was made goes with all that was put into it', () => {
  const other = { op: 'chain.add', family: 'ip', table: 't', chain: 'c' } as const;
  const commands = [{ op: 'table.add', ...T }, rule('c'), elements, other] as const;
  expect(inverseOf({ op: 'nft', commands })).toEqual({
    op: 'nft',
    commands: [
      { op: 'chain.delete', family: 'ip', table: 't', chain: 'c' },
      { op: 'table.delete', ...T },
    ],
  });
});

test.each<NftCommand>([
  { op: 'table.set', ...T, flags: [] },
  { op: 'table.delete', ...T },
  { op: 'chain.delete', ...T, chain: 'c' },
  { op: 'chain.flush', ...T, chain: 'c' },
  { op: 'set.delete', ...T, set: 's' },
  { op: 'elements.delete', ...T, set: 's', keyBytes: 4, dataBytes: 0, packed: bytes(1, 2, 3, 4) },
  { op: 'rule.delete', ...T, chain: 'c', handle: 1 },
])('what takes something away has no inverse but the one it names (%#)', (command) => {
  const commands = [rule('c'), command];
  expect(inverseOf({ op: 'nft', commands })).toBeUndefined();
  expect(inverseOf({ op: 'nft', commands, before: [elements] })).toEqual({
    op: 'nft',
    commands: [elements],
  });
});

test('a plan with bytes is frozen but for them', () => {
  const plan = makePlan('test', [{ op: 'nft', commands: [elements] }]);
  const step = plan.steps[0]?.step as NftStep;
  expect(Object.isFrozen(step.commands[0])).toBe(true);
  expect(step.commands[0]).toHaveProperty('packed', bytes(1, 2, 3, 4));
});

test('every command that adds has one that takes away, and only those', async () => {
  const command = fc.constantFrom(
    ...COMMANDS.map(([one]) => one).filter(({ op }) => /(add|insert)$/.test(op)),
  );
  await checkProperty(
    fc.asyncProperty(fc.array(command), (commands) => {
      const inverse = inverseOf({ op: 'nft', commands }) as NftStep;
      expect(inverse.commands.every(({ op }) => /(delete|flush)$/.test(op))).toBe(true);
      const tables = commands.filter(({ op }) => op === 'table.add');
      const gone = inverse.commands.filter(({ op }) => op === 'table.delete');
      expect(gone).toHaveLength(tables.length);
      return Promise.resolve();
    }),
  );
});
