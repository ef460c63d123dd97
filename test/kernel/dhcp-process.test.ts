/** How servers live and die, outlive us, and are told from impostors. */
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../support/child';
import { ipLink } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, run, until } from '../support/run';
import { errorOf } from './helpers/node';
import { DhcpBed } from './helpers/dhcp-bed';

const it = needs('dnsmasq', 'busybox');
const STEM = '172.16.5.0-24';

it('the next process takes the server over as it runs, with its names and leases', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const first = await bed.servers();
  await first.setHost('172.16.5.9', 'web');
  const { pid } = await first.ensure(subnet);
  const client = await bed.client('br0');
  await bed.lease(client, '02:00:ac:10:05:09');
  await bed.forget(first);
  expect(await bed.pids()).toEqual([pid]);
  expect(await bed.lease(client, '02:00:ac:10:05:0a')).toMatchObject({ ip: '172.16.5.10' });

  // Neither the file with its number, nor its old directory listing, is what makes it known.
  rmSync(join(bed.files, `${STEM}.pid`));
  const second = await bed.servers();
  expect(await second.ensure(subnet)).toEqual({ outcome: 'attached', pid });
  expect(await second.ensure(subnet)).toEqual({ outcome: 'running', pid });
  expect(second.status()).toEqual(
    [{ ...subnet, pid, gateway: '172.16.5.1', layout: 'listed', ifindex: undefined }].map(
      ({ ifindex: _, ...row }) => row,
    ),
  );
  expect((await second.leases('172.16.5.0/24')).map(({ ip }) => ip).sort()).toEqual([
    '172.16.5.10',
    '172.16.5.9',
  ]);
  await bed.untilResolved('172.16.5.1', 'web', ['172.16.5.9']);
  expect([...second.hosts]).toEqual([['172.16.5.9', 'web']]);
  await second.shutdown();
  expect(await bed.pids()).toEqual([]);
  expect(bed.list()).toEqual([]);
});

it('a changed configuration, or a bridge made anew, means another server, never two', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const servers = await bed.servers();
  const { pid } = await servers.ensure(subnet);
  const client = await bed.client('br0');
  const changed = await servers.ensure({ ...subnet, mtu: 1300 });
  expect(changed).toEqual({ outcome: 'restarted', pid: expect.any(Number) as number });
  expect(changed.pid).not.toBe(pid);
  expect(await bed.lease(client, '02:00:ac:10:05:09')).toMatchObject({ mtu: '1300' });

  await bed.forget(servers);
  await run(['ip', '-n', bed.ns.name, 'address', 'add', '172.16.5.254/24', 'dev', 'br0']);
  const again = await bed.servers();
  const moved = await again.ensure({ ...subnet, gateway: '172.16.5.254' });
  expect(moved.outcome).toBe('restarted');
  expect(await bed.pids()).toEqual([moved.pid]);
  expect(await bed.lease(client, '02:00:ac:10:05:09')).toMatchObject({ router: '172.16.5.254' });

  await run(['ip', '-n', bed.ns.name, 'link', 'delete', 'br0']);
  const anew = await bed.bridge('br0', '172.16.5.0/24');
  await run(['ip', '-n', bed.ns.name, 'link', 'set', 'port0', 'master', 'br0']);
  await again.ensure(anew);
  expect(await bed.lease(client, '02:00:ac:10:05:09')).toMatchObject({ router: '172.16.5.1' });
  expect((await bed.pids()).length).toBe(1);
  expect(bed.list().filter((name) => name.endsWith('.conf')).length).toBe(1);
});

it('a server that is killed is started again, and its leases are known', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const servers = await bed.servers();
  const { pid } = await servers.ensure(subnet);
  const client = await bed.client('br0');
  await bed.lease(client, '02:00:ac:10:05:09');
  process.kill(pid, 'SIGKILL');
  const isBack = (): boolean => bed.events.some(({ type }) => type === 'restarted');
  expect(await until(isBack, 10_000 * patience)).toBe(true);
  expect(bed.events).toMatchObject([
    { type: 'died', subnet: '172.16.5.0/24', pid },
    { type: 'restarted', subnet: '172.16.5.0/24' },
  ]);
  expect(await bed.pids()).toEqual([servers.status()[0]?.pid]);
  expect(await servers.leases('172.16.5.0/24')).toMatchObject([{ ip: '172.16.5.9' }]);
  expect(await bed.lease(client, '02:00:ac:10:05:09')).toMatchObject({ ip: '172.16.5.9' });
});

it('a server that cannot live is tried again, until what it lacks is there', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const servers = await bed.servers();
  const { pid } = await servers.ensure(subnet);
  await run(['ip', '-n', bed.ns.name, 'address', 'flush', 'dev', 'br0']);
  process.kill(pid, 'SIGKILL');
  const count = (type: string): number => bed.events.filter((event) => event.type === type).length;
  expect(await until(() => count('failed') >= 2, 20_000 * patience)).toBe(true);
  await run(['ip', '-n', bed.ns.name, 'address', 'add', '172.16.5.1/24', 'dev', 'br0']);
  expect(await until(() => count('restarted') === 1, 20_000 * patience)).toBe(true);
});

