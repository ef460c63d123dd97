/** Addresses, routes, neighbours, forwarding entries and sysctls; the tools say what came of them. */
import { readFileSync } from 'node:fs';
import { bridgeFdb, ipAddresses, ipLink, ipNeighbours, ipRoutes } from '../support/oracle';
import { needs } from '../support/reasons';
import { Bed } from './helpers/bed';

let bed: Bed;
let lastIndex = 0x1700_0000;

beforeAll(async () => {
  bed = await Bed.open({ shared: true });
});
afterAll(() => bed.close());

function nextIndex(): number {
  return ++lastIndex;
}

test('addresses, routes and neighbours come and go', async () => {
  const ifindex = nextIndex();
  const address = { ifindex, address: '203.0.113.1', prefixLength: 24 } as const;
  const via = { ifindex, destination: '198.51.100.0/24', via: '203.0.113.9' } as const;
  const direct = { ifindex, destination: '192.0.2.128/25' } as const;
  const neighbour = { ifindex, address: '203.0.113.5', lladdr: '02:00:00:00:00:05' } as const;
  await bed.run([
    { op: 'link.create', kind: 'bridge', ifname: 'a-br', ifindex, up: true },
    { op: 'address.add', ...address },
    { op: 'route.add', ...via },
    { op: 'route.add', ...direct },
    { op: 'neighbour.add', ...neighbour },
  ]);
  expect((await ipAddresses(bed.ns)).find(({ local }) => local === '203.0.113.1')).toMatchObject({
    ifname: 'a-br',
    prefixlen: 24,
    broadcast: '203.0.113.255',
  });
  expect(await ipRoutes(bed.ns)).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ dst: '198.51.100.0/24', gateway: '203.0.113.9', dev: 'a-br' }),
      expect.objectContaining({ dst: '192.0.2.128/25', dev: 'a-br', scope: 'link' }),
    ]),
  );
  expect(await ipNeighbours(bed.ns)).toContainEqual(
    expect.objectContaining({
      dst: '203.0.113.5',
      lladdr: '02:00:00:00:00:05',
      state: ['PERMANENT'],
    }),
  );
  expect(await bed.kernel.addresses()).toContainEqual(address);
  expect(await bed.kernel.routes()).toEqual(expect.arrayContaining([via, direct]));
  expect(await bed.kernel.neighbours()).toContainEqual({ ...neighbour, isPermanent: true });
  await bed.run([
    { op: 'neighbour.delete', ...neighbour },
    { op: 'route.delete', ...direct },
    { op: 'route.delete', ...via },
    { op: 'address.delete', ...address },
  ]);
  expect(await bed.kernel.addresses()).not.toContainEqual(address);
  expect((await bed.kernel.routes()).filter((row) => row.ifindex === ifindex)).toEqual([]);
  expect((await ipNeighbours(bed.ns)).filter(({ dst }) => dst === '203.0.113.5')).toEqual([]);
});

needs('gretap')('a neighbour of a point-to-multipoint GRE has an outer address', async () => {
  const ifindex = nextIndex();
  await bed.run([
    {
      op: 'link.create',
      kind: 'gre',
      ifname: 'mesh',
      ifindex,
      up: true,
      data: { local: '192.0.2.1', remote: '0.0.0.0', key: 42, pmtudisc: false, ttl: 64 },
    },
    { op: 'address.add', ifindex, address: '203.0.113.129', prefixLength: 25 },
    { op: 'neighbour.add', ifindex, address: '203.0.113.130', lladdr: '192.0.2.9' },
  ]);
  expect(await ipLink(bed.ns, 'mesh')).toMatchObject({ linkinfo: { info_kind: 'gre' } });
  expect(await ipNeighbours(bed.ns)).toContainEqual(
    expect.objectContaining({ dst: '203.0.113.130', lladdr: '192.0.2.9' }),
  );
  expect(await bed.kernel.neighbours()).toContainEqual(
    expect.objectContaining({ ifindex, address: '203.0.113.130', lladdr: 'c0:00:02:09' }),
  );
});

needs('vxlan')('a vxlan device has several remotes for what it does not know', async () => {
  const ifindex = nextIndex();
  const entry = (dst: string) => ({ ifindex, mac: '00:00:00:00:00:00', dst });
  await bed.run([
    { op: 'link.create', kind: 'vxlan', ifname: 'f-vx', ifindex, data: { vni: 31, port: 4792 } },
    { op: 'fdb.add', ...entry('192.0.2.11') },
    { op: 'fdb.add', ...entry('192.0.2.12') },
  ]);
  const remotes = async () =>
    (await bridgeFdb(bed.ns)).filter(({ ifname }) => ifname === 'f-vx').map(({ dst }) => dst);
  expect((await remotes()).sort()).toEqual(['192.0.2.11', '192.0.2.12']);
  expect(await bed.kernel.forwardingEntries()).toContainEqual({
    ifindex,
    address: '192.0.2.12',
    lladdr: '00:00:00:00:00:00',
    isPermanent: true,
  });
  await bed.run([{ op: 'fdb.delete', ...entry('192.0.2.11') }]);
  expect(await remotes()).toEqual(['192.0.2.12']);
});

test('a bridge keeps an entry at the port where it was put', async () => {
  const [master, port] = [nextIndex(), nextIndex()];
  const entry = { ifindex: port, mac: '02:00:00:00:00:77' } as const;
  await bed.run([
    { op: 'link.create', kind: 'bridge', ifname: 's-br', ifindex: master, up: true },
    {
      op: 'link.create',
      kind: 'veth',
      ifname: 's-port',
      ifindex: port,
      master,
      up: true,
      peer: { ifname: 's-peer', ifindex: nextIndex() },
    },
    { op: 'fdb.add', ...entry },
  ]);
  const seen = async () => (await bridgeFdb(bed.ns)).filter(({ mac }) => mac === entry.mac);
  // A kernel with VLAN filtering has it once more for the VLAN of untagged frames.
  const entries = await seen();
  expect(entries.length).toBeGreaterThan(0);
  for (const one of entries) {
    expect(one).toMatchObject({
      ifname: 's-port',
      master: 's-br',
      state: 'static',
      flags: ['sticky'],
    });
  }
  await bed.run([{ op: 'fdb.delete', ...entry }]);
  expect(await seen()).toEqual([]);
});

test('a sysctl is the one of the namespace', async () => {
  const name = 'net/ipv4/ip_forward';
  const outside = readFileSync(`/proc/sys/${name}`, 'utf8');
  const before = await bed.kernel.readSysctl(name);
  const value = before === '1' ? '0' : '1';
  await bed.run([{ op: 'sysctl.set', name, value, before }]);
  expect(await bed.kernel.readSysctl(name)).toBe(value);
  expect((await bed.box.exec(bed.ns, ['sysctl', '-n', 'net.ipv4.ip_forward'])).stdout.trim()).toBe(
    value,
  );
  expect(readFileSync(`/proc/sys/${name}`, 'utf8')).toBe(outside);
});

test('a sysctl of a link that the same plan creates can be set', async () => {
  await bed.run([
    { op: 'link.create', kind: 'bridge', ifname: 'y-br', ifindex: nextIndex(), up: true },
    { op: 'sysctl.set', name: 'net/ipv4/conf/y-br/rp_filter', value: '2' },
    { op: 'link.create', kind: 'bridge', ifname: 'y-br2', ifindex: nextIndex(), up: true },
  ]);
  expect(await bed.kernel.readSysctl('net/ipv4/conf/y-br/rp_filter')).toBe('2');
  expect(await bed.names()).toContain('y-br2');
});
