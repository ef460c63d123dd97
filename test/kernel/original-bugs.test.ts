/** What went wrong in the Go library: none of it may happen here. One test for each, as far as it is built. */
import type { Fault, Plan } from '#lib/plan/index';

import { ipAddresses } from '../support/oracle';
import { needs } from '../support/reasons';
import { sleep } from '../support/run';
import { Sandbox } from '../support/sandbox';
import {
  CONC_IP,
  OTHER_TENANT,
  errorOf,
  findDisorder,
  ip,
  linksOf,
  makeHost,
  namesOf,
  openNode,
  ourLinks,
  subnetConfig,
  vnicConfig,
} from './helpers/node';

const test = needs('vxlan');

function failing(step: number, operation = 'createVnic') {
  const saboteur = { isOn: true };
  const fault = (plan: Plan): Fault | undefined =>
    saboteur.isOn && plan.operation === operation ? { step, errno: 'ENOMEM' } : undefined;
  return { saboteur, fault };
}

test('a create that failed does not poison its identity (1)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const { saboteur, fault } = failing(2);
  await using node = await openNode(ns, {}, { fault });
  await errorOf(node.createVnic(vnicConfig()));
  saboteur.isOn = false;
  expect(await node.destroyVnic(vnicConfig())).toEqual({ destroyed: false });
  const { vnic, created, event } = await node.createVnic(vnicConfig());
  expect({ created, event: event?.code }).toEqual({ created: true, event: 2 });
  expect((await ourLinks(ns)).vnics[0]?.ifindex).toBe(vnic.ifIndex);
  await node.createVnic(vnicConfig(1));
  await node.destroyVnic(vnicConfig(1));
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

test('a CNCI’s VNIC that failed does not poison its identity (1)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const { saboteur, fault } = failing(0, 'createCnciVnic');
  await using node = await openNode(ns, {}, { fault });
  const config = { tenantId: 't', vnicId: 'v', vnicMac: '02:00:00:00:01:01' };
  await errorOf(node.createCnciVnic(config));
  saboteur.isOn = false;
  expect((await node.createCnciVnic(config)).created).toBe(true);
  await node.destroyCnciVnic(config);
});

test('a create that failed leaves nothing in the kernel, so that a new process can start (2)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const { fault } = failing(1);
  await using node = await openNode(ns, {}, { fault });
  await errorOf(node.createVnic(vnicConfig()));
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
});

test('one tenant’s broken subnet does not keep a node from starting (2)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await ip(ns, 'link add sbr_1 type bridge', `link set sbr_1 alias br_t_s_c_${CONC_IP}`);
  await using node = await openNode(ns);
  expect(node.topology().findings.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['orphan']),
  );
  expect((await node.createVnic(vnicConfig())).created).toBe(true);
  await node.resetNetwork();
  await node.settle();
});

test('a key of 0 is refused before anything is made (3)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  expect(await errorOf(node.createVnic(vnicConfig(0, { subnetKey: 0 })))).toMatchObject({
    code: 'SNNET_INPUT_INVALID',
    field: 'subnetKey',
    value: 0,
  });
  expect(await linksOf(ns)).toEqual([]);
});

test('a subnet that is empty or IPv6 is refused before anything is made (4)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  for (const subnet of ['', 'fd00::/64']) {
    expect(await errorOf(node.createVnic(vnicConfig(0, { subnet })))).toMatchObject({
      code: 'SNNET_INPUT_INVALID',
      field: 'subnet',
    });
  }
  expect(await linksOf(ns)).toEqual([]);
});

test('a VNIC whose link somebody removed can be destroyed and made again (5)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  await ip(ns, `link delete ${vnic.linkName}`);
  expect((await node.destroyVnic(vnicConfig())).event?.code).toBe(4);
  expect((await node.createVnic(vnicConfig())).created).toBe(true);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

test('a stranger who got the index of a VNIC is not deleted for it (5)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  box.allow(ns, ['eth0', 'eth0peer', 'theirs']);
  await using node = await openNode(ns);
  const { vnic } = await node.createVnic(vnicConfig());
  await ip(ns, `link delete ${vnic.linkName}`, `link add theirs index ${vnic.ifIndex} type bridge`);
  await node.destroyVnic(vnicConfig());
  await node.settle();
  expect(await namesOf(ns)).toEqual(['theirs']);
});

