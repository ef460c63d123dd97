/** What fails is undone: at every step, for every reason; and what is not ours is not touched. */
import { closeSync } from 'node:fs';
import { APIError, FatalError, KernelError } from '#lib/errors/index';
import { makePlan } from '#lib/plan/index';
import type { Fault, Plan, Step } from '#lib/plan/index';
import { ipLink } from '../support/oracle';
import { has, needs } from '../support/reasons';
import { Bed, doomed, rejection } from './helpers/bed';

const ERRORS = ['EEXIST', 'ENODEV', 'EBUSY', 'ENOBUFS', 'EPERM', 'EOPNOTSUPP'] as const;
const BRIDGE = 0x1100_0001;
const PORT = 0x1100_0002;
const TUNNEL = 0x1100_0003;
const TAP = 0x1100_0004;
const gre = { local: '192.0.2.1', remote: '192.0.2.2', key: 5, pmtudisc: true };

/** Something of everything; `standing` is a link that was there before. */
function everything(standing: number): Step[] {
  const before = { mtu: 1500, alias: 'stands', up: false } as const;
  const data = { vni: 5, remote: '192.0.2.2', port: 4789 };
  return [
    { op: 'link.create', kind: 'bridge', ifname: 'br', ifindex: BRIDGE, alias: 'b', up: true },
    { op: 'address.add', ifindex: BRIDGE, address: '203.0.113.1', prefixLength: 24 },
    { op: 'sysctl.set', name: 'net/ipv4/ip_forward', value: '1', before: '0' },
    {
      op: 'link.create',
      kind: 'veth',
      ifname: 'port',
      ifindex: PORT,
      alias: 'p',
      master: BRIDGE,
      up: true,
      peer: { ifname: 'peer', ifindex: PORT + 0x1000 },
    },
    ...(has('vxlan')
      ? [
          {
            op: 'link.create',
            kind: 'vxlan',
            ifname: 'tun',
            ifindex: TUNNEL,
            master: BRIDGE,
            alias: 't',
            data,
          } as const,
        ]
      : []),
    {
      op: 'tap.create',
      ifname: 'tap',
      ifindex: TAP,
      master: BRIDGE,
      alias: 'x',
      queues: 1,
      handOut: true,
      up: true,
    },
    { op: 'link.set', ifindex: standing, mtu: 1280, alias: 'changed', up: true, before },
    { op: 'route.add', ifindex: BRIDGE, destination: '198.51.100.0/24', via: '203.0.113.9' },
    { op: 'neighbour.add', ifindex: BRIDGE, address: '203.0.113.5', lladdr: '02:00:00:00:00:05' },
    { op: 'fdb.add', ifindex: PORT, mac: '02:00:00:00:00:77' },
    { op: 'link.delete', links: [doomed(0x1100_2000, 'nobody', 'nobody')] },
  ];
}

