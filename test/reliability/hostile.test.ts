/** Privileges, files and limits that are missing or go away: typed errors, nothing lost, nothing left. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  linksOf,
  makeHost,
  namesOf,
  openNode,
  findDisorder,
  vnicConfig,
} from '../kernel/helpers/node';
import { StateDir } from '../kernel/helpers/workload';
import { nftTables } from '../support/oracle';
import { needs } from '../support/reasons';
import { until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import { inChild, OWN_MOUNTS } from './hostile-child';

const withVxlan = needs('vxlan');
const MISSING = 'SNNET_PRIVILEGE_MISSING';

withVxlan('without CAP_NET_ADMIN everything says so, and what is there is still seen', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  await node.createVnic(vnicConfig(0));
  // Ports change their state by themselves.
  const identities = async (): Promise<unknown[]> =>
    (await linksOf(ns)).map(({ ifindex, ifname, ifalias, master }) => [
      ifindex,
      ifname,
      ifalias,
      master,
    ]);
  const before = await identities();
  const report = await inChild(
    { ns, prefix: ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'] },
    `const node = await ComputeNode.open(options);
    const { netAdmin, remarks } = await probe();
    tell({
      netAdmin, says: remarks.join().includes('CAP_NET_ADMIN'),
      seen: node.topology().subnets.map(({ vnics }) => vnics.length),
      create: await codeOf(node.createVnic(vnic(1))),
      other: await codeOf(node.createVnic(vnic(2, { subnetId: 'other', subnetKey: 9, role: 'container' }))),
      destroy: await codeOf(node.destroyVnic(vnic(0))),
      audit: await codeOf(node.audit()),
      firewall: await codeOf(Firewall.open({ externalDevices: ['eth0'] })),
      close: await codeOf(node.close()),
    });`,
  );
  expect(report).toEqual({
    netAdmin: false,
    says: true,
    seen: [1],
    create: MISSING,
    other: MISSING,
    destroy: MISSING,
    audit: 'done',
    firewall: MISSING,
    close: 'done',
  });
  expect(await identities()).toEqual(before);
  await node.destroyVnic(vnicConfig(0));
  await node.settle();
});

withVxlan(
  'capabilities that are dropped in the middle of work: done, or refused and undone',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const report = await inChild(
      { ns },
      `const node = await ComputeNode.open(options);
    await node.createVnic(vnic(0));
    const running = Array.from({ length: 30 }, (_, n) => codeOf(node.createVnic(vnic(n + 1))));
    await Promise.race(running);
    // glibc changes all threads of the process, ours too.
    process.setgroups([]); process.setgid(65534); process.setuid(65534);
    const codes = await Promise.all(running);
    const late = await codeOf(node.createVnic(vnic(40)));
    const destroy = await codeOf(node.destroyVnic(vnic(0)));
    await node.settle();
    const seen = node.topology().subnets.flatMap(({ vnics }) => vnics.map(({ ip }) => ip)).sort();
    tell({ codes, late, destroy, seen, close: await codeOf(node.close()) });`,
    );
    const codes = report['codes'] as string[];
    const allowed = ['done', MISSING, 'SNNET_ROLLBACK_FAILED'];
    expect(codes.filter((code) => !allowed.includes(code))).toEqual([]);
    expect(report).toMatchObject({ late: MISSING, destroy: MISSING, close: 'done' });
    // A new process, which may: it sees what the old one saw, and can put right whatever is left.
    await using node = await openNode(ns);
    const isWhole = !codes.includes('SNNET_ROLLBACK_FAILED');
    const seen = node.topology().subnets.flatMap(({ vnics }) => vnics.map(({ ip }) => ip));
    if (isWhole) expect([...seen].sort()).toEqual(report['seen']);
    if (isWhole) expect(node.topology().findings).toEqual([]);
    await node.repair();
    expect(await findDisorder(ns)).toEqual([]);
    for (let n = 0; n <= 30; ++n) await node.destroyVnic(vnicConfig(n));
    await node.settle();
  },
);

withVxlan(
  'where /proc/sys is read-only, VNICs come and go; forwarding says what it lacks',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const script =
      'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"';
    const report = await inChild(
      { ns, prefix: [...OWN_MOUNTS, 'sh', '-c', script, 'sh'] },
      `const node = await ComputeNode.open(options);
    const all = [vnic(0), vnic(1, { role: 'container' })];
    const created = [];
    for (const one of all) created.push(await codeOf(node.createVnic(one)));
    const destroyed = [];
    for (const one of all) destroyed.push(await codeOf(node.destroyVnic(one)));
    await node.close();
    const firewall = await Firewall.open({ externalDevices: ['eth0'] }).catch(({ code, cause }) => [code, cause.name]);
    tell({ created, destroyed, firewall });`,
    );
    expect(report).toEqual({
      created: ['done', 'done'],
      destroyed: ['done', 'done'],
      firewall: ['SNNET_KERNEL_FAILED', 'EROFS'],
    });
    expect(await until(async () => (await namesOf(ns)).length === 0, 5000)).toBe(true);
    expect(await nftTables(ns)).toEqual([]);
  },
);

needs('vxlan', 'dnsmasq')(
  'a disk too full for dnsmasq’s files: refused whole, what ran runs on, and it goes on when there is room',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    using state = new StateDir();
    mkdirSync(state.path, { recursive: true });
    const script = `mount -t tmpfs -o size=128k,mode=711 tmpfs ${state.path} && exec "$@"`;
    const report = await inChild(
      { ns, prefix: [...OWN_MOUNTS, 'sh', '-c', script, 'sh'] },
      `const ballast = ${JSON.stringify(join(state.path, 'ballast'))};
      const cnci = await Cnci.open({ ...options, tenantId: base.tenantId, dhcp: { stateDir: ${JSON.stringify(join(state.path, 'dhcp'))} } });
      const remote = (n) => ({ subnet: '172.16.' + n + '.0/24', subnetKey: 1000 + n, cnIp: '198.51.100.7' });
      const pids = () => cnci.topology().subnets.map(({ dhcp }) => dhcp?.pid);
      await cnci.addRemoteSubnet(remote(1));
      await cnci.setHosts([{ ip: '172.16.1.5', name: 'web' }]);
      const before = pids();
      const file = fs.openSync(ballast, 'w');
      try { for (;;) fs.writeSync(file, Buffer.alloc(512)); } catch {}
      const full = await codeOf(cnci.addRemoteSubnet(remote(2)));
      const names = await codeOf(cnci.setHosts(Array.from({ length: 200 }, (_, n) => ({ ip: '172.16.1.' + (n + 6), name: 'host-with-a-long-name-' + n }))));
      const during = pids();
      fs.closeSync(file); fs.rmSync(ballast);
      const again = await codeOf(cnci.addRemoteSubnet(remote(2)));
      const named = await codeOf(cnci.setHosts([{ ip: '172.16.1.6', name: 'mail' }]));
      tell({ full, names, kept: String(before) === String(during) && before.length === 1, again, named, subnets: pids().length });
      await cnci.shutdown(); await cnci.close();`,
    );
    expect(report).toMatchObject({ kept: true, again: 'done', named: 'done', subnets: 2 });
    for (const what of ['full', 'names']) {
      expect(['SNNET_DNSMASQ_FAILED', 'SNNET_STATE_UNSAFE']).toContain(report[what]);
    }
    expect(await until(async () => (await namesOf(ns)).length === 0, 5000)).toBe(true);
  },
);

withVxlan('without a byte of locked memory everything works', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const prefix = [
    'prlimit',
    '--memlock=0:0',
    'setpriv',
    '--bounding-set=-ipc_lock',
    '--inh-caps=-ipc_lock',
  ];
  using state = new StateDir();
  const report = await inChild(
    { ns, prefix },
    `const store = new LmdbStore({ directory: ${JSON.stringify(join(state.path, 'store'))} });
    await store.open(['x']);
    const kept = await codeOf(store.add('x', 'key', 'value'));
    await store.close();
    const node = await ComputeNode.open(options);
    const created = await codeOf(node.createVnic(vnic(0)));
    const destroyed = await codeOf(node.destroyVnic(vnic(0)));
    await node.close();
    const firewall = await Firewall.open({ externalDevices: ['eth0'] });
    tell({ kept, created, destroyed, firewall: await codeOf(firewall.shutdown()) });
    await firewall.close();`,
  );
  expect(report).toEqual({ kept: 'done', created: 'done', destroyed: 'done', firewall: 'done' });
});

withVxlan(
  '64 descriptors: refused when they are used up, nothing leaks, and it works again',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const report = await inChild(
      { ns, prefix: ['prlimit', '--nofile=64:64'] },
      `const node = await ComputeNode.open(options);
    const first = await codeOf(node.createVnic(vnic(0)));
    // Whatever is loaded late is loaded now.
    await Promise.all([node.audit(), codeOf(node.createVnic(vnic(1, { queues: 256 })))]);
    const before = fds();
    const wide = await codeOf(node.createVnic(vnic(1, { queues: 256 })));
    const afterWide = fds() - before;
    const nodes = [];
    let many = 'done';
    while (many === 'done' && nodes.length < 64) {
      many = await codeOf(ComputeNode.open(options).then((one) => nodes.push(one)));
    }
    const whileFull = await codeOf(node.createVnic(vnic(2)));
    const opened = nodes.length;
    for (const one of nodes.splice(0)) await one.close();
    for (let left = 50; fds() > before && left > 0; --left) await sleep(20);
    const afterMany = fds() - before;
    const again = await codeOf(node.createVnic(vnic(3)));
    const vnics = node.topology().subnets.flatMap(({ vnics }) => vnics).length;
    tell({ first, wide, afterWide, many, whileFull, opened, afterMany, again, vnics });
    await node.close();`,
    );
    const { opened, whileFull, vnics, ...rest } = report;
    expect(rest).toEqual({
      first: 'done',
      wide: 'SNNET_KERNEL_FAILED',
      afterWide: 0,
      many: 'SNNET_KERNEL_FAILED',
      afterMany: 0,
      again: 'done',
    });
    expect(Number(opened)).toBeGreaterThan(1);
    expect(['done', 'SNNET_KERNEL_FAILED']).toContain(whileFull);
    await using node = await openNode(ns);
    const seen = node.topology().subnets.flatMap(({ vnics: all }) => all);
    expect(seen).toHaveLength(Number(vnics));
    expect(seen).toHaveLength(whileFull === 'done' ? 3 : 2);
    expect(await findDisorder(ns)).toEqual([]);
    for (const n of [0, 2, 3]) await node.destroyVnic(vnicConfig(n));
    await node.settle();
  },
);
