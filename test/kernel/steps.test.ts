/** Links of every kind on the real kernel, made and changed; `ip` and /proc say what came of it. */
import { closeSync, readFileSync, readlinkSync, writeSync } from 'node:fs';
import type { LinkCreate, Step } from '#lib/plan/index';
import { ipAddresses, ipLink } from '../support/oracle';
import { has, needs } from '../support/reasons';
import { run } from '../support/run';
import { Bed } from './helpers/bed';

const MAC = '02:00:00:00:0a:01';
let bed: Bed;
let lastIndex = 0x1000_0000;

beforeAll(async () => {
  bed = await Bed.open({ shared: true });
  await bed.ip('link add under type veth peer name under2');
  await bed.ip('link set under up');
});
afterAll(() => bed.close());

function nextIndex(): number {
  return ++lastIndex;
}

const common = { address: MAC, mtu: 1400, txqlen: 77, alias: 'an alias', up: true } as const;

interface Kind {
  readonly it: typeof test | ReturnType<typeof needs>;
  readonly make: (base: { op: 'link.create'; ifname: string; ifindex: number }) => LinkCreate;
  readonly seen: Readonly<Record<string, unknown>>;
  readonly row: unknown;
}

const gre = { local: '192.0.2.1', remote: '192.0.2.2', key: 0xfffffffe, pmtudisc: false, ttl: 9 };
const KINDS: Readonly<Record<string, Kind>> = {
  bridge: {
    it: test,
    make: (base) => ({ ...base, ...common, kind: 'bridge' }),
    seen: {},
    row: undefined,
  },
  dummy: {
    it: needs('dummy'),
    make: (base) => ({ ...base, ...common, kind: 'dummy' }),
    seen: {},
    row: undefined,
  },
  vxlan: {
    it: needs('vxlan'),
    make: (base) => ({
      ...base,
      ...common,
      kind: 'vxlan',
      data: { vni: 0xfffff0, local: '192.0.2.1', remote: '192.0.2.2', port: 4790, learning: false },
    }),
    seen: { id: 0xfffff0, local: '192.0.2.1', remote: '192.0.2.2', port: 4790, learning: false },
    row: { key: 0xfffff0, local: '192.0.2.1', remote: '192.0.2.2', port: 4790 },
  },
  gretap: {
    it: needs('gretap'),
    make: (base) => ({ ...base, ...common, kind: 'gretap', data: gre }),
    seen: { local: '192.0.2.1', remote: '192.0.2.2', ikey: '255.255.255.254', ttl: 9 },
    row: { key: 0xfffffffe, local: '192.0.2.1', remote: '192.0.2.2' },
  },
  geneve: {
    it: needs('geneve'),
    make: (base) => ({
      ...base,
      ...common,
      kind: 'geneve',
      data: { vni: 7, remote: '192.0.2.2', port: 6082 },
    }),
    seen: { id: 7, remote: '192.0.2.2', port: 6082 },
    row: { key: 7, remote: '192.0.2.2', port: 6082 },
  },
};

for (const [kind, { it, make, seen, row }] of Object.entries(KINDS)) {
  it(`a ${kind} has everything that it was asked to have, at the index that was chosen`, async () => {
    const ifname = `k-${kind}`;
    const ifindex = nextIndex();
    await bed.run([make({ op: 'link.create', ifname, ifindex })]);
    const link = await ipLink(bed.ns, ifname);
    expect(link).toMatchObject({
      ifindex,
      address: MAC,
      mtu: 1400,
      txqlen: 77,
      ifalias: 'an alias',
      linkinfo: { info_kind: kind, ...(Object.keys(seen).length > 0 && { info_data: seen }) },
    });
    expect(link.flags).toContain('UP');
    expect(await bed.row(ifname)).toMatchObject({
      ifindex,
      kind,
      alias: 'an alias',
      address: MAC,
      mtu: 1400,
      isUp: true,
      isLoopback: false,
    });
    expect((await bed.row(ifname)).data).toEqual(row);
  });
}

