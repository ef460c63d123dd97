/** Whatever a method is given, nothing but an error of ours comes out. */
import { inspect } from 'node:util';
import { Cnci, ComputeNode, Firewall, isLibsnnetError, parseAlias } from '#lib/index';
import { makeHost, optionsFor, TENANT, vnicConfig } from '../kernel/helpers/node';
import { StateDir } from '../kernel/helpers/workload';
import { hostileValues } from '../pure/helpers/refusal';
import { needs } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';

type Method = (...args: unknown[]) => unknown;

/** What is called with each value, in each place. */
const CALLS: Readonly<
  Record<string, readonly (readonly [method: string, ...before: unknown[]])[]>
> = {
  node: [
    ...[['createVnic'], ['destroyVnic'], ['createCnciVnic'], ['destroyCnciVnic'], ['repair']],
    ...[['repointConcentrator'], ['dbRebuild'], ['audit'], ['plan'], ['plan', 'createVnic']],
    ['watch'],
    ...[
      ['createVnic', vnicConfig(1)],
      ['repair', {}],
      ['plan', 'destroyCnciVnic'],
    ],
  ] as [string, ...unknown[]][],
  cnci: [
    ...[['addRemoteSubnet'], ['delRemoteSubnet'], ['updateNeighbors'], ['rebuildTopology']],
    ...[['setHosts'], ['removeHosts'], ['releaseLease'], ['leases'], ['plan'], ['watch']],
    ...[
      ['plan', 'updateNeighbors'],
      ['setHosts', []],
      ['leases', '10.0.0.0/8'],
    ],
  ] as [string, ...unknown[]][],
  firewall: [
    ...[['routing'], ['extFwding'], ['extPortAccess'], ['publicIpAccess'], ['passBridges']],
    ...[
      ['extFwding', 'enable'],
      ['extPortAccess', 'disable'],
      ['publicIpAccess', 'enable'],
    ],
    ...[['plan'], ['plan', 'extPortAccess', 'enable'], ['state'], ['dump'], ['audit'], ['watch']],
  ] as [string, ...unknown[]][],
};

/** What comes out that is none of our errors, when it is given each hostile value. */
async function strangenessOf(title: string, call: Method): Promise<string[]> {
  const found: string[] = [];
  for (const [what, value] of [['nothing', undefined] as const, ...hostileValues()]) {
    try {
      await call(value);
    } catch (error) {
      if (!isLibsnnetError(error)) found.push(`${title} of ${what}: ${inspect(error)}`);
    }
  }
  return found;
}

async function open(ns: Namespace, stateDir: string) {
  const options = optionsFor(ns);
  const node = await ComputeNode.open(options);
  const cnci = await Cnci.open({ ...options, tenantId: TENANT, dhcp: { stateDir } });
  const firewall = await Firewall.open({ externalDevices: ['eth0'], netns: ns.path });
  return { node, cnci, firewall };
}

needs(
  'vxlan',
  'dnsmasq',
  'nftables',
)('methods and hostile values', async () => {
  using state = new StateDir();
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const things = await open(ns, state.path);
  const found: string[] = [];
  for (const [name, calls] of Object.entries(CALLS)) {
    const thing = things[name as keyof typeof things] as unknown as Record<string, Method>;
    for (const [method, ...before] of calls) {
      found.push(
        ...(await strangenessOf(`${name}.${method}`, (it) => thing[method]!(...before, it))),
      );
    }
  }
  expect(found).toEqual([]);
  await things.firewall.shutdown();
  await things.firewall.close();
  await things.cnci.shutdown();
  await things.cnci.close();
  await things.node.destroyVnic(vnicConfig(1));
  await things.node.close();
});

needs('vxlan', 'nftables')('what opens, and hostile values', async () => {
  const classes = [ComputeNode, Cnci];
  const found = await Promise.all(
    classes.map((Class) =>
      strangenessOf(`${Class.name}.open`, (value) =>
        Reflect.apply(Class.open as unknown as Method, Class, [value]),
      ),
    ),
  );
  expect(found.flat()).toEqual([]);
  expect(await strangenessOf('parseAlias', (value) => parseAlias(value))).toEqual([]);
});
