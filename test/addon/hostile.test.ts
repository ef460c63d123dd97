/** The addon's own methods, called as they should not be: an error, never a crash, never half a plan. */
import * as fc from 'fast-check';
import { Kernel } from '#lib/kernel/index';
import { loadAddon } from '#lib/kernel/native';
import { makePlan } from '#lib/plan/index';
import { Sandbox } from '../support/sandbox';
import { checkProperty } from '../support/property';
import { rejection } from '../kernel/helpers/bed';

/** As hostile callers see it: nothing is checked before it gets there. */
interface Raw {
  open(...args: unknown[]): Promise<unknown>;
  run(...args: unknown[]): Promise<unknown>;
  dump(...args: unknown[]): Promise<unknown>;
  readSysctl(...args: unknown[]): Promise<unknown>;
  watch(...args: unknown[]): Promise<unknown>;
  settle(...args: unknown[]): Promise<unknown>;
  close(...args: unknown[]): Promise<unknown>;
  nftTable(...args: unknown[]): Promise<unknown>;
  nftOverview(...args: unknown[]): Promise<unknown>;
  nftRules(...args: unknown[]): Promise<unknown>;
  nftGeneration(...args: unknown[]): Promise<unknown>;
  conntrack(...args: unknown[]): Promise<unknown>;
  watchNft(...args: unknown[]): Promise<unknown>;
}
const { KernelHandle } = loadAddon() as unknown as {
  KernelHandle: { new (...args: unknown[]): Raw; (...args: unknown[]): unknown; prototype: Raw };
};
const METHODS = [
  'open',
  'run',
  'dump',
  'readSysctl',
  'watch',
  'settle',
  'close',
  'nftTable',
  'nftOverview',
  'nftRules',
  'nftGeneration',
  'conntrack',
  'watchNft',
] as const;

const nothing = (): void => undefined;
let raw: Raw;
beforeAll(async () => {
  raw = new KernelHandle(nothing);
  await raw.open('', true);
});
afterAll(() => raw.close());

/** The error of a call, thrown at once or later. */
function failure(call: () => unknown): Promise<Error> {
  return rejection((async () => call())());
}

const bridge = { op: 'link.create', kind: 'bridge', ifname: 'b', ifindex: 99 } as const;
const planned = (step: unknown) => [{ step }];
/** As the addon wants it; what JSON has no words for becomes a text. */
const request = (steps: unknown, fault?: unknown) =>
  JSON.stringify({ steps, fault }, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );

test.each(METHODS)('%s refuses a receiver that is no handle', async (method) => {
  for (const receiver of [
    undefined,
    {},
    [],
    () => 1,
    Object.create(KernelHandle.prototype) as object,
  ]) {
    const call = () => Reflect.apply(KernelHandle.prototype[method], receiver, []) as unknown;
    expect((await failure(call)).name).toBe('TypeError');
  }
});

test('it is made by new, with a function', async () => {
  expect((await failure(() => KernelHandle(nothing))).name).toBe('TypeError');
  for (const argument of [undefined, null, 1, 'x', {}]) {
    expect((await failure(() => new KernelHandle(argument))).name).toBe('TypeError');
  }
});

test('a handle that was never opened refuses, and needs no closing', async () => {
  const handle = new KernelHandle(nothing);
  const refusal = { error: expect.objectContaining({ name: 'EBADF' }) as unknown };
  expect(await handle.run(request([]))).toEqual(refusal);
  expect(await handle.dump('link', 1)).toEqual(refusal);
  expect(await handle.settle()).toEqual(refusal);
  expect(await handle.watch('all')).toEqual(refusal);
  expect(await handle.nftOverview()).toEqual(refusal);
  expect(await handle.watchNft(nothing)).toEqual(refusal);
  expect(await handle.close()).toEqual(refusal);
});

test('a handle whose namespace could not be opened refuses, and can be closed', async () => {
  const handle = new KernelHandle(nothing);
  expect(await handle.open('snt-no-such', false)).toMatchObject({ error: { name: 'ENOENT' } });
  expect(await handle.run(request(planned(bridge)))).toMatchObject({
    failure: { name: 'EBADF' },
  });
  expect(await handle.dump('link', 1)).toMatchObject({ error: { name: 'EBADF' } });
  expect(await handle.readSysctl('kernel/ostype')).toMatchObject({ error: { name: 'EBADF' } });
  expect(await handle.watch('all')).toMatchObject({ error: { name: 'EBADF' } });
  expect(await handle.nftGeneration()).toMatchObject({ error: { name: 'EBADF' } });
  expect(await handle.watchNft(nothing)).toMatchObject({ error: { name: 'EBADF' } });
  expect(await handle.settle()).toEqual([]);
  expect(await handle.close()).toEqual({});
});

