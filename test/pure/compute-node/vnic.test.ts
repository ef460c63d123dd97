import { containerNetwork, tunnelEvent } from '#lib/compute-node/events';
import { Feed } from '#lib/compute-node/feed';
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
    'virtio-net-pci,netdev=net0,mac=02:00:ac:10:00:02',
  ]);
  expect(vnic.firecrackerInterface('eth1')).toEqual({
    iface_id: 'eth1',
    host_dev_name: 'svn_1',
    guest_mac: '02:00:ac:10:00:02',
  });
  expect(vnic.cloudHypervisorArgs()).toEqual(['--net', 'tap=svn_1,mac=02:00:ac:10:00:02']);
});

test('a launcher gets what it pastes, for several queues', () => {
  const vnic = new Vnic(known, ids, [20, 21, 22, 23]);
  expect(vnic.qemuArgs('a')).toEqual([
    '-netdev',
    'tap,id=a,fds=3:4:5:6',
    '-device',
    'virtio-net-pci,netdev=a,mac=02:00:ac:10:00:02,mq=on,vectors=10',
  ]);
  expect(vnic.cloudHypervisorArgs()[1]).toBe('tap=svn_1,mac=02:00:ac:10:00:02,num_queues=8');
  expect(Object.isFrozen(vnic.fds)).toBe(true);
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
  expect(vnic.qemuArgs()[3]).toBe('virtio-net-pci,netdev=net0');
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
    'virtio-net-pci,netdev=net0,mac=02:00:00:00:00:77',
  ]);
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
