import { parseAlias } from '../alias';
import type { Host } from '../host';
import { makePlan } from '../plan';
import { rebuildCnci } from '../topology';
import type { CnciView, Finding } from '../topology';
import type { SubnetDhcp } from './dhcp';
import type { Mesh } from './mesh';
import { refuseAdvertisements } from './plan-subnet';
import type { CnciReport } from './results';
import type { CnciTable, LostTunnel } from './table';

const ANY_MAC = '00:00:00:00:00:00';

/** What a concentrator consists of. */
export interface CnciParts {
  readonly host: Host;
  readonly table: CnciTable;
  readonly mesh: Mesh;
  /** Absent where nobody serves the subnets. */
  readonly dhcp: SubnetDhcp | undefined;
}

/** The kernel's links, and which compute nodes each VXLAN device reaches. */
interface Reading {
  readonly view: CnciView;
  /** All there are, by interface index. */
  readonly present: ReadonlySet<number>;
  readonly remotes: ReadonlyMap<number, readonly string[]>;
}

/** Throws the table away and builds it from the kernel; sees to it that every subnet is served. */
export async function rebuild(parts: CnciParts): Promise<readonly Finding[]> {
  const { host, table, mesh, dhcp } = parts;
  await host.anchor.idle();
  table.links.record();
  let reading: Reading;
  try {
    reading = await readClosed(host);
    const { view, remotes, present } = reading;
    table.links.supersede((ifIndex) => present.has(ifIndex));
    host.anchor.adopt(view.anchors);
    table.replace(view, (ifIndex) => remotes.get(ifIndex) ?? []);
    await mesh.adopt(view.mesh);
  } finally {
    table.links.applyRecorded();
  }
  const unserved = (await dhcp?.ensureAll([...table.all()])) ?? [];
  return Object.freeze([...reading.view.findings, ...findLost(table, reading), ...unserved]);
}

/** What is out of order; changes nothing. */
export async function audit({ host, table, dhcp }: CnciParts): Promise<readonly Finding[]> {
  const reading = await read(host);
  const unserved = dhcp?.unserved(table.all()) ?? [];
  return Object.freeze([...reading.view.findings, ...findLost(table, reading), ...unserved]);
}

export function reportOf(table: CnciTable, findings: readonly Finding[]): CnciReport {
  let subnets = 0;
  let tunnels = 0;
  for (const entry of table.all()) {
    subnets += 1;
    tunnels += entry.tunnels.size + entry.remotes.size;
  }
  const neighbours = table.mesh?.neighbours.size ?? 0;
  return Object.freeze({ subnets, tunnels, neighbours, findings });
}

// A compute node in the same namespace has its own.
export function isCnciLink(alias: string): boolean {
  const type = parseAlias(alias)?.type;
  return type === 'cnci-bridge' || type === 'cnci-tunnel' || type === 'mesh' || type === 'anchor';
}

/** A process may have died before it had closed a bridge. */
async function readClosed(host: Host): Promise<Reading> {
  const reading = await read(host);
  const open = reading.view.findings.flatMap(({ remedy, link }) =>
    remedy === 'close' && link !== undefined ? [refuseAdvertisements(link.linkName)] : [],
  );
  if (open.length === 0) return reading;
  await host.kernel.run(makePlan('rebuildTopology', open));
  return await read(host);
}

async function read(host: Host): Promise<Reading> {
  const rows = await host.links();
  const view = rebuildCnci(rows);
  const present = new Set(rows.map(({ ifindex }) => ifindex));
  // The all-zero entries of VXLAN devices: one for each compute node.
  const remotes = new Map<number, string[]>();
  for (const { ifindex, lladdr, address } of await host.kernel.forwardingEntries()) {
    if (lladdr !== ANY_MAC || address === undefined) continue;
    remotes.set(ifindex, [...(remotes.get(ifindex) ?? []), address]);
  }
  return { view, remotes, present };
}

function findLost(table: CnciTable, reading: Reading): Finding[] {
  return [...table.lost]
    .filter((lost) => !isThere(lost, reading))
    .map(({ subnet, cnIp }) => ({
      type: 'missing-tunnel',
      text: `somebody deleted the tunnel of subnet ${subnet} to ${cnIp}`,
      subnet,
      remedy: 'remake',
    }));
}

function isThere({ subnet, cnIp }: LostTunnel, { view, remotes }: Reading): boolean {
  const found = view.subnets.get(subnet);
  if (found?.tunnels.has(cnIp) === true) return true;
  return remotes.get(found?.vxlan?.ifIndex ?? 0)?.includes(cnIp) === true;
}