test('open is called once, with a name and a boolean', async () => {
  expect((await failure(() => raw.open('', true))).message).toContain('called before');
  const handle = new KernelHandle(nothing);
  for (const args of [[], [1, true], ['x'], ['x', 1], ['a\0b', false], [null, false]]) {
    expect((await failure(() => handle.open(...args))).name).toBe('TypeError');
  }
});

test('names of tables, sysctls and interests are looked at', async () => {
  for (const name of [undefined, 1, 'nonsense', '__proto__', {}]) {
    expect((await failure(() => raw.dump(name, 1))).name).toBe('TypeError');
    expect((await failure(() => raw.watch(name))).name).toBe('TypeError');
  }
  for (const name of [undefined, 1, {}, 'a\0b']) {
    expect((await failure(() => raw.readSysctl(name))).name).toBe('TypeError');
  }
  for (const name of ['', '/etc/passwd', '../../etc/passwd', 'net/../../../etc/passwd']) {
    expect(await raw.readSysctl(name)).toMatchObject({ error: { name: 'EINVAL' } });
  }
  expect(await raw.readSysctl('net')).toMatchObject({ error: { name: 'EISDIR' } });
});

const STEPS: readonly unknown[] = [
  undefined,
  null,
  1,
  'x',
  {},
  { op: 'nonsense' },
  { op: 1 },
  { op: 'link.create' },
  { ...bridge, kind: 'tun' },
  { ...bridge, kind: '__proto__' },
  { ...bridge, ifname: '' },
  { ...bridge, ifname: 'sixteen-bytes-xx' },
  { ...bridge, ifname: 'a/b' },
  { ...bridge, ifname: 'a b' },
  { ...bridge, ifname: 'a%d' },
  { ...bridge, ifname: 'a\0b' },
  { ...bridge, ifname: '..' },
  { ...bridge, ifindex: 0 },
  { ...bridge, ifindex: -1 },
  { ...bridge, ifindex: 1.5 },
  { ...bridge, ifindex: NaN },
  { ...bridge, ifindex: Infinity },
  { ...bridge, ifindex: 2 ** 31 },
  { ...bridge, ifindex: '5' },
  { ...bridge, ifindex: 5n },
  { ...bridge, mtu: -1 },
  { ...bridge, mtu: null },
  { ...bridge, up: 1 },
  { ...bridge, alias: 'x'.repeat(256) },
  { ...bridge, alias: null },
  { ...bridge, address: '00:00:00:00:00' },
  { ...bridge, address: '00:00:00:00:00:0g' },
  { ...bridge, address: '00-00-00-00-00-00' },
  { ...bridge, tolerate: 'EEXIST' },
  { ...bridge, tolerate: ['NONSENSE'] },
  { ...bridge, tolerate: [17] },
  { ...bridge, kind: 'veth' },
  { ...bridge, kind: 'veth', peer: { ifname: 'p' } },
  { ...bridge, kind: 'macvtap', link: 1, data: { mode: 'none' } },
  { ...bridge, kind: 'vxlan', data: { vni: 2 ** 24, port: 4789 } },
  { ...bridge, kind: 'vxlan', data: { vni: 1, port: 0 } },
  { ...bridge, kind: 'vxlan', data: { vni: 1, port: 1, remote: '1.2.3' } },
  { ...bridge, kind: 'gretap', data: {} },
  { ...bridge, kind: 'geneve', data: [] },
  { op: 'tap.create', ifname: 't', ifindex: 9, queues: 0, handOut: false },
  { op: 'tap.create', ifname: 't', ifindex: 9, queues: 257, handOut: false },
  { op: 'tap.create', ifname: 't', ifindex: 9, queues: 1 },
  { op: 'link.delete' },
  { op: 'link.delete', links: {} },
  { op: 'link.delete', links: [1] },
  { op: 'link.delete', links: [], retire: 1 },
  { op: 'address.add', ifindex: 1, address: '::1', prefixLength: 24 },
  { op: 'address.add', ifindex: 1, address: '192.0.2.1', prefixLength: 33 },
  ...[
    '',
    '/',
    '192.0.2.0',
    '192.0.2.0/',
    '192.0.2.0/33',
    '192.0.2.0/-1',
    '192.0.2.0/+8',
    '192.0.2.0/ 8',
    '192.0.2.0/8x',
    '192.0.2/24',
    '192.0.2.0/256',
  ].map((destination) => ({ op: 'route.add', ifindex: 1, destination })),
  { op: 'neighbour.add', ifindex: 1, address: '192.0.2.1', lladdr: '' },
  { op: 'fdb.add', ifindex: 1, mac: '192.0.2.1' },
  { op: 'sysctl.set', name: 'x'.repeat(256), value: '1' },
  { op: 'sysctl.set', name: 'x', value: 1 },
];