it('stopping waits until the process is gone: the next start finds the address free', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const servers = await bed.servers();
  for (let round = 0; round < 5; round += 1) {
    const { pid } = await servers.ensure(subnet);
    await servers.stop('172.16.5.0/24');
    expect(await bed.pids()).toEqual([]);
    expect(() => statSync(`/proc/${pid}/fd/0`)).toThrow();
    expect(bed.list()).toEqual(['names', 'upstreams']);
  }
  await servers.stop('172.16.5.0/24');
  expect(bed.events).toEqual([]);
});

it('an innocent process whose number stands in the pid file is left alone', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const first = await bed.servers();
  await first.ensure(subnet);
  await first.stop('172.16.5.0/24');
  const innocent = await bed.box.start(bed.ns, ['sleep', '60']);
  // One that looks like it by its words, but is another program.
  const words = `dnsmasq --conf-file=${join(bed.files, `${STEM}.0123456789abcdef.conf`)}`.split(
    ' ',
  );
  const actor = await bed.box.start(bed.ns, ['bash', '-c', `exec -a ${words[0]} sleep 60`]);
  writeFileSync(join(bed.files, `${STEM}.pid`), `${innocent.pid}\n`);
  const { pid } = await first.ensure(subnet);
  expect(pid).not.toBe(innocent.pid);
  writeFileSync(join(bed.files, `${STEM}.pid`), `${innocent.pid}\n`);
  await bed.forget(first);
  const second = await bed.servers();
  expect(await second.ensure(subnet)).toEqual({ outcome: 'attached', pid });
  await second.shutdown();
  expect([innocent.running, actor.running]).toEqual([true, true]);
  expect(await bed.pids()).toEqual([]);
});

it('servers of another namespace, or of another owner, are not ours', async () => {
  await using bed = await DhcpBed.open();
  await using twin = await DhcpBed.open();
  const [ours, theirs] = await Promise.all(
    [bed, twin].map((one) => one.bridge('br0', '172.16.5.0/24')),
  );
  if (ours === undefined || theirs === undefined) throw new Error('no bridges');
  const a = await bed.servers();
  // The very same files, in another namespace: only the namespace tells them apart.
  const b = await twin.servers({ stateDir: bed.stateDir });
  const { pid } = await a.ensure(ours);
  const other = await b.ensure(theirs);
  expect(other.pid).not.toBe(pid);
  await b.stop('172.16.5.0/24');
  expect(await bed.pids()).toEqual([pid]);
  expect(await twin.pids()).toEqual([]);
  await a.shutdown();
  await bed.forget(a);
});

it('links in the place of our files and directories, and directories of others, are refused', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const servers = await bed.servers();
  const target = join(bed.stateDir, 'precious');
  writeFileSync(target, 'precious');
  for (const ending of ['leases', 'hosts', 'pid']) {
    rmSync(join(bed.files, `${STEM}.${ending}`), { force: true });
    symlinkSync(target, join(bed.files, `${STEM}.${ending}`));
    expect(await errorOf(servers.ensure(subnet))).toMatchObject({ code: 'SNNET_STATE_UNSAFE' });
    rmSync(join(bed.files, `${STEM}.${ending}`));
  }
  expect(readFileSync(target, 'utf8')).toBe('precious');
  const { pid } = await servers.ensure(subnet);

  symlinkSync(bed.files, join(bed.stateDir, 'linked'));
  expect(await errorOf(bed.servers({ owner: 'linked' }))).toMatchObject({
    code: 'SNNET_STATE_UNSAFE',
    object: { path: join(bed.stateDir, 'linked') },
  });
  const closed = join(bed.stateDir, 'closed');
  mkdirSync(closed, { mode: 0o700 });
  const isDropping = /^Uid:\s+[1-9]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  const outcome = bed.servers({ stateDir: join(closed, 'within') });
  if (isDropping) expect((await errorOf(outcome)).message).toContain(closed);
  else await outcome;
  const open = join(bed.stateDir, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  for (const stateDir of [open, join(open, 'within')]) {
    expect(await errorOf(bed.servers({ stateDir }))).toMatchObject({ code: 'SNNET_STATE_UNSAFE' });
  }
});

it('without dnsmasq the error says what to install', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const poor = await bed.servers({ programPath: bed.stateDir });
  const error = await errorOf(poor.ensure(subnet));
  expect(error).toMatchObject({ code: 'SNNET_DNSMASQ_MISSING' });
  expect(error.message).toContain('dnsmasq-base');
  expect(poor.status()).toEqual([]);
});

it('what the server says when it cannot start stands in the error', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const servers = await bed.servers();
  const error = await errorOf(servers.ensure({ ...subnet, gateway: '172.16.5.77' }));
  expect(error).toMatchObject({ code: 'SNNET_DNSMASQ_FAILED', operation: 'ensure' });
  expect(error.message).toContain('172.16.5.77');
  expect(await servers.ensure(subnet)).toMatchObject({ outcome: 'started' });
});

