/** The netfilter part of the addon, called as it should not be: an error, never a crash, never half a transaction. */
import * as fc from 'fast-check';
import { loadAddon } from '#lib/kernel/native';
import { checkProperty } from '../support/property';
import { needs } from '../support/reasons';
import { rejection } from '../kernel/helpers/bed';

type Raw = Record<
  | 'open'
  | 'run'
  | 'close'
  | 'nftTable'
  | 'nftOverview'
  | 'nftRules'
  | 'nftGeneration'
  | 'conntrack'
  | 'watchNft',
  (...args: unknown[]) => Promise<unknown>
>;
const { KernelHandle } = loadAddon() as unknown as { KernelHandle: new (f: () => void) => Raw };
const nothing = (): void => undefined;

let raw: Raw;
beforeAll(async () => {
  raw = new KernelHandle(nothing);
  await raw.open('', true);
});
afterAll(() => raw.close());

const it = needs('nftables');

/** As the addon wants it; what JSON has no words for becomes a text. */
function request(steps: unknown): [text: string, buffers: Uint8Array[]] {
  const buffers: Uint8Array[] = [];
  const text = JSON.stringify({ steps }, (_, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    return value instanceof Uint8Array ? buffers.push(value) - 1 : value;
  });
  return [text, buffers];
}

function failure(call: () => unknown): Promise<Error> {
  return rejection((async () => call())());
}

const T = { family: 'inet', table: 't' } as const;
const table = { op: 'table.add', ...T };
const chain = { op: 'chain.add', ...T, chain: 'c' };
const base = { type: 'filter', hook: 'forward', priority: 0 };
const set = { op: 'set.add', ...T, set: 's', key: ['mark'] };
const elements = {
  op: 'elements.add',
  ...T,
  set: 's',
  keyBytes: 4,
  dataBytes: 0,
  packed: new Uint8Array(8),
};
const rule = (...expressions: unknown[]) => ({ op: 'rule.add', ...T, chain: 'c', expressions });
const flow = {
  protocol: 'udp',
  source: '192.0.2.1',
  destination: '192.0.2.2',
  sourcePort: 1,
  destinationPort: 2,
};

