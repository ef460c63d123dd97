/** A container's end that is made inside the container's namespace, and the name by which a VNIC is found again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ipAddresses, ipLinks, ipRoutes } from '../support/oracle';
import type { IpLink } from '../support/oracle';
import { needsAnywhere } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import { run } from '../support/run';
import { errorOf, findDisorder, ip, linksOf, makeHost, openNode, vnicConfig } from './helpers/node';

const test = needsAnywhere('vxlan');

function attached(ns: Namespace, changes: object = {}): ReturnType<typeof vnicConfig> {
  return vnicConfig(0, {
    role: 'container',
    altName: 'cni.4026531840.0a1b.c1.eth0',
    attach: { netns: ns.path, ifname: 'eth0' },
    ...changes,
  });
}

async function linkIn(ns: Namespace, ifname: string): Promise<IpLink | undefined> {
  return (await ipLinks(ns)).find((link) => link.ifname === ifname);
}

test('the container finds its interface ready: name, MAC, MTU, address, default route, up', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const container = await box.netns('container');
  await using node = await openNode(ns);
  const { vnic, created } = await node.createVnic(attached(container));
  expect(created).toBe(true);
  expect(vnic).toMatchObject({ interfaceName: 'eth0', peerName: 'eth0' });
  expect(vnic.altNames).toEqual(['cni.4026531840.0a1b.c1.eth0']);
  expect(await linkIn(container, 'eth0')).toMatchObject({
    address: '02:00:ac:10:00:02',
    mtu: 1450,
    operstate: 'UP',
  });
  const addresses = (await ipAddresses(container)).filter(
    ({ family, ifname }) => family === 'inet' && ifname === 'eth0',
  );
  expect(addresses).toMatchObject([{ ifname: 'eth0', local: '172.16.0.2', prefixlen: 16 }]);
  expect(await ipRoutes(container)).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ dst: 'default', gateway: '172.16.0.1', dev: 'eth0' }),
    ]),
  );
  expect(await linkIn(ns, vnic.linkName)).toMatchObject({ altnames: [...vnic.altNames] });
  expect(await findDisorder(ns)).toEqual([]);
  await node.destroyVnic(attached(container));
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
  expect(await linkIn(container, 'eth0')).toBeUndefined();
});

test('a name under /run/netns, other routes, and none', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const container = await box.netns('container');
  await using node = await openNode(ns);
  const via = '172.16.0.9';
  await node.createVnic(
    attached(container, {
      attach: {
        netns: container.path,
        ifname: 'net1',
        routes: [{ destination: '10.0.0.0/8', via }, { destination: '192.0.2.0/24' }],
      },
    }),
  );
  await node.createVnic({
    ...vnicConfig(1, { role: 'container' }),
    attach: { netns: container.path, ifname: 'net2', routes: [] },
  });
  const routes = (await ipRoutes(container)).filter(({ gateway }) => gateway !== undefined);
  expect(routes).toHaveLength(2);
  expect(routes).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ dst: '10.0.0.0/8', gateway: via, dev: 'net1' }),
      expect.objectContaining({ dst: '192.0.2.0/24', gateway: '172.16.0.1', dev: 'net1' }),
    ]),
  );
  await node.resetNetwork();
});

test('a process that starts anew knows a VNIC by its altName, of VMs too', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const container = await box.netns('container');
  const tap = vnicConfig(1, { altName: 'vm-1' });
  {
    await using node = await openNode(ns);
    await node.createVnic(attached(container));
    await node.createVnic(tap);
    await ip(ns, 'link property add dev eth0 altname uplink');
  }
  await using node = await openNode(ns);
  expect(node.topology().vnics.map(({ altNames }) => altNames)).toEqual(
    expect.arrayContaining([['cni.4026531840.0a1b.c1.eth0'], ['vm-1']]),
  );
  expect((await node.createVnic(tap)).created).toBe(false);
  expect(await errorOf(node.createVnic({ ...tap, altName: 'vm-2' }))).toMatchObject({
    code: 'SNNET_VNIC_CONFLICT',
    field: 'altName',
    value: 'vm-2',
  });
  expect((await node.createVnic(attached(container))).created).toBe(false);
  await node.resetNetwork();
});

test('what is taken is named, and nothing is left', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const container = await box.netns('container');
  await using node = await openNode(ns);
  await ip(container, 'link add eth0 type bridge');
  expect(await errorOf(node.createVnic(attached(container)))).toMatchObject({
    code: 'SNNET_NAME_TAKEN',
    field: 'attach.ifname',
    value: 'eth0',
  });
  await ip(ns, 'link property add dev eth0 altname cni.4026531840.0a1b.c1.eth0');
  const other = attached(container, { attach: { netns: container.path, ifname: 'eth1' } });
  expect(await errorOf(node.createVnic(other))).toMatchObject({
    code: 'SNNET_NAME_TAKEN',
    field: 'altName',
  });
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
  expect(await linkIn(container, 'eth1')).toBeUndefined();
  await ip(container, 'link delete eth0');
});

test('on several networks the first has the default route, and keeps it', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const container = await box.netns('container');
  await using node = await openNode(ns);
  const first = attached(container);
  const attach = { netns: container.path, ifname: 'eth1' };
  const other = { attach, altName: undefined, subnetId: 'other', subnetKey: 4712 };
  const second = attached(container, other);
  await node.createVnic(first);
  await node.createVnic(second);
  const byDefault = async (): Promise<unknown[]> =>
    (await ipRoutes(container)).filter(({ dst }) => dst === 'default').map(({ dev }) => dev);
  expect(await byDefault()).toEqual(['eth0']);
  await node.destroyVnic(second);
  expect(await byDefault()).toEqual(['eth0']);
  await node.destroyVnic(first);
});

test('a route that the kernel refuses undoes all of it', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const container = await box.netns('container');
  await using node = await openNode(ns);
  // Two equal routes: the second is there already.
  const route = { destination: '10.0.0.0/8' };
  const attach = { netns: container.path, routes: [route, route] };
  expect(await errorOf(node.createVnic(attached(container, { attach })))).toMatchObject({
    code: 'SNNET_KERNEL_FAILED',
    cause: { name: 'EEXIST' },
  });
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
  expect(await linkIn(container, 'eth0')).toBeUndefined();
  expect(node.topology().subnets).toEqual([]);
});

test('what is no network namespace is refused, whatever it is', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const directory = await mkdtemp(join(tmpdir(), 'snnet-attach-'));
  const fifo = join(directory, 'fifo');
  await run(['mkfifo', fifo]);
  try {
    for (const netns of ['/nowhere/at/all', '/etc/passwd', '/proc/self/ns/uts', fifo]) {
      const error = await errorOf(node.createVnic(attached(ns, { attach: { netns } })));
      expect(error).toMatchObject({ code: 'SNNET_NETNS_NOT_FOUND' });
      expect(error.message).toContain(netns);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
  expect(await linksOf(ns)).toEqual([]);
});

test('a namespace that goes takes the VNIC along, and it can be made again', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const first = await box.netns('first');
  const second = await box.netns('second');
  await using node = await openNode(ns);
  await node.createVnic(attached(first));
  const { vnic } = await node.createVnic({ ...vnicConfig(1), role: 'vm' });
  await run(['ip', '-n', first.name, 'link', 'delete', 'eth0']);
  const again = await node.createVnic(attached(second));
  expect(again.created).toBe(true);
  expect(await linkIn(second, 'eth0')).toMatchObject({ operstate: 'UP' });
  expect(node.topology().vnics.map(({ linkName }) => linkName)).toContain(vnic.linkName);
  expect(await findDisorder(ns)).toEqual([]);
  await node.resetNetwork();
});