test('another name, and what IPv4 does on the link, at creation and later', async () => {
  const ifindex = nextIndex();
  const ipv4 = { arpIgnore: 8, rpFilter: 1 };
  await bed.run([
    { op: 'link.create', kind: 'bridge', ifname: 'k-set', ifindex, altName: 'an.other.name', ipv4 },
  ]);
  expect(await ipLink(bed.ns, 'k-set')).toMatchObject({ altnames: ['an.other.name'] });
  expect((await bed.row('k-set')).altNames).toEqual(['an.other.name']);
  expect(await bed.kernel.readSysctl('net/ipv4/conf/k-set/arp_ignore')).toBe('8');
  expect(await bed.kernel.readSysctl('net/ipv4/conf/k-set/rp_filter')).toBe('1');
  await bed.run([{ op: 'link.set', ifindex, up: true, ipv4: { arpNotify: 1 } }]);
  expect(await bed.kernel.readSysctl('net/ipv4/conf/k-set/arp_notify')).toBe('1');
  expect(await bed.kernel.readSysctl('net/ipv4/conf/k-set/arp_ignore')).toBe('8');
  expect((await bed.row('k-set')).isUp).toBe(true);
});

test('a veth pair has both its ends, the peer down', async () => {
  const [ifindex, peerIndex] = [nextIndex(), nextIndex()];
  const peer = {
    ifname: 'k-peer',
    ifindex: peerIndex,
    address: '02:00:00:00:0a:02',
    mtu: 1300,
    txqlen: 5,
  };
  await bed.run([{ op: 'link.create', kind: 'veth', ifname: 'k-veth', ifindex, ...common, peer }]);
  expect(await ipLink(bed.ns, 'k-veth')).toMatchObject({ ifindex, ifalias: 'an alias', mtu: 1400 });
  const seen = await ipLink(bed.ns, 'k-peer');
  expect(seen).toMatchObject({
    ifindex: peerIndex,
    address: '02:00:00:00:0a:02',
    mtu: 1300,
    txqlen: 5,
  });
  expect(seen.flags).not.toContain('UP');
  expect((await bed.row('k-veth')).link).toBe(peerIndex);
});

needs('macvtap')('a macvtap stands on its lower link, in the mode asked for', async () => {
  const lower = (await bed.row('under')).ifindex;
  for (const mode of ['bridge', 'vepa', 'private'] as const) {
    const ifname = `m-${mode}`;
    await bed.run([
      {
        op: 'link.create',
        kind: 'macvtap',
        ifname,
        ifindex: nextIndex(),
        link: lower,
        data: { mode },
      },
    ]);
    expect(await ipLink(bed.ns, ifname)).toMatchObject({
      link: 'under',
      linkinfo: { info_kind: 'macvtap', info_data: { mode } },
    });
    expect(await bed.row(ifname)).toMatchObject({ link: lower, data: { mode } });
  }
});

test('a tap lasts, and belongs to its bridge', async () => {
  const [master, ifindex] = [nextIndex(), nextIndex()];
  const { fds } = await bed.run([
    { op: 'link.create', kind: 'bridge', ifname: 'k-br', ifindex: master, up: true },
    { op: 'tap.create', ifname: 'k-tap', ifindex, queues: 1, handOut: false, master, ...common },
  ]);
  expect(fds.size).toBe(0);
  const link = await ipLink(bed.ns, 'k-tap');
  expect(link).toMatchObject({ ifindex, master: 'k-br', ifalias: 'an alias', address: MAC });
  expect(link.linkinfo).toMatchObject({
    info_kind: 'tun',
    info_data: { type: 'tap', persist: true },
  });
  expect((await bed.row('k-tap')).data).toEqual({ multiQueue: false, persistent: true });
});