const COMMANDS: readonly unknown[] = [
  undefined,
  null,
  1,
  {},
  { ...table, op: 'nonsense' },
  { ...table, op: '__proto__' },
  { ...table, family: 'arp' },
  { ...table, family: 2 },
  { ...table, table: '' },
  { ...table, table: 'x'.repeat(256) },
  { ...table, table: 'a\0b' },
  { ...table, flags: 'owner' },
  { ...table, flags: ['none'] },
  { ...chain, chain: 1 },
  { ...chain, base: 1 },
  { ...chain, base: {} },
  { ...chain, base: { ...base, hook: 'egress' } },
  { ...chain, base: { ...base, priority: 2 ** 31 } },
  { ...chain, base: { ...base, priority: 0.5 } },
  { ...chain, base: { ...base, priority: NaN } },
  { ...chain, base: { ...base, policy: 'jump' } },
  { ...chain, base: { ...base, device: 'a/b' } },
  { ...set, key: [] },
  { ...set, key: 'mark' },
  { ...set, key: ['nonsense'] },
  { ...set, key: ['verdict'] },
  { ...set, key: new Array(6).fill('mark') },
  { ...set, key: new Array(5).fill('ifname') },
  { ...set, data: [] },
  { ...set, data: ['mark', 'verdict'] },
  { ...set, flags: ['interval'] },
  { ...set, size: 0 },
  { ...set, size: 2 ** 20 + 1 },
  { ...set, size: '1' },
  { ...elements, keyBytes: 0 },
  { ...elements, keyBytes: 65 },
  { ...elements, dataBytes: -1 },
  { ...elements, packed: [1, 2, 3, 4] },
  { ...elements, packed: 'abcd' },
  { ...elements, packed: new Uint16Array(4) },
  { ...elements, packed: new ArrayBuffer(8) },
  { ...elements, packed: new DataView(new ArrayBuffer(8)) },
  { ...elements, packed: new Uint8Array(7) },
  { ...elements, verdicts: [{ code: 'drop' }] },
  { ...elements, dataBytes: 4, verdicts: [{ code: 'drop' }] },
  { ...elements, verdicts: [{ code: 'drop' }, { code: 'jump' }] },
  { ...elements, verdicts: [{ code: 'drop' }, { code: 'drop', chain: 'c' }] },
  { ...rule(), expressions: {} },
  { ...rule(), comment: 'x'.repeat(129) },
  { op: 'rule.delete', ...T, chain: 'c' },
  { op: 'rule.delete', ...T, chain: 'c', handle: 0 },
  { op: 'rule.delete', ...T, chain: 'c', handle: -1 },
  { op: 'rule.delete', ...T, chain: 'c', handle: 2 ** 53 },
  { op: 'rule.delete', ...T, chain: 'c', handle: 1n },
  { op: 'rule.delete', ...T, chain: 'c', addedBy: -1 },
  ...[
    undefined,
    null,
    {},
    { type: 'other', name: 'limit' },
    { type: 'meta', key: 'skuid', dreg: 0 },
    { type: 'meta', key: 'mark', dreg: 16 },
    { type: 'meta', key: 'mark', dreg: '0' },
    { type: 'meta.set', key: 'iif', sreg: 0 },
    { type: 'payload', base: 'inner', offset: 0, bytes: 1, dreg: 0 },
    { type: 'payload', base: 'link', offset: 0, bytes: 0, dreg: 0 },
    { type: 'payload', base: 'link', offset: 256, bytes: 1, dreg: 0 },
    { type: 'cmp', op: 'is', sreg: 0, value: '00' },
    { type: 'cmp', op: 'eq', sreg: 0, value: '' },
    { type: 'cmp', op: 'eq', sreg: 0, value: '0' },
    { type: 'cmp', op: 'eq', sreg: 0, value: 'AB' },
    { type: 'cmp', op: 'eq', sreg: 0, value: '00'.repeat(65) },
    { type: 'bitwise', sreg: 0, dreg: 0, mask: 'ff', xor: '0000' },
    { type: 'byteorder', sreg: 0, dreg: 0, op: 'swap', bytes: 2, size: 2 },
    { type: 'ct', key: 'helper', dreg: 0 },
    { type: 'ct.set', key: 'zone', sreg: 0 },
    { type: 'lookup', set: '', sreg: 0 },
    { type: 'lookup', set: 's', sreg: 0, dreg: 'value' },
    { type: 'lookup', set: 's', sreg: 0, invert: 1 },
    { type: 'verdict', verdict: 'accept' },
    { type: 'verdict', verdict: { code: 'jump', chain: '' } },
    { type: 'nat', kind: 'redir', family: 'ip', address: 0 },
    { type: 'nat', kind: 'dnat', family: 'inet', address: 0 },
    { type: 'masq', flags: ['none'] },
    { type: 'tcp-option', option: 2, offset: 2, bytes: 2 },
    { type: 'tcp-option', option: 2, offset: 2, bytes: 2, dreg: 0, sreg: 0 },
    { type: 'tcp-option', option: 256, offset: 2, bytes: 2, dreg: 0 },
    { type: 'rt', key: 'classid', dreg: 0 },
    { type: 'fib', selectors: ['sport'], result: 'oif', dreg: 0 },
    { type: 'fib', selectors: 'daddr', result: 'oif', dreg: 0 },
  ].map((expression) => rule(expression)),
];

it('a bad command is refused, and nothing of its transaction is done', async () => {
  for (const command of COMMANDS) {
    const steps = [{ step: { op: 'nft', commands: [table, command] } }];
    const error = await failure(() => raw.run(...request(steps)));
    expect([command, error.name]).toEqual([command, 'TypeError']);
    expect(error.message).toContain('plan.steps[0].step.commands');
  }
  for (const commands of [undefined, null, {}, 'x']) {
    const steps = [{ step: { op: 'nft', commands } }];
    expect((await failure(() => raw.run(...request(steps)))).name).toBe('TypeError');
  }
  expect(await raw.nftTable(JSON.stringify(T))).toEqual({ value: null });
});