test('the last destroy tells of the tunnel also where somebody removed it (6)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  await node.createVnic(vnicConfig());
  await ip(ns, `link delete ${(await ourLinks(ns)).tunnels[0]?.ifname}`);
  expect((await node.destroyVnic(vnicConfig())).event?.code).toBe(4);
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
});

test('a container with a VM’s address is refused, and so is another key (7)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  await node.createVnic(vnicConfig());
  for (const changes of [{ role: 'container' as const }, { subnetKey: 1 }]) {
    expect(await errorOf(node.createVnic(vnicConfig(0, changes)))).toMatchObject({
      code: 'SNNET_VNIC_CONFLICT',
    });
  }
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

test('a reset leaves what an administrator gave an alias (8, 9)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  box.allow(ns, ['eth0', 'eth0peer', 'admin']);
  await ip(ns, 'link add admin type bridge', 'link set admin alias uplink-of-rack-7');
  await using node = await openNode(ns);
  await node.createVnic(vnicConfig());
  await node.resetNetwork();
  await node.settle();
  expect(await namesOf(ns)).toEqual(['admin']);
  expect(node.topology().subnets).toEqual([]);
});

test('a node with one uplink needs no networks in its options (10)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns, { computeNets: [] });
  expect(node.computeLinks.map(({ linkName }) => linkName)).toEqual(['eth0']);
  expect(node.managementLinks).toEqual(node.computeLinks);
});

test('a bridge of ours with an address is never an uplink (11)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  box.allow(ns, 'anything');
  await ip(
    ns,
    'link add sbr_1 type bridge',
    'link set sbr_1 alias br_198.51.100.128+25',
    'address add 198.51.100.129/25 dev sbr_1',
    'link add renamed type bridge',
    'link set renamed alias br_192.168.7.0+24',
    'address add 192.168.7.1/24 dev renamed',
  );
  await using node = await openNode(ns, { computeNets: [] });
  expect(node.computeLinks.map(({ linkName }) => linkName)).toEqual(['eth0']);
});

test('what was destroyed leaves nothing in memory either (12)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const configs = Array.from({ length: 20 }, (_, n) => subnetConfig(n, { role: 'container' }));
  await Promise.all(configs.map((config) => node.createVnic(config)));
  await Promise.all(configs.map((config) => node.destroyVnic(config)));
  expect(node.topology().subnets).toEqual([]);
  await errorOf(node.createVnic(vnicConfig(0, { subnetKey: 0x00ff_ffff })));
  expect(node.topology().subnets).toEqual([]);
  await node.settle();
});

test('a VM is told nothing of container networks, and the first container adds it once (13)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  expect((await node.createVnic(vnicConfig())).container).toBeUndefined();
  expect((await node.createVnic(vnicConfig())).container).toBeUndefined();
  const kinds = [];
  for (const n of [1, 2]) {
    kinds.push((await node.createVnic(vnicConfig(n, { role: 'container' }))).container?.kind);
  }
  expect(kinds).toEqual(['container-network-add', 'container-network-info']);
  await node.resetNetwork();
  await node.settle();
});

test('events have words, and numbers that are the original’s on the wire (14)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const numbers: unknown[] = [];
  const note = (result: {
    readonly event?: { readonly kind: string; readonly code: number };
    readonly container?: { readonly kind: string; readonly code: number };
  }): void => {
    const { event, container } = result;
    numbers.push([event?.kind, event?.code, container?.kind, container?.code]);
  };
  const configs = [0, 1].map((n) => vnicConfig(n, { role: 'container' }));
  for (const config of configs) note(await node.createVnic(config));
  for (const config of configs) note(await node.destroyVnic(config));
  // There is no 1: the original's constants began to count on their second line.
  expect(numbers).toEqual([
    ['tunnel-add', 2, 'container-network-add', 2],
    [undefined, undefined, 'container-network-info', 0],
    [undefined, undefined, undefined, undefined],
    ['tunnel-del', 4, 'container-network-del', 4],
  ]);
  await node.settle();
});

