import { APIError } from '../errors';
import type { AddressRow, LinkRow } from '../kernel';
import { containsAddress } from '../model';
import type { Ipv4Address, Ipv4Cidr } from '../model';

/** A link to the outside world, with its first address in the network that it was chosen for. */
export interface PhysicalLink {
  readonly linkName: string;
  readonly ifIndex: number;
  readonly mtu: number;
  /** IPv4 address. */
  readonly address: Ipv4Address;
  readonly prefixLength: number;
}

export interface PhysicalLinks {
  readonly management: readonly PhysicalLink[];
  readonly compute: readonly PhysicalLink[];
}

export interface DiscoveryOptions {
  readonly operation: string;
  /** Empty where none was given; the same for the next. */
  readonly computeNets: readonly Ipv4Cidr[];
  readonly managementNets: readonly Ipv4Cidr[];
  /** A veth counts as an uplink: for nodes that live in a namespace. */
  readonly allowVethUplink: boolean;
}

/** Kinds that lead out of the host. The empty kind is a physical device. */
const UPLINK_KINDS: readonly string[] = ['', 'bond', 'team', 'vlan', 'macvlan', 'ipvlan'];
const OTHERS_BRIDGES = /^(docker|virbr|br-[0-9a-f]{12}$|cni|podman)/;

/**
 * Finds the links that tunnels and control traffic run on. Pure.
 *
 * @throws {@link APIError} `SNNET_NETWORK_NOT_FOUND`: no link has an address in the networks asked for.
 * @throws {@link APIError} `SNNET_NETWORK_AMBIGUOUS`: no networks were given and several links qualify.
 */
export function discoverPhysicalLinks(
  links: readonly LinkRow[],
  addresses: readonly AddressRow[],
  ours: ReadonlySet<number>,
  options: DiscoveryOptions,
): PhysicalLinks {
  const candidates = findCandidates(links, addresses, ours, options.allowVethUplink);
  const { computeNets, managementNets } = options;
  if (computeNets.length === 0 && managementNets.length === 0) {
    const only = theOnlyOne(candidates, options.operation);
    return { management: only, compute: only };
  }
  // Where only one kind was given, both run there.
  const forCompute = computeNets.length > 0 ? computeNets : managementNets;
  const forManagement = managementNets.length > 0 ? managementNets : computeNets;
  return {
    management: select(candidates, forManagement, 'managementNets', options),
    compute: select(candidates, forCompute, 'computeNets', options),
  };
}

function findCandidates(
  links: readonly LinkRow[],
  addresses: readonly AddressRow[],
  ours: ReadonlySet<number>,
  allowVethUplink: boolean,
): PhysicalLink[] {
  const byIndex = new Map(links.map((link) => [link.ifindex, link]));
  return addresses.flatMap((row) => {
    const link = byIndex.get(row.ifindex);
    if (link === undefined || ours.has(link.ifindex) || !isUplink(link, allowVethUplink)) return [];
    const { ifname, ifindex, mtu } = link;
    // The addon prints addresses in canonical form.
    const address = row.address as Ipv4Address;
    return [{ linkName: ifname, ifIndex: ifindex, mtu, address, prefixLength: row.prefixLength }];
  });
}

function isUplink(link: LinkRow, allowVethUplink: boolean): boolean {
  if (link.isLoopback) return false;
  if (link.kind === 'bridge') return !OTHERS_BRIDGES.test(link.ifname);
  if (link.kind === 'veth' || link.kind === 'dummy') return allowVethUplink;
  return UPLINK_KINDS.includes(link.kind);
}

function theOnlyOne(candidates: readonly PhysicalLink[], operation: string): PhysicalLink[] {
  const [first] = candidates;
  if (first === undefined) {
    throw new APIError('SNNET_NETWORK_NOT_FOUND', {
      operation,
      detail: 'no link to the outside has an IPv4 address',
    });
  }
  const names = new Set(candidates.map((candidate) => candidate.linkName));
  if (names.size > 1) {
    throw new APIError('SNNET_NETWORK_AMBIGUOUS', {
      operation,
      field: 'computeNets',
      detail: `give computeNets: several links could carry tunnels: ${list(candidates)}`,
    });
  }
  return [first];
}

function select(
  candidates: readonly PhysicalLink[],
  nets: readonly Ipv4Cidr[],
  field: string,
  options: DiscoveryOptions,
): PhysicalLink[] {
  const chosen = new Map<string, PhysicalLink>();
  for (const net of nets) {
    for (const candidate of candidates) {
      if (!containsAddress(net, candidate.address) || chosen.has(candidate.linkName)) continue;
      chosen.set(candidate.linkName, candidate);
    }
  }
  if (chosen.size > 0) return [...chosen.values()];
  const found = candidates.length === 0 ? 'none' : list(candidates);
  throw new APIError('SNNET_NETWORK_NOT_FOUND', {
    operation: options.operation,
    field,
    detail: `looked for an address in ${nets.join(', ')}; found ${found}`,
  });
}

function list(candidates: readonly PhysicalLink[]): string {
  return candidates.map(({ address, linkName }) => `${address} on ${linkName}`).join(', ');
}
