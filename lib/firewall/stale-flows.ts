import type { ConntrackFilter, ConntrackRow, Kernel } from '../kernel';
import {
  PORT_BYTES,
  containsAddress,
  numberToAddress,
  portKey,
  readPortKey,
  readPortTarget,
  unpackPorts,
} from '../model';
import type { Ipv4Address } from '../model';
import type { ConntrackTuple } from '../plan';
import type { Edit, Ledger, PortEdit, TenantNetwork } from '../ruleset';
import type { Surroundings } from './surroundings';

/** Asking for each port by itself pays while they are few; a dump of everything costs the same always. */
const FEW = 4;

type Matcher = (row: ConntrackRow) => boolean;

/**
 * The flows that went by what was changed. Connection tracking translates a flow as its first packet
 * was, whatever the rules say now: so it must forget these, and no others.
 */
export async function findStaleFlows(
  { kernel, ledger }: { readonly kernel: Kernel; readonly ledger: Ledger },
  edits: readonly Edit[],
  look: () => Promise<Surroundings>,
): Promise<readonly ConntrackTuple[]> {
  const found = new Map<string, ConntrackTuple>();
  for (const edit of edits) {
    if (edit.type === 'ports') {
      const own = (await look()).addressesOf(edit.device).map(({ address }) => address);
      await collect(kernel, portFilters(edit), byPort(edit, new Set(own)), found);
    } else if (edit.type === 'public') {
      await collect(kernel, publicFilters(edit), byAddress(edit), found);
    } else if (edit.type === 'pairs' && edit.put.length > 0) {
      const networks = (await look()).tenantNetworks(ledger);
      await collect(kernel, [{}], untranslated(edit, networks), found);
    }
  }
  return [...found.values()];
}

// From before there was a firewall: it would be kept from leaving for as long as it is known.
function untranslated({ put }: PairEdit, networks: readonly TenantNetwork[]): Matcher {
  const opened = new Set(put.map(([, inside]) => inside));
  const sources = networks.filter(({ device }) => opened.has(device));
  const isIn = (among: readonly TenantNetwork[], address: string): boolean =>
    among.some(({ network }) => containsAddress(network, address as Ipv4Address));
  return ({ original, reply }) =>
    reply.destination === original.source &&
    isIn(sources, original.source) &&
    !isIn(networks, original.destination);
}

/**
 * Whether connection tracking knows any flow. Worth asking first: a look at them goes through the table
 * of all namespaces, ten milliseconds on a large machine.
 */
export async function hasFlows(kernel: Kernel): Promise<boolean> {
  try {
    return (await kernel.readSysctl('net/netfilter/nf_conntrack_count')) !== '0';
  } catch {
    // Nobody tells: so look.
    return true;
  }
}

async function collect(
  kernel: Kernel,
  filters: readonly ConntrackFilter[],
  matches: Matcher,
  found: Map<string, ConntrackTuple>,
): Promise<void> {
  for (const filter of filters) {
    for (const row of await kernel.conntrack(filter)) {
      if (matches(row)) found.set(JSON.stringify(row.original), row.original);
    }
  }
}

type PublicEdit = Extract<Edit, { readonly type: 'public' }>;
type PairEdit = Extract<Edit, { readonly type: 'pairs' }>;

function portFilters({ put, drop }: PortEdit): readonly ConntrackFilter[] {
  if (put.length + drop.length > FEW * PORT_BYTES) return [{}];
  return [drop, put]
    .flatMap((list) => [...unpackPorts(list).keys()])
    .map((key) => {
      const { protocol, port } = readPortKey(key);
      return { protocol, destinationPort: port };
    });
}

function publicFilters({ put, drop }: PublicEdit): readonly ConntrackFilter[] {
  if (put.length + drop.length > FEW) return [{}];
  return [
    ...[...put, ...drop].map(({ address }) => ({ destination: numberToAddress(address) })),
    ...drop.map(({ internal }) => ({ source: numberToAddress(internal) })),
  ];
}

// What came for the address, and what a workload that loses it sent out as it.
function byAddress({ put, drop }: PublicEdit): Matcher {
  const changed = new Set([...put, ...drop].map(({ address }) => numberToAddress(address)));
  const gone = new Set(drop.map(({ address }) => numberToAddress(address)));
  return ({ original, reply }) =>
    changed.has(original.destination as Ipv4Address) || gone.has(reply.destination as Ipv4Address);
}

// Of a mapping that goes: what it translated. Of one that comes: what came for the machine itself by
// the same port, and not what passes by on its way to somebody else's.
function byPort({ put, drop }: PortEdit, own: ReadonlySet<string>): Matcher {
  const gone = unpackPorts(drop);
  const made = unpackPorts(put);
  return ({ original, reply }) => {
    if (original.protocol === 'icmp') return false;
    const key = portKey(original.protocol, original.destinationPort);
    const former = gone.get(key);
    if (former !== undefined) {
      const { address, port } = readPortTarget(former);
      if (reply.source === address && reply.sourcePort === port) return true;
    }
    const target = made.get(key);
    if (target === undefined || !own.has(original.destination)) return false;
    const { address, port } = readPortTarget(target);
    return reply.source !== address || reply.sourcePort !== port;
  };
}