test('a failed create never comes with an event (15)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const { saboteur, fault } = failing(2);
  await using node = await openNode(ns, {}, { fault });
  expect(await errorOf(node.createVnic(vnicConfig()))).not.toHaveProperty('event');
  saboteur.isOn = false;
  expect((await node.createVnic(vnicConfig())).event?.code).toBe(2);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

test('CNCI VNICs and tenants’ VNICs are made at the same time (16)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const made = await Promise.all(
    Array.from({ length: 16 }, (_, n) => [
      node.createVnic(subnetConfig(n)),
      node.createCnciVnic({
        tenantId: `t${n}`,
        vnicId: 'v',
        vnicMac: `02:00:00:00:02:0${n.toString(16)}`,
      }),
    ]).flat(),
  );
  expect(made.every(({ created }) => created)).toBe(true);
  await node.resetNetwork();
  await node.settle();
});

test('a destroy does not keep creates of other subnets waiting (17)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const old = Array.from({ length: 30 }, (_, n) => subnetConfig(n));
  await Promise.all(old.map((config) => node.createVnic(config)));
  let destroyed = 0;
  const destroying = old.map((config) => node.destroyVnic(config).then(() => (destroyed += 1)));
  await node.createVnic(subnetConfig(100));
  expect(destroyed).toBeLessThan(old.length);
  await Promise.all(destroying);
  await node.destroyVnic(subnetConfig(100));
  await node.settle();
});

test('a deadline and a cancellation also count while a call waits (18, 40)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns, { maxConcurrency: 1 });
  const others = Array.from({ length: 30 }, (_, n) => node.createVnic(subnetConfig(n)));
  const late = errorOf(node.createVnic(subnetConfig(50), { timeoutMs: 1 }));
  const controller = new AbortController();
  const aborted = errorOf(node.createVnic(subnetConfig(51), { signal: controller.signal }));
  await sleep(0);
  controller.abort();
  expect(await late).toMatchObject({ code: 'SNNET_CALL_TIMEOUT' });
  expect(await aborted).toMatchObject({ code: 'SNNET_CALL_ABORTED' });
  await Promise.all(others);
  await node.resetNetwork();
  await node.settle();
});

test('a rebuild among creates does not lose them, and a configuration is not changed (21)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const config = Object.freeze(vnicConfig());
  await Promise.all([node.createVnic(config), node.dbRebuild(), node.createVnic(vnicConfig(1))]);
  expect(node.topology().vnics).toHaveLength(2);
  expect(await findDisorder(ns)).toEqual([]);
  await node.resetNetwork();
  await node.settle();
});

test('names that never come out free are an error, not a loop (22)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  box.allow(ns, ['eth0', 'eth0peer', 'sbr_1']);
  await ip(ns, 'link add sbr_1 type bridge');
  let index = 0x3000_0000;
  const chooser = {
    ifname: (prefix: string) => `${prefix}1`,
    ifindex: () => (index += 1),
    mac: () => '02:00:00:00:00:01',
  };
  await using node = await openNode(ns, {}, { chooser });
  expect(await errorOf(node.createVnic(vnicConfig()))).toMatchObject({
    code: 'SNNET_KERNEL_FAILED',
    cause: { name: 'EEXIST' },
  });
});

test('the host has no address and forwards nothing on a tenant’s bridge (26)', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  await node.createVnic(vnicConfig());
  const bridge = (await ourLinks(ns)).bridges[0]?.ifname ?? '';
  const addresses = await ipAddresses(ns);
  expect(addresses.filter(({ ifname }) => ifname === bridge)).toEqual([]);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

test('two tenants may have one key where the kind of tunnel allows it, else it is said', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  await node.createVnic(vnicConfig());
  const theirs = vnicConfig(0, { tenantId: OTHER_TENANT, concIp: '198.51.100.10' });
  expect(await errorOf(node.createVnic(theirs))).toMatchObject({ code: 'SNNET_VNI_TAKEN' });
  await node.destroyVnic(vnicConfig());
  await node.settle();
});