async function openStanding(fault?: (plan: Plan) => Fault | undefined): Promise<[Bed, number]> {
  const bed = await Bed.open({ fault });
  await bed.ip('link add standing type veth peer name other');
  await bed.ip('link set standing alias stands');
  await bed.box.exec(bed.ns, ['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
  return [bed, (await bed.row('standing')).ifindex];
}

test('whatever step fails, for whatever reason, the namespace is as it was', async () => {
  let fault: Fault | undefined;
  const [bed, standing] = await openStanding(() => fault);
  await using owned = bed;
  const steps = everything(standing);
  const before = await owned.picture();
  // All reasons on one kernel; a guest is slow, and its kernel has no say in an injected error.
  const reasons = process.env['SNNET_GUEST'] === undefined ? ERRORS : ERRORS.slice(0, 1);
  for (let step = 0; step < steps.length; ++step) {
    for (const errno of reasons) {
      fault = { step, errno };
      const error = await rejection(owned.run(steps));
      expect(error).toBeInstanceOf(APIError);
      expect(error).not.toBeInstanceOf(FatalError);
      expect(error.cause).toMatchObject({ name: errno });
      expect(error.message).toContain(`step ${step}`);
      expect(await owned.picture()).toBe(before);
      expect(await owned.kernel.readSysctl('net/ipv4/ip_forward')).toBe('0');
    }
  }
  fault = undefined;
  const { fds, absent } = await owned.run(steps);
  expect(absent).toEqual([0x1100_2000]);
  for (const fd of [...fds.values()].flat()) closeSync(fd);
}, 120_000);

test('a deletion that is refused takes back what was done before it', async () => {
  const [bed, standing] = await openStanding();
  await using owned = bed;
  const before = await owned.picture();
  const steps = everything(standing).slice(0, -1);
  steps.push({ op: 'link.delete', links: [doomed(standing, 'standing', 'not this alias')] });
  const error = await rejection(owned.run(steps));
  // What is deleted is looked at when its turn comes: by then the plan has given it another alias.
  expect(error).toMatchObject({ code: 'SNNET_LINK_FOREIGN' });
  expect(await owned.picture()).toBe(before);
});

describe('refused by the kernel itself', () => {
  let bed: Bed;
  beforeAll(async () => {
    bed = await Bed.open({ shared: true });
    await bed.ip('link add foreign index 4242 type bridge');
    await bed.ip('link set foreign alias theirs');
  });
  afterAll(() => bed.close());
  const create = { op: 'link.create', kind: 'bridge', alias: 'ours' } as const;

  async function refused(steps: readonly Step[]): Promise<Error & { cause?: unknown }> {
    const before = await bed.picture();
    const error = await rejection(bed.run(steps));
    expect(error).toBeInstanceOf(APIError);
    expect(error.cause).toBeInstanceOf(KernelError);
    expect(await bed.picture()).toBe(before);
    return error;
  }

  test('a name that is taken: its link keeps its alias', async () => {
    const steps: Step[] = [
      { ...create, ifname: 'fine', ifindex: 0x1200_0001 },
      { ...create, ifname: 'foreign', ifindex: 0x1200_0002 },
    ];
    expect((await refused(steps)).cause).toMatchObject({ name: 'EEXIST' });
    const tap = {
      op: 'tap.create',
      ifname: 'foreign',
      ifindex: 0x1200_0003,
      queues: 1,
      handOut: false,
    } as const;
    expect((await refused([tap])).cause).toMatchObject({ name: 'EEXIST' });
    expect((await ipLink(bed.ns, 'foreign')).ifalias).toBe('theirs');
  });

  test('a tap that is there is not taken for a new one', async () => {
    await bed.ip('tuntap add theirs mode tap');
    const tap = {
      op: 'tap.create',
      ifname: 'theirs',
      ifindex: 0x1200_0003,
      queues: 1,
      handOut: false,
    } as const;
    expect((await refused([{ ...tap, alias: 'ours' }])).cause).toMatchObject({ name: 'EEXIST' });
  });

  test.each<[string, Step]>([
    ['a link', { ...create, ifname: 'x', ifindex: 4242 }],
    [
      'the far end of a pair',
      {
        ...create,
        kind: 'veth',
        ifname: 'x',
        ifindex: 0x1200_0001,
        peer: { ifname: 'y', ifindex: 4242 },
      },
    ],
    [
      'a tap',
      { op: 'tap.create', ifname: 'x', ifindex: 4242, alias: 'ours', queues: 1, handOut: false },
    ],
  ])('an index that is taken, for %s', async (_, step) => {
    const error = await refused([step]);
    expect(error.cause).toMatchObject({ name: 'EEXIST' });
    expect(error.message).toContain('foreign');
    expect((await ipLink(bed.ns, 'foreign')).ifalias).toBe('theirs');
  });

  needs('vxlan')('a VNI that is taken', async () => {
    const vxlan = (n: number, remote: string) =>
      ({
        op: 'link.create',
        kind: 'vxlan',
        ifname: `vx${n}`,
        ifindex: 0x1300_0000 + n,
        data: { vni: 77, remote, port: 4789 },
      }) as const;
    await bed.run([vxlan(1, '192.0.2.1')]);
    const error = await refused([vxlan(2, '192.0.2.2')]);
    expect(error).toMatchObject({ code: 'SNNET_VNI_TAKEN' });
    expect(error.cause).toMatchObject({
      name: 'EEXIST',
      extack: 'A VXLAN device with the specified VNI already exists',
    });
  });

  needs('gretap')('the same tunnel twice', async () => {
    const tunnel = (n: number) =>
      ({
        op: 'link.create',
        kind: 'gretap',
        ifname: `gt${n}`,
        ifindex: 0x1300_1000 + n,
        data: gre,
      }) as const;
    await bed.run([tunnel(1)]);
    expect((await refused([tunnel(2)])).cause).toMatchObject({ name: 'EEXIST' });
  });

  needs('geneve')('the same Geneve tunnel twice', async () => {
    const data = { vni: 5, remote: '192.0.2.2', port: 6081 };
    const tunnel = (n: number) =>
      ({
        op: 'link.create',
        kind: 'geneve',
        ifname: `gn${n}`,
        ifindex: 0x1300_2000 + n,
        data,
      }) as const;
    await bed.run([tunnel(1)]);
    expect((await refused([tunnel(2)])).cause).toMatchObject({ name: 'EBUSY' });
  });

  test('a master that is not there, for what is created and for what is changed', async () => {
    expect(
      (await refused([{ ...create, ifname: 'x', ifindex: 0x1200_0001, master: 0x1200_0009 }]))
        .cause,
    ).toMatchObject({ name: 'EINVAL' });
    const tap = {
      op: 'tap.create',
      ifname: 'x',
      ifindex: 0x1200_0001,
      queues: 1,
      handOut: false,
    } as const;
    expect(
      (await refused([{ ...tap, master: 0x1200_0009, mtu: 1300, up: true }])).cause,
    ).toMatchObject({
      name: 'EINVAL',
    });
  });

  test('a change that is done by half is undone', async () => {
    await bed.ip('link add half type veth peer name half2');
    const ifindex = (await bed.row('half')).ifindex;
    const before = { mtu: 1500, up: false } as const;
    // The kernel sets the MTU before it finds that there is no such bridge.
    const step: Step = {
      op: 'link.set',
      ifindex,
      mtu: 1300,
      master: 0x1200_0009,
      up: true,
      before,
    };
    expect((await refused([step])).cause).toMatchObject({ name: 'EINVAL' });
    expect((await bed.row('half')).mtu).toBe(1500);
  });

  test('a bridge in a bridge', async () => {
    const steps: Step[] = [
      { ...create, ifname: 'outer', ifindex: 0x1200_0001 },
      { ...create, ifname: 'inner', ifindex: 0x1200_0002, master: 0x1200_0001 },
    ];
    expect((await refused(steps)).cause).toMatchObject({
      name: 'ELOOP',
      extack: 'Can not enslave a bridge to a bridge',
    });
  });

  test('a link that is not there', async () => {
    const ifindex = 0x1200_0001;
    expect((await refused([{ op: 'link.set', ifindex, up: true }])).cause).toMatchObject({
      name: 'ENODEV',
    });
  });

  test('a sysctl that is not there', async () => {
    const step: Step = { op: 'sysctl.set', name: 'net/ipv4/no_such', value: '1' };
    expect((await refused([step])).cause).toMatchObject({ name: 'ENOENT' });
  });

  test('an alias that is too long never reaches the kernel', async () => {
    const step: Step = { ...create, ifname: 'x', ifindex: 0x1200_0001, alias: 'x'.repeat(256) };
    // Made in another realm than jest's, so that only its name tells.
    expect(await rejection(bed.run([step]))).toMatchObject({ name: 'TypeError' });
  });

  test('a kind that the kernel does not have', async () => {
    const kinds = (['dummy', 'gretap', 'geneve'] as const).filter((kind) => !has(kind));
    for (const kind of kinds) {
      const base = { op: 'link.create', ifname: 'x', ifindex: 0x1200_0001 } as const;
      const step: Step =
        kind === 'dummy'
          ? { ...base, kind }
          : kind === 'gretap'
            ? { ...base, kind, data: gre }
            : { ...base, kind, data: { vni: 1, remote: '192.0.2.1', port: 6081 } };
      expect(await refused([step])).toMatchObject({ code: 'SNNET_KIND_UNSUPPORTED' });
    }
    expect(
      kinds.length + ['dummy', 'gretap', 'geneve'].filter((kind) => has(kind as 'dummy')).length,
    ).toBe(3);
  });
});

test('the 1024th port does not fit on a bridge', async () => {
  await using bed = await Bed.open();
  await bed.ip('link add full type bridge');
  const master = (await bed.row('full')).ifindex;
  const ports = Array.from(
    { length: 1023 },
    (_, n) => `link add p${n} master full type veth peer name q${n}`,
  );
  await bed.ipBatch(ports);
  const step = (n: number): Step => ({
    op: 'link.create',
    kind: 'veth',
    ifname: `last${n}`,
    ifindex: 0x1400_0000 + n,
    master,
    peer: { ifname: `lastp${n}`, ifindex: 0x1400_1000 + n },
  });
  const error = await rejection(bed.run([step(0)]));
  expect(error).toMatchObject({ code: 'SNNET_BRIDGE_FULL' });
  expect(error.cause).toMatchObject({ name: 'EXFULL' });
  const tap = {
    op: 'tap.create',
    ifname: 'last',
    ifindex: 0x1400_0001,
    queues: 1,
    handOut: false,
  } as const;
  expect(await rejection(bed.run([{ ...tap, master, up: true }]))).toMatchObject({
    code: 'SNNET_BRIDGE_FULL',
  });
  expect((await bed.names()).filter((name) => name.startsWith('last'))).toEqual([]);
}, 120_000);

test('a rollback that fails says what is left', async () => {
  const plan = makePlan('test', []);
  const steps = [
    {
      step: { op: 'link.create', kind: 'bridge', ifname: 'br', ifindex: 0x1600_0001 },
      undo: { op: 'link.set', ifindex: 1, master: 0x1600_0098 },
    },
    { step: { op: 'link.set', ifindex: 0x1600_0099, up: true }, undo: undefined },
  ] as const;
  await using bed = await Bed.open();
  const error = await rejection(bed.kernel.run({ ...plan, steps }));
  expect(error).toBeInstanceOf(FatalError);
  expect(error).toMatchObject({ code: 'SNNET_ROLLBACK_FAILED' });
  expect(error).toHaveProperty('repair', [
    expect.stringContaining('ip link set #1 master #369098904'),
  ]);
});