it('bytes are a Uint8Array that came with the plan', async () => {
  const text = (packed: unknown): string =>
    JSON.stringify({
      steps: [{ step: { op: 'nft', commands: [table, set, { ...elements, packed }] } }],
    });
  for (const buffers of [undefined, [], [1], ['x'], [new Uint16Array(4)], {}, 'x', null]) {
    expect((await failure(() => raw.run(text(0), buffers))).name).toBe('TypeError');
  }
  for (const number of [-1, 1, 0.5, '0', null, {}]) {
    expect((await failure(() => raw.run(text(number), [new Uint8Array(8)]))).name).toBe(
      'TypeError',
    );
  }
  expect(await raw.nftTable(JSON.stringify(T))).toEqual({ value: null });
});

it('a bad flow is refused', async () => {
  const bad = [
    undefined,
    {},
    { ...flow, protocol: 'sctp' },
    { ...flow, source: '::1' },
    { ...flow, destination: 5 },
    { ...flow, sourcePort: -1 },
    { ...flow, destinationPort: 65_536 },
    { ...flow, zone: 65_536 },
  ];
  for (const one of bad) {
    const steps = [{ step: { op: 'conntrack.delete', flows: [flow, one] } }];
    expect((await failure(() => raw.run(...request(steps)))).name).toBe('TypeError');
  }
  const filters = [undefined, 1, { protocol: 'x' }, { source: '' }, { destinationPort: 1e9 }];
  for (const filter of filters) {
    expect((await failure(() => raw.conntrack(JSON.stringify(filter)))).name).toBe('TypeError');
  }
});

it('what is asked for is looked at', async () => {
  for (const place of [undefined, {}, { family: 'inet' }, { family: 'x', table: 't' }]) {
    expect((await failure(() => raw.nftTable(JSON.stringify(place)))).name).toBe('TypeError');
    expect((await failure(() => raw.nftRules(JSON.stringify(place)))).name).toBe('TypeError');
  }
  expect((await failure(() => raw.nftRules(JSON.stringify(T)))).name).toBe('TypeError');
  for (const listener of [null, 1, {}, 'f']) {
    expect((await failure(() => raw.watchNft(listener))).name).toBe('TypeError');
  }
});

it('a step of netfilter may be an inverse of anything', async () => {
  const undo = { op: 'conntrack.delete', flows: [flow] };
  const unmake = { op: 'nft', commands: [{ op: 'rule.delete', ...T, chain: 'c', addedBy: 9 }] };
  const steps = [
    { step: { op: 'nft', commands: [] }, undo },
    { step: { op: 'nft', commands: [table, chain, rule({ type: 'counter' })] }, undo: unmake },
    { step: { op: 'link.set', ifindex: 0x7fff_ffff }, undo: unmake },
  ];
  const reply = await raw.run(...request(steps));
  expect(reply).toMatchObject({ failure: { step: 2 } });
  expect(reply).not.toHaveProperty('left');
  await raw.run(
    ...request([{ step: { op: 'nft', commands: [{ ...table, op: 'table.delete' }] } }]),
  );
});

it('whatever a transaction is given, it answers or refuses', async () => {
  const known = fc.constantFrom<unknown>(
    ...[table, chain, set, elements, flow, base, 'inet', 'ip', 'c', 's', 'drop', 'accept', 'mark'],
    ...COMMANDS,
  );
  const value = fc.oneof(known, fc.nat(64), fc.uint8Array(), fc.anything());
  const keys = ['op', 'family', 'table', 'chain', 'set', 'key', 'data', 'flags', 'packed'];
  const changed = fc
    .tuple(
      fc.constantFrom(table, chain, set, elements, rule({ type: 'counter' })),
      fc.dictionary(fc.constantFrom(...keys, 'keyBytes', 'dataBytes', 'verdicts', 'base'), value, {
        maxKeys: 2,
        noNullPrototype: true,
      }),
    )
    .map(([command, change]) => ({ ...command, ...change }));
  await checkProperty(
    fc.asyncProperty(fc.array(changed, { maxLength: 4 }), async (commands) => {
      const steps = [{ step: { op: 'nft', commands } }];
      const reply = await (async () => raw.run(...request(steps)))().catch(
        (error: unknown) => error,
      );
      expect(typeof reply).toBe('object');
    }),
    { runs: 500 },
  );
});
