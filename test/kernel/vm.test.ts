/**
 * Real virtual machines on VNICs: QEMU gets exactly the arguments that the library gives. One world for
 * all tests; each test leaves it as it was.
 */
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { PACKAGE_ROOT } from '../support/child';
import { ipLink, ping } from '../support/oracle';
import { Qmp } from '../support/qmp';
import { needs } from '../support/reasons';
import { DB, GATEWAY, MTU, TENANT, VmBed, resolveIn, vmConfig } from './helpers/vm-bed';

const ALL = { sent: 3, received: 3 };
const ONE_IN_VAIN = { count: 1, waitS: 1 };
const NONE = { sent: 1, received: 0 };
// Several boots, each some seconds in software emulation; the first test also opens the world.
const LIMIT_MS = 240_000;
const HEADERS = 28;
/** For what must arrive; only what is lost takes that long. */
const PATIENTLY = { timeoutMs: 5000 };

const NEEDS = ['qemu', 'vxlan', 'tap', 'dnsmasq', 'busybox'] as const;

let opened: Promise<VmBed> | undefined;
const bedOf = (): Promise<VmBed> => (opened ??= VmBed.open());
afterAll(async () => {
  await (await opened?.catch(() => undefined))?.close();
}, LIMIT_MS);

function define(...more: readonly Parameters<typeof needs>[number][]) {
  const test = needs(...NEEDS, ...more);
  return (title: string, body: (bed: VmBed) => Promise<void>): void =>
    test(title, async () => body(await bedOf()), LIMIT_MS);
}
const test = define();

/** For sockets and devices of a test. */
class Directory implements Disposable {
  readonly #path = mkdtempSync(join(tmpdir(), 'snnet-vm-test-'));