test.each(STEPS.map((step, n) => [n, step] as const))(
  'a bad step is refused whole (%i)',
  async (_, step) => {
    const good = planned(bridge)[0];
    for (const plan of [planned(step), [good, { step }], [{ step: bridge, undo: step ?? null }]]) {
      expect((await failure(() => raw.run(request(plan)))).name).toBe('TypeError');
    }
    expect(await raw.readSysctl('net/ipv4/conf/b/forwarding')).toMatchObject({
      error: { name: 'ENOENT' },
    });
  },
);

test.each([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'steps'],
  ['something like an array', { length: 1, 0: { step: bridge } }],
  ['an array with a hole', Object.assign(new Array(2), { 1: { step: bridge } })],
  ['a deletion that is not last', [{ step: { op: 'link.delete', links: [] } }, { step: bridge }]],
])('a plan is an array of steps, not %s', async (_, plan) => {
  expect((await failure(() => raw.run(request(plan)))).name).toBe('TypeError');
});

const whole = request(planned(bridge));
test.each<unknown>([
  undefined,
  null,
  1,
  {},
  [],
  '',
  ' ',
  'nul',
  'nonsense',
  '[]',
  '{',
  '{"steps"',
  '{"steps":',
  '{"steps":[}',
  '{"steps":[],}',
  '{"steps":[]} x',
  '{"steps":[] "fault":1}',
  '{steps:[]}',
  '[['.repeat(1e6),
  `{"steps":${'['.repeat(40)}${']'.repeat(40)}}`,
  whole.slice(0, -1),
  `${whole}}`,
  whole.replace('99', '99e999'),
  whole.replace('99', '-'),
  whole.replace('99', '+99'),
  whole.replace('99', '099'),
  whole.replace('99', '99.'),
  whole.replace('99', '99.e0'),
  whole.replace('99', '-inf'),
  whole.replace('99', '-nan'),
  whole.replace('"b"', '"b'),
  whole.replace('"b"', '"\\x"'),
  whole.replace('"b"', '"\\u12"'),
  whole.replace('"b"', '"\\ud800"'),
  whole.replace('"b"', '"\\udc00"'),
  whole.replace('"b"', '"\\ud800\\u0041"'),
  whole.replace('"b"', '"b\\u0000"'),
  whole.replace('"b"', '"b\0"'),
])('a plan is JSON, not %#', async (text) => {
  expect((await failure(() => raw.run(text))).name).toBe('TypeError');
});

test('a text comes through as it is, whatever it has in it', async () => {
  const handle = await Kernel.open({ fresh: true });
  const alias = ` !"#$%&'()*+,-./:;<=>?@[\\]^_\`{|}~\b\f\n\r\té€𝄞\u2028`;
  await handle.run(makePlan('test', [{ ...bridge, alias }]));
  const links = await handle.links();
  expect(links.find(({ ifindex }) => ifindex === bridge.ifindex)?.alias).toBe(alias);
  await handle.close();
});

test.each([
  null,
  1,
  {},
  { step: -1, errno: 'EPERM' },
  { step: 0, errno: 'NONSENSE' },
  { step: 0 },
  { step: 0, kill: 'now' },
])('a fault is looked at (%#)', async (fault) => {
  expect((await failure(() => raw.run(request(planned(bridge), fault)))).name).toBe('TypeError');
});

test('whatever it is given, it answers or refuses', async () => {
  const handle = new KernelHandle(nothing);
  await handle.open('', true);
  const ops = [
    'link.create',
    'tap.create',
    'link.set',
    'link.delete',
    'address.add',
    'route.add',
    'fdb.add',
  ];
  const keys = [
    'op',
    'kind',
    'ifname',
    'ifindex',
    'links',
    'retire',
    'alias',
    'data',
    'peer',
    'tolerate',
    'address',
    'destination',
    'master',
  ];
  const step = fc.dictionary(
    fc.constantFrom(...keys),
    fc.oneof(
      fc.constantFrom(...ops),
      fc.constantFrom('bridge', 'veth', 'vxlan'),
      fc.anything({ withBigInt: true, withNullPrototype: true, withTypedArray: true }),
    ),
    { noNullPrototype: true },
  );
  const plan = fc.array(
    fc.oneof(
      fc.anything(),
      step.map((one) => ({ step: one, undo: one })),
    ),
    { maxLength: 3 },
  );
  await checkProperty(
    fc.asyncProperty(
      plan,
      fc.oneof(fc.constant(undefined), fc.anything()),
      async (steps, fault) => {
        // A real kill would be obeyed.
        if (typeof fault === 'object' && fault !== null && 'kill' in fault) return;
        const reply: unknown = await (async () => handle.run(request(steps, fault)))().catch(
          (error: unknown) => error,
        );
        expect(typeof reply).toBe('object');
      },
    ),
    { runs: 500 },
  );
  await handle.close();
});

test('in all this nothing was left open', async () => {
  await using box = await Sandbox.open();
  await box.netns('only');
  const handle = new KernelHandle(nothing);
  await handle.open('', true);
  await failure(() => handle.run(request([{ step: { op: 'tap.create' } }])));
  await handle.close();
});
