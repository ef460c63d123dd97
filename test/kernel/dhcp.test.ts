/** What workloads see of their subnet's server: addresses, options, names. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ping } from '../support/oracle';
import { needs } from '../support/reasons';
import { run, until } from '../support/run';
import { errorOf } from './helpers/node';
import { DhcpBed } from './helpers/dhcp-bed';

const it = needs('dnsmasq', 'busybox');

it('a workload gets the address that its MAC says, the router, the name server and the MTU', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24', 1406);
  const servers = await bed.servers({ domain: 'tenant.example' });
  await servers.setHost('172.16.5.9', 'web');
  expect(await servers.ensure(subnet)).toMatchObject({ outcome: 'started' });
  const client = await bed.client('br0');
  expect(await bed.lease(client, '02:00:ac:10:05:09')).toMatchObject({
    ip: '172.16.5.9',
    mask: '24',
    router: '172.16.5.1',
    dns: '172.16.5.1',
    mtu: '1406',
    serverid: '172.16.5.1',
    domain: 'tenant.example',
    hostname: 'web',
    lease: '3600',
  });
  expect(await servers.leases('172.16.5.0/24')).toMatchObject([
    { ip: '172.16.5.9', mac: '02:00:ac:10:05:09' },
  ]);
  // Whatever it calls itself, the MAC decides: an installer and the system it installs differ in that.
  const other = await bed.lease(client, '02:00:ac:10:05:09', '-x', '0x3d:00aabbcc', '-F', 'router');
  expect(other).toMatchObject({ ip: '172.16.5.9', hostname: 'web' });
  expect(await bed.resolve('172.16.5.1', 'router')).toEqual([]);
});

it('unknown MACs, the gateway’s and reserved addresses get no answer', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/28');
  const servers = await bed.servers();
  await servers.ensure({ ...subnet, reserved: 4 });
  const client = await bed.client('br0');
  const askOnce = ['-t', '1', '-T', '1'];
  for (const mac of ['02:00:0a:00:00:01', '02:00:ac:10:05:01', '02:00:ac:10:05:05']) {
    expect(await bed.lease(client, mac, ...askOnce)).toBeUndefined();
  }
  expect(await bed.lease(client, '02:00:ac:10:05:06')).toMatchObject({ ip: '172.16.5.6' });
  expect(await bed.lease(client, '02:00:ac:10:05:0e')).toMatchObject({ ip: '172.16.5.14' });
});

it('in a /16 each MAC has its address, and the server starts in little time (printed)', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '10.9.0.0/16');
  const servers = await bed.servers();
  const client = await bed.client('br0');
  const begin = performance.now();
  await servers.ensure(subnet);
  const started = performance.now() - begin;
  expect(await bed.lease(client, '02:00:0a:09:c8:07')).toMatchObject({ ip: '10.9.200.7' });
  const leased = performance.now() - begin;
  console.log(`a /16: started in ${started.toFixed(0)} ms, leased in ${leased.toFixed(0)} ms`);
  expect(await bed.lease(client, '02:00:0a:09:00:02')).toMatchObject({ ip: '10.9.0.2' });
  expect(await bed.lease(client, '02:00:0a:09:ff:fe', '-x', '0x3d:0055')).toMatchObject({
    ip: '10.9.255.254',
  });
  for (const mac of ['02:00:0a:08:c8:07', '02:00:0a:09:00:01']) {
    expect(await bed.lease(client, mac, '-t', '1')).toBeUndefined();
  }
  await servers.setHosts([{ ip: '10.9.200.7', name: 'big' }]);
  await bed.untilResolved('10.9.0.1', 'big', ['10.9.200.7']);
  expect(await servers.release('02:00:0a:09:c8:07')).toBe(true);
});

it('in a subnet larger than a /16 an address is served once it has been announced', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '10.0.0.0/8');
  const servers = await bed.servers();
  await servers.ensure(subnet);
  const client = await bed.client('br0');
  expect(await bed.lease(client, '02:00:0a:4d:03:02', '-t', '1')).toBeUndefined();
  await servers.setHosts([{ ip: '10.77.3.2', name: 'far' }, { ip: '10.200.1.1' }]);
  await bed.untilResolved('10.0.0.1', 'far', ['10.77.3.2']);
  expect(await bed.lease(client, '02:00:0a:4d:03:02')).toMatchObject({ ip: '10.77.3.2' });
  expect(await bed.lease(client, '02:00:0a:c8:01:01')).toMatchObject({ ip: '10.200.1.1' });
  const many = Array.from({ length: 8192 }, (_, n) => ({ ip: `10.1.${n >> 8}.${n & 255}` }));
  expect(await errorOf(servers.setHosts(many))).toMatchObject({
    code: 'SNNET_INPUT_INVALID',
    field: 'hosts',
    value: 8194,
  });
});

it('names resolve in all subnets of the tenant, both ways, and change while the servers run', async () => {
  await using bed = await DhcpBed.open();
  const subnets = [
    await bed.bridge('br0', '172.16.0.0/24'),
    await bed.bridge('br1', '10.9.0.0/16'),
  ];
  const servers = await bed.servers({ domain: 'tenant.example' });
  for (const subnet of subnets) await servers.ensure(subnet);
  const before = await bed.pids();
  await servers.setHosts([
    { ip: '172.16.0.7', name: 'Web' },
    { ip: '10.9.3.4', name: 'db' },
  ]);
  for (const server of ['172.16.0.1', '10.9.0.1']) {
    await bed.untilResolved(server, 'web', ['172.16.0.7']);
    await bed.untilResolved(server, 'db.tenant.example', ['10.9.3.4']);
    await bed.untilResolved(server, '172.16.0.7', ['web.tenant.example']);
    await bed.untilResolved(server, '10.9.3.4', ['db.tenant.example']);
  }
  const client = await bed.client('br0');
  expect(await bed.lease(client, '02:00:ac:10:00:07')).toMatchObject({ hostname: 'web' });
  await Promise.all([servers.setHost('172.16.0.7', 'www'), servers.removeHost('10.9.3.4')]);
  for (const server of ['172.16.0.1', '10.9.0.1']) {
    await bed.untilResolved(server, 'www', ['172.16.0.7']);
    await bed.untilResolved(server, 'web', []);
    await bed.untilResolved(server, '10.9.3.4', []);
  }
  expect(await bed.pids()).toEqual(before);
});

it('what is none of the tenant’s goes to the name servers given, and nowhere else', async () => {
  await using bed = await DhcpBed.open();
  const upper = await bed.bridge('br0', '172.16.0.0/24');
  const lower = await bed.bridge('br1', '172.16.1.0/24');
  const outside = await bed.servers({ owner: 'outside' });
  await outside.setHost('172.16.0.80', 'public.example');
  await outside.ensure(upper);
  const servers = await bed.servers({ domain: 'tenant.example' });
  await servers.setHost('172.16.1.7', 'web');
  await servers.ensure(lower);
  expect(await bed.resolve('172.16.1.1', 'public.example')).toEqual([]);
  await bed.forget(servers);
  await (await bed.servers({ domain: 'tenant.example', upstreams: ['172.16.0.1'] })).ensure(lower);
  await bed.untilResolved('172.16.1.1', 'public.example', ['172.16.0.80']);
  expect(await bed.resolve('172.16.1.1', 'nosuch.tenant.example')).toEqual([]);
  expect(await bed.resolve('172.16.0.1', 'web')).toEqual([]);
});

it('an address that is given back is free at once', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const servers = await bed.servers();
  await servers.ensure(subnet);
  const client = await bed.client('br0');
  await bed.lease(client, '02:00:ac:10:05:09');
  await bed.lease(client, '02:00:ac:10:05:0a');
  expect(await servers.release('172.16.5.9')).toBe(true);
  expect((await servers.leases('172.16.5.0/24')).map(({ ip }) => ip)).toEqual(['172.16.5.10']);
  const leases = readFileSync(join(bed.files, '172.16.5.0-24.leases'), 'utf8');
  expect(leases).toMatch(/^\d+ 02:00:ac:10:05:0a 172\.16\.5\.10 \* \*\n$/);
  expect(await servers.release('172.16.5.9')).toBe(false);
  expect(await servers.release('10.1.1.1')).toBe(false);
  const next = await bed.client('br0', 'port1');
  expect(await bed.lease(next, '02:00:ac:10:05:09', '-x', '0x3d:ffee')).toMatchObject({
    ip: '172.16.5.9',
  });
});

it('only the bridge is listened on, by an account without rights', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const servers = await bed.servers();
  const { pid } = await servers.ensure(subnet);
  const ss = await run(['nsenter', `--net=${bed.ns.path}`, 'ss', '-Hlntup']);
  const listening = ss.stdout.split('\n').filter((line) => line.includes('dnsmasq'));
  const local = listening.map((line) => line.split(/\s+/)[4]).sort();
  expect(local).toEqual(['0.0.0.0%br0:67', '172.16.5.1:53', '172.16.5.1:53']);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  if (/^\s*0\s+0\s+4294967295/.test(readFileSync('/proc/self/uid_map', 'utf8'))) {
    expect(status).not.toMatch(/^Uid:\s+0/m);
  }
  const client = await bed.client('br0');
  await run(['ip', '-n', client.name, 'address', 'add', '172.16.5.9/24', 'dev', 'eth0']);
  await until(async () => (await ping(client, '172.16.5.1', { count: 1 })).received > 0, 5000);
  await servers.setHost('172.16.5.9', 'web');
  await bed.untilResolved('172.16.5.1', 'web', ['172.16.5.9']);
  expect(await bed.resolve('172.16.5.1', 'web', client)).toEqual(['172.16.5.9']);
});
