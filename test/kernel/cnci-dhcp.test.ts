/** The concentrator serves its subnets with addresses and names, through its whole life. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

import { Cnci, ComputeNode } from '#lib/index';
import type { CnciOptions } from '#lib/index';

import { ipLinks, ping } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, run, until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import { UNDERLAY, openUnderlay } from '../support/underlay';
import { errorOf } from './helpers/node';
import { lookUp, StateDir, takeLease } from './helpers/workload';

const CNCI_ID = '1f8b0000-0000-4000-8000-0000000000c1';
const TENANT = '1f8b0000-0000-4000-8000-00000000000a';
const it = needs('vxlan', 'dnsmasq', 'busybox');

function optionsFor(ns: Namespace, stateDir: string): CnciOptions {
  return {
    id: CNCI_ID,
    tenantId: TENANT,
    mode: 'vxlan',
    computeNets: [UNDERLAY],
    netns: ns.path,
    allowVethUplink: true,
    timeoutMs: 20_000 * patience,
    dhcp: { stateDir, domain: 'tenant.example' },
  };
}

const subnet = (n: number) => `172.16.${String(n)}.0/24`;
const remote = (n: number, cnIp = '198.51.100.7') => ({
  subnet: subnet(n),
  subnetKey: 1000 + n,
  cnIp,
});

async function serversIn(ns: Namespace): Promise<number[]> {
  const { stdout } = await run(['ip', 'netns', 'pids', ns.name]);
  const pids = stdout.split('\n').filter((line) => line !== '');
  return pids
    .map(Number)
    .filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'dnsmasq\n');
}

it('a workload on a node gets its address, name and MTU through the tunnel', async () => {
  using state = new StateDir();
  await using box = await Sandbox.open();
  const { cn, conc } = await openUnderlay(box, ['cn', 'conc']);
  await using cnci = await Cnci.open(optionsFor(conc, state.path));
  await using node = await ComputeNode.open({
    id: 'n1',
    mode: 'vxlan',
    computeNets: [UNDERLAY],
    netns: cn.path,
    allowVethUplink: true,
  });
  const workloads = [];
  for (const last of [5, 6]) {
    const { vnic, event } = await node.createVnic({
      role: 'container',
      tenantId: TENANT,
      subnetId: 's',
      concId: CNCI_ID,
      concIp: conc.address,
      vnicId: `v${String(last)}`,
      vnicIp: `172.16.1.${String(last)}`,
      vnicMac: `02:00:ac:10:01:0${String(last)}`,
      subnet: subnet(1),
      subnetKey: 1001,
    });
    if (event !== undefined) await cnci.addRemoteSubnet(remote(1, event.cnIp));
    const ns = await box.netns(`w${String(last)}`);
    const end = vnic.interfaceName;
    await box.exec(cn, ['ip', 'link', 'set', 'dev', end, 'netns', ns.name]);
    await box.exec(ns, ['ip', 'link', 'set', 'dev', end, 'up']);
    workloads.push({ ns, end, ip: vnic.ip });
  }
  await cnci.setHosts([
    { ip: '172.16.1.5', name: 'web' },
    { ip: '172.16.1.6', name: 'db' },
  ]);
  for (const { ns, end, ip } of workloads) {
    expect(await takeLease(box, ns, end)).toMatchObject({
      ip,
      router: '172.16.1.1',
      dns: '172.16.1.1',
      mtu: '1450',
      domain: 'tenant.example',
    });
  }
  expect((await cnci.leases(subnet(1))).map(({ ip }) => ip).sort()).toEqual([
    '172.16.1.5',
    '172.16.1.6',
  ]);
  const [web] = workloads;
  if (web === undefined) throw new Error('unreachable');
  const server = '172.16.1.1';
  await until(
    async () => (await lookUp(box, web.ns, { name: 'db', server })).length > 0,
    10_000 * patience,
  );
  expect(await lookUp(box, web.ns, { name: 'db', server })).toEqual(['172.16.1.6']);
  expect(await lookUp(box, web.ns, { name: '172.16.1.6', server })).toEqual(['db.tenant.example']);
  expect(await ping(web.ns, '172.16.1.6')).toEqual({ sent: 3, received: 3 });
  expect(await cnci.releaseLease('172.16.1.6')).toBe(true);
  expect(await cnci.releaseLease('172.16.1.6')).toBe(false);
  await cnci.removeHosts(['172.16.1.6']);
  await until(
    async () => (await lookUp(box, web.ns, { name: 'db', server })).length === 0,
    10_000 * patience,
  );
  expect(await cnci.shutdown()).toMatchObject({ failed: [] });
  await node.resetNetwork();
  await node.settle();
  await cnci.settle();
  expect(await serversIn(conc)).toEqual([]);
});

it('a new process takes the servers over as they run, and starts what died', async () => {
  using state = new StateDir();
  await using box = await Sandbox.open();
  const { conc } = await openUnderlay(box, ['conc']);
  const first = await Cnci.open(optionsFor(conc, state.path));
  await Promise.all([1, 2, 3].map((n) => first.addRemoteSubnet(remote(n))));
  const before = await serversIn(conc);
  expect(before).toHaveLength(3);
  expect(
    first
      .topology()
      .subnets.map(({ dhcp }) => dhcp?.pid)
      .sort(),
  ).toEqual(before.sort());
  await first.close();
  const [victim = 0, ...others] = before;
  process.kill(victim, 'SIGKILL');
  await until(async () => (await serversIn(conc)).length === 2, 10_000 * patience);
  const second = await Cnci.open(optionsFor(conc, state.path));
  const after = await serversIn(conc);
  expect(after).toHaveLength(3);
  expect(after).toEqual(expect.arrayContaining(others));
  expect(second.topology().findings).toEqual([]);
  await second.delRemoteSubnet(remote(1));
  expect(await serversIn(conc)).toHaveLength(3);
  expect(await second.shutdown()).toMatchObject({ failed: [] });
  expect(await serversIn(conc)).toEqual([]);
  expect(existsSync(state.path) ? readdirSync(state.path) : []).toEqual([]);
  // After a shutdown it begins anew.
  await second.addRemoteSubnet(remote(4));
  expect(await serversIn(conc)).toHaveLength(1);
  await second.shutdown();
  await second.close();
});

it('a subnet that cannot be served is not added, and an open tells of one that is not', async () => {
  using state = new StateDir();
  await using box = await Sandbox.open();
  const { conc } = await openUnderlay(box, ['conc']);
  await using silent = await Cnci.open({ ...optionsFor(conc, state.path), dhcp: false });
  await silent.addRemoteSubnet(remote(1));
  const bad = { ...optionsFor(conc, state.path), dhcp: { stateDir: '/proc/none' } };
  await using cnci = await Cnci.open(bad);
  expect(cnci.topology().findings).toMatchObject([{ type: 'no-dhcp', subnet: subnet(1) }]);
  const names = async () => (await ipLinks(conc)).map(({ ifname }) => ifname).sort();
  const before = await names();
  expect(await errorOf(cnci.addRemoteSubnet(remote(2)))).toMatchObject({
    operation: 'addRemoteSubnet',
  });
  await cnci.settle();
  expect(await names()).toEqual(before);
  expect(await errorOf(silent.setHosts([]))).toMatchObject({ code: 'SNNET_DHCP_OFF' });
  expect(await errorOf(Cnci.open({ ...bad, dhcp: { stateDir: 'relative' } }))).toMatchObject({
    field: 'stateDir',
    operation: 'Cnci.open',
  });
  await silent.shutdown();
  await silent.settle();
});