  path(name: string): string {
    return join(this.#path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}

test('a VM gets its address by its MAC, and reaches a container of its tenant on another node by name', async (bed) => {
  const config = vmConfig(5);
  const { vnic } = await bed.create(config);
  {
    await using vm = await bed.boot({ args: vnic.qemuArgs() });
    expect(await vm.card('address')).toBe(config.vnicMac);
    // The card itself says what fits, before anybody has asked for an address.
    expect(await vm.card('mtu')).toBe(String(MTU));
    const lease = { ip: '172.16.1.5', router: GATEWAY, dns: GATEWAY, mtu: String(MTU) };
    expect(await vm.lease()).toMatchObject({ ...lease, domain: 'a.example' });
    expect(await resolveIn(vm, 'db')).toEqual([DB]);
    expect(await vm.ping(DB)).toEqual(ALL);
    expect(await vm.ping(DB, { size: MTU - HEADERS })).toEqual(ALL);
    const full = { ...PATIENTLY, size: MTU - HEADERS, dontFragment: true };
    expect(await ping(bed.db, config.vnicIp, full)).toEqual(ALL);
    await vm.powerOff();
  }
  expect(await bed.destroy(config)).toBe(true);
  expect(await bed.left()).toEqual([]);
});

test('a VM that was killed starts again on its tap, and gets its MTU by DHCP alone', async (bed) => {
  const config = vmConfig(5);
  const { vnic } = await bed.create(config);
  {
    await using vm = await bed.boot({ args: vnic.qemuArgs() });
    await vm.lease();
    await vm.kill();
  }
  expect(await ipLink(bed.host('cn1'), vnic.linkName)).toMatchObject({ ifindex: vnic.ifIndex });
  {
    await using vm = await bed.boot({ args: vnic.qemuArgs({ mtu: false }) });
    expect(await vm.card('mtu')).toBe('1500');
    expect(await vm.lease()).toMatchObject({ ip: config.vnicIp, mtu: String(MTU) });
    expect(await vm.card('mtu')).toBe(String(MTU));
    expect(await vm.ping(DB)).toEqual(ALL);
  }
  await bed.destroy(config);
  expect(await bed.left()).toEqual([]);
});

test('destroyVnic takes the network from a VM that runs, and nothing else', async (bed) => {
  const config = vmConfig(5);
  const { vnic } = await bed.create(config);
  await using vm = await bed.boot({ args: vnic.qemuArgs() });
  await vm.lease();
  expect(await bed.destroy(config)).toBe(true);
  expect(await bed.left()).toEqual([]);
  expect(vm.running).toBe(true);
  expect(await vm.ping(GATEWAY, ONE_IN_VAIN)).toEqual(NONE);
  // A new VNIC of the same identity is another link: the VM must be started anew.
  const again = await bed.create(config);
  expect(again.vnic.linkName).not.toBe(vnic.linkName);
  expect(await vm.ping(GATEWAY, ONE_IN_VAIN)).toEqual(NONE);
  await vm.kill();
  await bed.destroy(config);
  expect(await bed.left()).toEqual([]);
});

test('a VM with two queues gets them as descriptors; after a kill, by the tap’s name', async (bed) => {
  const config = vmConfig(7, { queues: 2 });
  const { vnic } = await bed.create(config);
  const fds = vnic.fds ?? [];
  expect(fds).toHaveLength(2);
  {
    const booting = bed.boot({ args: vnic.qemuArgs(), fds, cpus: 2 });
    // Whoever has started QEMU closes its own, at once.
    for (const fd of fds) closeSync(fd);
    await using vm = await booting;
    const queues = (await vm.run('ls /sys/class/net/eth0/queues')).match(/\S+/g);
    expect(queues?.sort()).toEqual(['rx-0', 'rx-1', 'tx-0', 'tx-1']);
    expect(await bed.openQueues(vnic)).toBe(2);
    expect(await vm.lease()).toMatchObject({ ip: config.vnicIp, mtu: String(MTU) });
    expect(await vm.ping(DB)).toEqual(ALL);
    await vm.kill();
  }
  expect(await bed.openQueues(vnic)).toBe(0);
  const found = await bed.create(config);
  expect({ created: found.created, fds: found.vnic.fds }).toEqual({ created: false });
  {
    await using vm = await bed.boot({ args: found.vnic.qemuArgs(), cpus: 2 });
    expect(await bed.openQueues(vnic)).toBe(2);
    expect(await vm.lease()).toMatchObject({ ip: config.vnicIp });
    expect(await vm.ping(DB)).toEqual(ALL);
    // A process that has only the kernel to ask knows that there are several queues, not how many.
    await using node = await bed.openNode('cn1');
    const seen = node.topology().vnics.find(({ ip }) => ip === config.vnicIp);
    expect(seen).toMatchObject({ multiQueue: true });
    expect(seen?.queues).toBeUndefined();
    expect(() => seen?.qemuArgs()).toThrow('the number of queues to open');
    expect(seen?.qemuArgs({ queues: 2 })[1]).toBe(found.vnic.qemuArgs()[1]);
  }
  await bed.destroy(config);
  expect(await bed.left()).toEqual([]);
});

test('a VM that migrates keeps its address, and is found on its new node', async (bed) => {
  const config = vmConfig(8);
  using directory = new Directory();
  const sockets = ['source', 'target'].map((name) => directory.path(name));
  const [atSource = '', atTarget = ''] = sockets;
  const qmpAt = (path: string): string[] => ['-qmp', `unix:${path},server=on,wait=off`];

  const here = await bed.create(config);
  const sourceArgs = [...here.vnic.qemuArgs(), ...qmpAt(atSource)];
  await using source = await bed.boot({ args: sourceArgs });
  await source.lease();
  expect(await source.ping(DB)).toEqual(ALL);
  expect(await ping(bed.host('cnci'), config.vnicIp, PATIENTLY)).toEqual(ALL);

  const there = await bed.create(config, 'cn2');
  // From now on its new node has it at the new tap; the rest of the world follows the VM.
  expect(await ping(bed.db, config.vnicIp, { count: 1 })).toEqual(NONE);
  expect(await ping(bed.host('cnci'), config.vnicIp, PATIENTLY)).toEqual(ALL);
  const state = directory.path('state');
  const incoming = ['-incoming', `unix:${state}`];
  const targetArgs = [...there.vnic.qemuArgs(), ...qmpAt(atTarget), ...incoming];
  await using target = await bed.boot({ args: targetArgs, isIncoming: true }, 'cn2');
  using targetMonitor = await Qmp.connect(atTarget);
  using sourceMonitor = await Qmp.connect(atSource);
  await sourceMonitor.execute('migrate', { uri: `unix:${state}` });
  await targetMonitor.event('RESUME');
  await source.kill();
  expect(await bed.destroy(config)).toBe(true);
  expect(await bed.left()).toEqual([]);

  expect(await target.ping(DB)).toEqual(ALL);
  expect(await ping(bed.db, config.vnicIp, PATIENTLY)).toEqual(ALL);
  expect(await ping(bed.host('cnci'), config.vnicIp, PATIENTLY)).toEqual(ALL);
  await target.kill();
  await bed.destroy(config, 'cn2');
});

/** How docs/vm.md opens a macvtap's device, with QEMU's arguments after it. */
function macvtapScript(): string {
  const page = readFileSync(join(PACKAGE_ROOT, 'docs', 'vm.md'), 'utf8');
  return /^```sh\n([^`]*)```$/m.exec(page)?.[1] ?? '';
}

define('macvtap', 'real-root')('a CNCI’s VM is on the physical network', async (bed) => {
  const config = { tenantId: TENANT, vnicId: 'cnci-vm', vnicMac: '02:00:00:00:01:01' };
  using directory = new Directory();
  const { vnic } = await bed.nodes.cn1.createCnciVnic(config);
  {
    // `ip netns exec` mounts the namespace's own sysfs.
    const enter = ['ip', 'netns', 'exec', bed.host('cn1').name];
    const command = [...enter, 'sh', '-eu', '-c', macvtapScript(), 'sh'];
    const device = directory.path('device');
    const env = { LINK: vnic.linkName, INDEX: String(vnic.ifIndex), DEVICE: device };
    await using vm = await bed.boot({ args: vnic.qemuArgs(), command, env });
    expect(await vm.card('address')).toBe(config.vnicMac);
    expect(await vm.card('mtu')).toBe('1500');
    await vm.run('ip address add 198.51.100.77/24 dev eth0; ip link set eth0 up');
    expect(await vm.ping(bed.host('cn2').address, { size: 1500 - HEADERS })).toEqual(ALL);
    expect(await ping(bed.host('cnci'), '198.51.100.77', PATIENTLY)).toEqual(ALL);
    // Its own host is the one that a macvtap does not reach.
    expect(await vm.ping(bed.host('cn1').address, ONE_IN_VAIN)).toEqual(NONE);
  }
  // QEMU was killed: the macvtap is still there.
  expect((await ipLink(bed.host('cn1'), vnic.linkName)).ifindex).toBe(vnic.ifIndex);
  expect(await bed.nodes.cn1.destroyCnciVnic(config)).toEqual({ destroyed: true });
  expect(await bed.left()).toEqual([]);
});