needs('python3', 'real-root')('a tap with an owner is nobody else’s', async () => {
  await bed.run([
    {
      op: 'tap.create',
      ifname: 'k-own',
      ifindex: nextIndex(),
      queues: 1,
      handOut: false,
      owner: 107,
    },
  ]);
  const { stdout } = await run(['ip', '-n', bed.ns.name, 'tuntap', 'show']);
  expect(stdout).toMatch(/^k-own: .*\buser 107\b/m);
  // TUNSETIFF by a user with no capabilities; the device itself is open to him.
  const program = (uid: number): string => `import fcntl, os, struct
fd = os.open('/dev/net/tun', os.O_RDWR)
os.setgroups([])
os.setresgid(${uid}, ${uid}, ${uid})
os.setresuid(${uid}, ${uid}, ${uid})
try:
    fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH22x', b'k-own', 0x1002))
    print('attached')
except OSError as error:
    print(error.errno)`;
  const attach = async (uid: number): Promise<string> => {
    const inside = ['nsenter', `--net=${bed.ns.path}`, 'python3', '-c', program(uid)];
    return (await run(inside)).stdout.trim();
  };
  expect(await attach(107)).toBe('attached');
  expect(await attach(108)).toBe('1');
});

test('the queues of a tap are handed out, and are what they should be', async () => {
  const { fds } = await bed.run([
    { op: 'tap.create', ifname: 'k-one', ifindex: nextIndex(), queues: 1, handOut: true, up: true },
    {
      op: 'tap.create',
      ifname: 'k-many',
      ifindex: nextIndex(),
      queues: 4,
      handOut: true,
      up: true,
    },
  ]);
  try {
    expect([...fds].map(([step, queues]) => [step, queues.length])).toEqual([
      [0, 1],
      [1, 4],
    ]);
    const names = [...fds.values()].flat().map((fd) => {
      expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe('/dev/net/tun');
      const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
      expect(info).toMatch(/flags:\s*0?2\d{6,}/); // O_CLOEXEC
      return /^iff:\s*(\S+)$/m.exec(info)?.[1];
    });
    expect(names).toEqual(['k-one', ...Array.from({ length: 4 }, () => 'k-many')]);
    expect((await bed.row('k-many')).data).toEqual({ multiQueue: true, persistent: true });
    expect((await ipLink(bed.ns, 'k-many')).flags).not.toContain('NO-CARRIER');
    // A broadcast of our own arrives as a received packet of the link.
    const frame = Buffer.concat([
      Buffer.alloc(6, 0xff),
      Buffer.from('020000000a0908060001', 'hex'),
      Buffer.alloc(44),
    ]);
    writeSync(fds.get(0)?.[0] ?? -1, frame);
    const counters = JSON.parse(await bed.ip('-j -s link show k-one')) as {
      stats64: { rx: { packets: number } };
    }[];
    expect(counters[0]?.stats64.rx.packets).toBeGreaterThan(0);
  } finally {
    for (const fd of [...fds.values()].flat()) closeSync(fd);
  }
});

test('links that are to have no IPv6 link-local address have none, up as they are', async () => {
  const [master, veth] = [nextIndex(), nextIndex()];
  const quiet = { up: true, ipv6LinkLocal: false } as const;
  const steps: Step[] = [
    { op: 'link.create', kind: 'bridge', ifname: 'q-br', ifindex: master, ...quiet, address: MAC },
    {
      op: 'link.create',
      kind: 'veth',
      ifname: 'q-veth',
      ifindex: veth,
      ...quiet,
      master,
      peer: { ifname: 'q-peer', ifindex: nextIndex() },
    },
    { op: 'tap.create', ifname: 'q-tap', ifindex: nextIndex(), ...quiet, queues: 1, handOut: true },
    { op: 'link.create', kind: 'bridge', ifname: 'loud', ifindex: nextIndex(), up: true },
  ];
  if (has('vxlan')) {
    const data = { vni: 99, remote: '192.0.2.2', port: 4791 };
    steps.push({
      op: 'link.create',
      kind: 'vxlan',
      ifname: 'q-vx',
      ifindex: nextIndex(),
      ...quiet,
      data,
    });
  }
  const { fds } = await bed.run(steps);
  await bed.ip('link set q-peer up');
  const local = (await ipAddresses(bed.ns)).filter(({ family }) => family === 'inet6');
  const carriers = new Set(local.map(({ ifname }) => ifname));
  expect([...carriers].filter((ifname) => ifname.startsWith('q-') && ifname !== 'q-peer')).toEqual(
    [],
  );
  expect(await ipLink(bed.ns, 'q-veth')).toMatchObject({
    inet6_addr_gen_mode: 'none',
    master: 'q-br',
  });
  for (const fd of [...fds.values()].flat()) closeSync(fd);
});

