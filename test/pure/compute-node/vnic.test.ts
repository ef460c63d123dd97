import { containerNetwork, tunnelEvent } from '#lib/compute-node/events';
import { Feed } from '#lib/watch/index';
import { CnciVnic, Vnic } from '#lib/compute-node/vnic';
import { parseVnicConfig } from '#lib/model/index';
import type { KnownVnic } from '#lib/topology/index';

const known: KnownVnic = {
  ifIndex: 7,
  linkName: 'svn_1',
  alias: 'vnic_t_s_c_192.0.2.9##172.16.0.2',
  mtu: 1450,
  mac: '02:00:00:00:00:77',
  role: 'vm',
  ip: '172.16.0.2',
  multiQueue: false,
  peerName: undefined,
  peerMac: undefined,
  altNames: [],
};
const ids = { tenantId: 't', subnetId: 's', concId: 'c', vnicId: 'v', mac: '02:00:ac:10:00:02' };

test('a launcher gets what it pastes, for one queue', () => {
  const vnic = new Vnic(known, ids, undefined);
  expect(vnic.qemuArgs()).toEqual([
    '-netdev',
    'tap,id=net0,ifname=svn_1,script=no,downscript=no',
    '-device',
    'virtio-net-pci,netdev=net0,mac=02:00:ac:10:00:02,host_mtu=1450',
  ]);
  expect(vnic.firecrackerInterface({ id: 'eth1' })).toEqual({
    iface_id: 'eth1',
    host_dev_name: 'svn_1',
    guest_mac: '02:00:ac:10:00:02',
  });
  expect(vnic.firecrackerInterface({ mtu: true })).toMatchObject({ mtu: 1450 });
  expect(vnic.cloudHypervisorArgs()).toEqual(['--net', 'tap=svn_1,mac=02:00:ac:10:00:02']);
  expect(vnic.libvirtInterface().split('\n')).toEqual([
    "<interface type='ethernet'>",
    "  <mac address='02:00:ac:10:00:02'/>",
    "  <target dev='svn_1' managed='no'/>",
    "  <model type='virtio'/>",
    "  <mtu size='1450'/>",
    '</interface>',
  ]);
});

const several: KnownVnic = { ...known, multiQueue: true };

test('a launcher gets what it pastes, for several queues', () => {
  const vnic = new Vnic(several, ids, [20, 21, 22, 23]);
  expect(vnic.qemuArgs({ id: 'a', firstFd: 10 })).toEqual([
    '-netdev',
    'tap,id=a,fds=10:11:12:13',
    '-device',
    'virtio-net-pci,netdev=a,mac=02:00:ac:10:00:02,host_mtu=1450,mq=on,vectors=10',
  ]);
  expect(vnic.cloudHypervisorArgs()[1]).toBe('fd=[3,4,5,6],mac=02:00:ac:10:00:02,num_queues=8');
  expect(vnic.libvirtInterface({ vhost: true })).toContain("<driver name='vhost' queues='4'/>");
  expect([Object.isFrozen(vnic.fds), vnic.queues]).toEqual([true, 4]);
});

test('a tap of several queues that is there already is opened by its name', () => {
  const vnic = new Vnic(several, { ...ids, queues: 4 }, undefined);
  expect(vnic.qemuArgs()[1]).toBe('tap,id=net0,ifname=svn_1,script=no,downscript=no,queues=4');
  expect(vnic.qemuArgs({ queues: 2, vhost: false })).toEqual([
    '-netdev',
    'tap,id=net0,ifname=svn_1,script=no,downscript=no,queues=2,vhost=off',
    '-device',
    'virtio-net-pci,netdev=net0,mac=02:00:ac:10:00:02,host_mtu=1450,mq=on,vectors=6',
  ]);
  expect(vnic.cloudHypervisorArgs()[1]).toBe('tap=svn_1,mac=02:00:ac:10:00:02,num_queues=8');
});

test('what a hypervisor could not open is refused by the field', () => {
  const one = new Vnic(known, ids, undefined);
  const unknown = new Vnic(several, ids, undefined);
  const handed = new Vnic(several, ids, [20, 21]);
  const container = new Vnic({ ...known, role: 'container' }, ids, undefined);
  const refused: readonly (readonly [() => unknown, string])[] = [
    [() => one.qemuArgs({ queues: 2 }), 'queues'],
    [() => unknown.qemuArgs(), 'queues'],
    [() => unknown.cloudHypervisorArgs({ queues: 1 }), 'queues'],
    [() => unknown.firecrackerInterface(), 'queues'],
    [() => handed.qemuArgs({ queues: 3 }), 'queues'],
    [() => container.libvirtInterface(), 'role'],
    [() => one.qemuArgs({ id: 'a,b' }), 'id'],
    [() => one.qemuArgs({ firstFd: -1 }), 'firstFd'],
    [() => one.qemuArgs({ vhost: 'on' as never }), 'vhost'],
    [() => one.firecrackerInterface({ id: 'net.0' }), 'id'],
  ];
  for (const [act, field] of refused) {
    expect(act).toThrow(expect.objectContaining({ field }) as Error);
  }
  expect(() => one.qemuArgs(null as never)).toThrow('Expected an object for options');
});

