/** One concentrator in a namespace, and what the official tools say of its mesh. */
import { openCnci, type Cnci } from '#lib/cnci/index';
import type { HostHooks } from '#lib/host/index';
import type { MeshKind, NeighborInput } from '#lib/model/index';

import type { Namespace } from '../../support/namespaces';
import { bridgeFdb, ipAddresses, ipNeighbours, ipRoutes } from '../../support/oracle';
import { patience } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import { UNDERLAY, openUnderlay } from '../../support/underlay';

const TENANT = '1f8b0000-0000-4000-8000-00000000000a';
export const MESH_ID = 5;

export function optionsFor(mode: MeshKind, netns: string) {
  return {
    id: 'cnci',
    tenantId: TENANT,
    dhcp: false as const,
    mode,
    computeNets: [UNDERLAY],
    netns,
    allowVethUplink: true,
    timeoutMs: 30_000 * patience,
  };
}

/** The n-th concentrator, n from 1: it has the subnet 172.16.n.0/24. */
export function neighbor(n: number, changes: Partial<NeighborInput> = {}): NeighborInput {
  return {
    physicalIp: `198.51.100.${String(n)}`,
    subnet: `172.16.${String(n)}.0/24`,
    tunnelIp: `192.168.64.${String(n)}`,
    tunnelId: MESH_ID,
    ...changes,
  };
}

/** What the official tools say of the mesh's device. */
export async function meshOf(ns: Namespace) {
  const onMesh = (row: { dev?: string; ifname?: string }): boolean =>
    (row.dev ?? row.ifname) === 'cncitun';
  const neighbours = (await ipNeighbours(ns)).filter(onMesh);
  return {
    addresses: (await ipAddresses(ns))
      .filter(onMesh)
      .map(({ local, prefixlen }) => `${local}/${String(prefixlen)}`),
    neighbours: Object.fromEntries(
      neighbours
        .filter(({ state }) => state.includes('PERMANENT'))
        .map(({ dst, lladdr }) => [dst, lladdr]),
    ),
    routes: (await ipRoutes(ns))
      .filter((route) => onMesh(route) && route.protocol !== 'kernel')
      .map(({ dst, gateway }) => (gateway === undefined ? dst : `${dst} via ${gateway}`))
      .sort(),
    forwarding: Object.fromEntries(
      (await bridgeFdb(ns)).filter(onMesh).map(({ mac, dst }) => [mac, dst]),
    ),
  };
}

export function expectedMesh(
  kind: MeshKind,
  self: NeighborInput,
  others: readonly NeighborInput[],
) {
  const macOf = (address: string): string =>
    `02:00:${address
      .split('.')
      .map((part) => Number(part).toString(16).padStart(2, '0'))
      .join(':')}`;
  const byTunnelIp = (of: (n: NeighborInput) => [string, string]) =>
    Object.fromEntries(others.map(of));
  const isVxlan = kind === 'vxlan';
  return {
    addresses: [`${self.tunnelIp}/18`],
    neighbours: byTunnelIp((n) => [n.tunnelIp, isVxlan ? macOf(n.tunnelIp) : n.physicalIp]),
    routes: others.flatMap((n) => [n.tunnelIp, `${n.subnet} via ${n.tunnelIp}`]).sort(),
    forwarding: isVxlan ? byTunnelIp((n) => [macOf(n.tunnelIp), n.physicalIp]) : {},
  };
}

export async function withCnci(
  kind: MeshKind,
  body: (cnci: Cnci, ns: Namespace, box: Sandbox) => Promise<void>,
  hooks: HostHooks = {},
): Promise<void> {
  await using box = await Sandbox.open();
  const { cnci: ns } = await openUnderlay(box, ['cnci']);
  const cnci = await openCnci(optionsFor(kind, ns.path), hooks);
  try {
    await body(cnci, ns, box);
  } finally {
    await cnci.shutdown();
    await cnci.close();
  }
}

interface WorkloadPlace {
  readonly bridge: string;
  readonly third: number;
  readonly label: string;
  readonly mtu: number;
}

/** A namespace on a subnet's bridge, with the gateway as its way to everywhere. */
export async function putWorkload(
  box: Sandbox,
  ns: Namespace,
  place: WorkloadPlace,
): Promise<Namespace> {
  const { bridge, third, label, mtu } = place;
  const workload = await box.netns(label, { leaves: 'anything' });
  const subnet = `172.16.${String(third)}`;
  await box.link(
    { ns, name: `to${label}`, mtu },
    { ns: workload, name: 'eth0', address: `${subnet}.5/24`, mtu },
  );
  await box.exec(ns, ['ip', 'link', 'set', 'dev', `to${label}`, 'master', bridge]);
  await box.exec(workload, ['ip', 'route', 'add', 'default', 'via', `${subnet}.1`]);
  return workload;
}