test('a link is changed, renamed, set free of its bridge, and its alias taken away', async () => {
  const [master, ifindex] = [nextIndex(), nextIndex()];
  await bed.run([
    { op: 'link.create', kind: 'bridge', ifname: 'c-br', ifindex: master },
    {
      op: 'link.create',
      kind: 'veth',
      ifname: 'c-1',
      ifindex,
      alias: 'first',
      peer: { ifname: 'c-2', ifindex: nextIndex() },
    },
    {
      op: 'link.set',
      ifindex,
      master,
      mtu: 1280,
      address: MAC,
      alias: 'second',
      hairpin: true,
      up: true,
    },
  ]);
  const port = await ipLink(bed.ns, 'c-1');
  expect(port).toMatchObject({ master: 'c-br', mtu: 1280, address: MAC, ifalias: 'second' });
  expect(port.linkinfo?.info_slave_data).toMatchObject({ hairpin: true });
  await bed.run([{ op: 'link.set', ifindex, ifname: 'c-3', master: 0, alias: '', up: false }]);
  const free = await ipLink(bed.ns, 'c-3');
  expect([free.master, free.ifalias]).toEqual([undefined, undefined]);
  expect(free.flags).not.toContain('UP');
});

test('a tolerated error is told, and what follows is done', async () => {
  const ifindex = nextIndex();
  const address = { ifindex, address: '203.0.113.200', prefixLength: 32 } as const;
  const { tolerated } = await bed.run([
    { op: 'link.create', kind: 'bridge', ifname: 't-br', ifindex, up: true },
    { op: 'address.add', ...address },
    { op: 'address.add', ...address, tolerate: ['EEXIST'] },
    // Its followers speak of an index that never came to be.
    {
      op: 'link.create',
      kind: 'bridge',
      ifname: 't-br',
      ifindex: nextIndex(),
      alias: 'other',
      tolerate: ['EEXIST'],
    },
    { op: 'sysctl.set', name: 'net/ipv4/conf/none/rp_filter', value: '1', tolerate: ['ENOENT'] },
    { op: 'link.set', ifindex, alias: 'done' },
  ]);
  expect(tolerated).toEqual(expect.arrayContaining([2, 3, 4]));
  expect(tolerated).toHaveLength(3);
  expect((await bed.row('t-br')).alias).toBe('done');
  // Taps are opened before anything is sent, so this one stands in a plan of its own.
  expect(
    (
      await bed.run([
        {
          op: 'tap.create',
          ifname: 't-br',
          ifindex: nextIndex(),
          queues: 1,
          handOut: false,
          tolerate: ['EEXIST'],
        },
      ])
    ).tolerated,
  ).toEqual([0]);
  expect((await bed.row('t-br')).kind).toBe('bridge');
});

test('an alias may be as long as the kernel allows, and hold anything', async () => {
  const alias = 'ä€ "quoted" \\'.padEnd(255 - 3, 'x');
  expect(Buffer.byteLength(alias)).toBe(255);
  await bed.run([
    { op: 'link.create', kind: 'bridge', ifname: 'l-br', ifindex: nextIndex(), alias },
  ]);
  expect((await bed.row('l-br')).alias).toBe(alias);
  expect((await ipLink(bed.ns, 'l-br')).ifalias).toBe(alias);
});