it('twenty subnets at once, equal calls together, and nothing is left of them', async () => {
  await using bed = await DhcpBed.open();
  const subnets = [];
  for (let n = 0; n < 20; n += 1) subnets.push(await bed.bridge(`br${n}`, `172.16.${n}.0/24`));
  const servers = await bed.servers();
  const ensured = await Promise.all(
    [...subnets, ...subnets].map((subnet) => servers.ensure(subnet)),
  );
  expect(new Set(ensured.map(({ pid }) => pid)).size).toBe(20);
  expect((await bed.pids()).length).toBe(20);
  await bed.forget(servers);
  const next = await bed.servers();
  const attached = await Promise.all(subnets.map((subnet) => next.ensure(subnet)));
  expect(attached.every(({ outcome }) => outcome === 'attached')).toBe(true);
  process.kill(attached[3]?.pid ?? 0, 'SIGKILL');
  await bed.forget(next);
  // A process that knows of none of them.
  const last = await bed.servers();
  await last.shutdown();
  expect(await bed.pids()).toEqual([]);
  expect(bed.list()).toEqual([]);
  expect(await errorOf(last.ensure(subnets[0] as (typeof subnets)[0]))).toMatchObject({
    code: 'SNNET_HANDLE_CLOSED',
  });
  await last.shutdown();
});

it('stop, start and changes in any order leave what the last of them says', async () => {
  await using bed = await DhcpBed.open();
  const subnet = await bed.bridge('br0', '172.16.5.0/24');
  const servers = await bed.servers();
  const calls = [
    servers.ensure(subnet),
    servers.stop('172.16.5.0/24'),
    servers.ensure({ ...subnet, mtu: 1300 }),
    servers.setHost('172.16.5.9', 'web'),
    servers.ensure({ ...subnet, mtu: 1200 }),
  ];
  await Promise.all(calls);
  expect(servers.status()).toMatchObject([{ mtu: 1200 }]);
  expect(await bed.pids()).toEqual([servers.status()[0]?.pid]);
  await bed.untilResolved('172.16.5.1', 'web', ['172.16.5.9']);
});

it('it works in a user namespace with a single user, and without a resolv.conf', async () => {
  await using bed = await DhcpBed.open();
  const script = join(bed.stateDir, 'script.js');
  mkdirSync(bed.stateDir);
  writeFileSync(
    script,
    `const { Kernel } = require('./dist/kernel');
     const { DhcpServers } = require('./dist/dhcp');
     const { readFileSync } = require('node:fs');
     (async () => {
       const kernel = await Kernel.open();
       const [{ ifindex }] = (await kernel.links()).filter(({ ifname }) => ifname === 'br0');
       const servers = await DhcpServers.open(kernel, { owner: 'x', stateDir: process.argv[2] });
       await servers.setHost('172.16.5.9', 'web');
       const { pid } = await servers.ensure({ subnet: '172.16.5.0/24', linkName: 'br0', ifindex, mtu: 1400 });
       const name = readFileSync('/proc/' + pid + '/comm', 'utf8').trim();
       await servers.shutdown();
       await kernel.close();
       console.log(name, ifindex > 0);
     })();`,
  );
  // Nor is there a resolv.conf: nothing in /etc but the names of the accounts.
  const etc = join(bed.stateDir, 'etc');
  const setUp = [
    `mkdir ${etc}`,
    `cp /etc/passwd /etc/group ${etc}`,
    `mount --bind ${etc} /etc`,
    'test ! -e /etc/resolv.conf',
    'ip link add br0 type bridge',
    'ip link set br0 up',
    'ip address add 172.16.5.1/24 dev br0',
    `exec ${process.execPath} -e "$(cat ${script})" x ${join(bed.stateDir, 'inner')}`,
  ].join(' && ');
  const unshare = ['unshare', '--user', '--map-root-user', '--net', '--mount'];
  const { stdout, stderr } = await run([...unshare, 'sh', '-c', setUp], {
    cwd: PACKAGE_ROOT,
    // What this machine may have set lies in the real /etc.
    env: { NODE_EXTRA_CA_CERTS: '' },
    timeoutMs: 20_000 * patience,
  });
  expect([stdout.trim(), stderr]).toEqual(['dnsmasq true', '']);
});

it('a subnet whose link does not exist fails with a clear error, and nothing is left', async () => {
  await using bed = await DhcpBed.open();
  const servers = await bed.servers();
  const subnet = { subnet: '172.16.5.0/24', linkName: 'nosuch', ifindex: 77, mtu: 1400 };
  expect(await errorOf(servers.ensure(subnet))).toMatchObject({ code: 'SNNET_DNSMASQ_FAILED' });
  expect(await bed.pids()).toEqual([]);
  await expect(ipLink(bed.ns, 'nosuch')).rejects.toThrow();
});