test('signs in a name that somebody gave a tap stay what they are', () => {
  const vnic = new Vnic({ ...known, linkName: "a,b&'<" }, ids, undefined);
  expect(vnic.qemuArgs()[1]).toContain(",ifname=a,,b&'<,");
  expect(vnic.libvirtInterface()).toContain("dev='a,b&amp;&apos;&lt;'");
});

test('a VNIC that was found says only what is known', () => {
  const vnic = new Vnic(known, { tenantId: 't', subnetId: 's', concId: 'c' }, undefined);
  expect(JSON.parse(JSON.stringify(vnic))).toEqual({
    role: 'vm',
    linkName: 'svn_1',
    ifIndex: 7,
    peerName: 'svn_1',
    interfaceName: 'svn_1',
    alias: known.alias,
    altNames: [],
    ip: '172.16.0.2',
    mtu: 1450,
    tenantId: 't',
    subnetId: 's',
    concId: 'c',
  });
  expect(vnic.qemuArgs({ mtu: false })[3]).toBe('virtio-net-pci,netdev=net0');
  expect(vnic.firecrackerInterface()).toEqual({ iface_id: 'eth0', host_dev_name: 'svn_1' });
  expect(vnic.cloudHypervisorArgs()).toEqual(['--net', 'tap=svn_1']);
});

test('a container’s interface is the far end', () => {
  const container: KnownVnic = {
    ...known,
    role: 'container',
    peerName: 'svp_1',
    peerMac: '02:00:00:00:00:05',
  };
  const vnic = new Vnic(container, { tenantId: 't', subnetId: 's', concId: 'c' }, undefined);
  expect([vnic.interfaceName, vnic.mac]).toEqual(['svp_1', '02:00:00:00:00:05']);
});

test('the VNIC of a CNCI is a character device', () => {
  const vnic = new CnciVnic(known, 't', 'v');
  expect(vnic.devicePath).toBe('/dev/tap7');
  expect(vnic.qemuArgs()).toEqual([
    '-netdev',
    'tap,id=net0,fd=3',
    '-device',
    'virtio-net-pci,netdev=net0,mac=02:00:00:00:00:77,host_mtu=1450',
  ]);
  expect(vnic.cloudHypervisorArgs({ firstFd: 5 })).toEqual(['--net', 'fd=5,mac=02:00:00:00:00:77']);
  expect(vnic.libvirtInterface()).toContain("<target dev='svn_1' managed='no'/>");
});

const config = parseVnicConfig(
  {
    tenantId: 't',
    subnetId: 's',
    concId: 'c',
    concIp: '192.0.2.9',
    vnicId: 'v',
    vnicIp: '172.16.0.2',
    vnicMac: '02:00:ac:10:00:02',
    subnet: '172.16.0.0/24',
    subnetKey: 7,
  },
  'test',
);

test('events carry the numbers of the original', () => {
  const ends = { tunnel: 'gre', cnIp: '192.0.2.1', subnetKey: 7, cnId: 'n' } as const;
  const codes = (['tunnel-add', 'tunnel-del'] as const).map(
    (kind) => tunnelEvent(kind, config, ends).code,
  );
  expect(codes).toEqual([2, 4]);
  const networks = (['info', 'add', 'del'] as const).map(
    (kind) => containerNetwork(`container-network-${kind}`, config, known).code,
  );
  expect(networks).toEqual([0, 2, 4]);
});

test('a feed gives what came in order, and ends while a read waits', async () => {
  const onEnd = jest.fn();
  const feed = new Feed<number>(-1, undefined, onEnd);
  feed.push(1);
  feed.push(2);
  expect(await feed.next()).toEqual({ done: false, value: 1 });
  expect(await feed.next()).toEqual({ done: false, value: 2 });
  const waiting = [feed.next(), feed.next()];
  feed.push(3);
  expect(await waiting[0]).toEqual({ done: false, value: 3 });
  await feed.return();
  expect(await waiting[1]).toEqual({ done: true, value: undefined });
  expect(await feed.next()).toEqual({ done: true, value: undefined });
  feed.push(4);
  feed.end();
  expect(onEnd).toHaveBeenCalledTimes(1);
});

test('a feed whose reader is far behind says so, and does not grow', async () => {
  const feed = new Feed<number>(-1, undefined, () => undefined);
  for (let n = 0; n <= 10_000; n += 1) feed.push(n);
  feed.push(7);
  expect(await feed.next()).toMatchObject({ value: -1 });
  expect(await feed.next()).toMatchObject({ value: 7 });
  await feed[Symbol.asyncDispose]();
});

test('a feed ends by its signal, before or after it began', async () => {
  const over = new Feed<number>(-1, AbortSignal.abort(), () => undefined);
  expect(over.isOver).toBe(true);
  expect(await over.next()).toEqual({ done: true, value: undefined });
  const controller = new AbortController();
  const feed = new Feed<number>(-1, controller.signal, () => undefined);
  const waiting = feed.next();
  controller.abort();
  expect(await waiting).toEqual({ done: true, value: undefined });
  const thrown = new Feed<number>(-1, undefined, () => undefined);
  await expect(thrown.throw(new Error('x'))).rejects.toThrow('x');
});
