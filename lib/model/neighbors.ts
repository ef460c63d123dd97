import { APIError } from '../errors';
import {
  addressToNumber,
  broadcastAddress,
  isUnicast,
  networkAddress,
  networkOf,
  parseTenantSubnet,
  parseUnicastIpv4,
  prefixLength,
} from './ip';
import type { Ipv4Address, Ipv4Cidr } from './ip';
import { parseTunnelKey } from './key';
import type { TunnelKey } from './key';
import { parseInteger, parseList, refuse } from './refuse';
import { defineShape, withOperation } from './shape';

/** One of a tenant's concentrators, as `updateNeighbors` is told of it. */
export interface NeighborInput {
  /** The concentrator's address on the compute network. Unicast IPv4. */
  readonly physicalIp: string;
  /** The tenant subnet behind it, /8 to /30, without host bits. */
  readonly subnet: string;
  /** Its address in the mesh. All lie in one network. */
  readonly tunnelIp: string;
  /** GRE key, or VXLAN network identifier, of the mesh: the same in every entry. */
  readonly tunnelId: number;
}

/** Parsed {@link NeighborInput}: canonical and frozen. */
export interface Neighbor {
  readonly physicalIp: Ipv4Address;
  readonly subnet: Ipv4Cidr;
  readonly tunnelIp: Ipv4Address;
  readonly tunnelId: TunnelKey;
}

/** What a concentrator knows of itself when it reads the list. */
export interface NeighborContext {
  readonly operation: string;
  /** This concentrator's compute address: it finds its own entry. */
  readonly physicalIp: Ipv4Address;
  readonly prefixLength: number;
  /** Networks that no neighbour's subnet may touch, with what they are. */
  readonly taken: readonly { readonly network: Ipv4Cidr; readonly what: string }[];
}

/** The list, told apart. */
export interface Neighborhood {
  readonly self: Neighbor;
  readonly others: readonly Neighbor[];
}

/** The Go original's. */
export const MESH_PREFIX_LENGTH = 18;
/** With itself; what the kernel's tables bear is more. */
const MOST_NEIGHBORS = 65_537;
/** RFC 1918 has no larger one; what is larger would swallow the network beneath. */
const LARGEST_SUBNET = 8;

const parseNeighbor = defineShape('neighbor', {
  physicalIp: parseUnicastIpv4,
  subnet: parseMeshSubnet,
  tunnelIp: parseUnicastIpv4,
  tunnelId: parseTunnelKey,
});

/** Parses the length of the mesh network's prefix. */
export function parseMeshPrefixLength(value: unknown, field: string): number {
  return parseInteger(value, field, { least: LARGEST_SUBNET, most: 30, unit: 'bits' });
}

/** Parses the list of a tenant's concentrators, each entry by itself. */
export function parseNeighbors(input: unknown, operation: string): readonly Neighbor[] {
  return withOperation(operation, () =>
    parseList(
      input,
      'neighbors',
      (value, field) => parseEntry(value, field, operation),
      MOST_NEIGHBORS,
    ),
  );
}

/**
 * Finds this concentrator in the list and holds the entries against each other and against what this
 * concentrator has itself.
 */
export function tellNeighborhood(
  list: readonly Neighbor[],
  context: NeighborContext,
): Neighborhood {
  return withOperation(context.operation, () => {
    const { self, index } = findOwn(list, context.physicalIp);
    checkEntries(list, self, context);
    checkSubnets(list, { self, index }, context);
    const others = Object.freeze(list.filter((neighbor) => neighbor !== self));
    return Object.freeze({ self, others });
  });
}

function parseMeshSubnet(value: unknown, field: string): Ipv4Cidr {
  const subnet = parseTenantSubnet(value, field);
  if (prefixLength(subnet) >= LARGEST_SUBNET && isUnicast(networkAddress(subnet))) return subnet;
  return refuse(value, field, 'a unicast IPv4 network with a prefix length from 8 to 30');
}

function parseEntry(value: unknown, place: string, operation: string): Neighbor {
  try {
    return Object.freeze(parseNeighbor(value, operation));
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    const { field } = error;
    throw error.withDetails({
      field: field === undefined || field === 'neighbor' ? place : `${place}.${field}`,
    });
  }
}

interface Own {
  readonly self: Neighbor;
  readonly index: number;
}

function findOwn(list: readonly Neighbor[], physicalIp: Ipv4Address): Own {
  const index = list.findIndex((neighbor) => neighbor.physicalIp === physicalIp);
  const self = list[index];
  if (self !== undefined) return { self, index };
  throw new APIError('SNNET_INPUT_MISSING', {
    field: 'neighbors',
    expected: `an entry with the physicalIp ${physicalIp}, this concentrator’s own`,
    detail: 'it says which address this concentrator has in the mesh',
  });
}

function checkEntries(list: readonly Neighbor[], self: Neighbor, context: NeighborContext): void {
  const network = networkOf(self.tunnelIp, context.prefixLength);
  const least = addressToNumber(networkAddress(network));
  const most = addressToNumber(broadcastAddress(network));
  const seen = { physicalIp: new Map<string, number>(), tunnelIp: new Map<string, number>() };
  for (const [index, neighbor] of list.entries()) {
    const place = `neighbors[${String(index)}]`;
    for (const field of ['physicalIp', 'tunnelIp'] as const) {
      const value = neighbor[field];
      const first = seen[field].get(value);
      if (first !== undefined) {
        const other = `neighbors[${String(first)}] has it already`;
        refuse(value, `${place}.${field}`, 'an address that no other entry has', other);
      }
      seen[field].set(value, index);
    }
    if (neighbor.tunnelId !== self.tunnelId) {
      const expected = `${String(self.tunnelId)}, which this concentrator’s own entry has`;
      refuse(neighbor.tunnelId, `${place}.tunnelId`, expected);
    }
    const number = addressToNumber(neighbor.tunnelIp);
    if (number <= least || number >= most) {
      refuse(neighbor.tunnelIp, `${place}.tunnelIp`, `an address of a host in ${network}`);
    }
  }
}

interface Range {
  readonly first: number;
  readonly last: number;
  readonly network: Ipv4Cidr;
  /** The later one is refused: first what is taken, then the mesh, then the list. */
  readonly order: number;
  /** What is refused; what is taken already is not. */
  readonly field?: string;
  readonly what: string;
}

const TAKEN = -2;
const MESH = -1;

function checkSubnets(list: readonly Neighbor[], own: Own, context: NeighborContext): void {
  const mesh = networkOf(own.self.tunnelIp, context.prefixLength);
  const ranges = [
    rangeOf(mesh, MESH, `the mesh itself is ${mesh}`, `neighbors[${String(own.index)}].tunnelIp`),
    ...list.map(({ subnet }, index) => {
      const place = `neighbors[${String(index)}]`;
      return rangeOf(subnet, index, `${place} has it`, `${place}.subnet`);
    }),
  ];
  // What this concentrator has itself may be in its own entry.
  const taken = context.taken.map(({ network, what }) => rangeOf(network, TAKEN, what));
  checkApart(ranges);
  checkApart([...ranges.filter(({ order }) => order !== own.index), ...taken]);
  checkReachable(list, ranges);
}

function rangeOf(network: Ipv4Cidr, order: number, what: string, field?: string): Range {
  const first = addressToNumber(networkAddress(network));
  const last = addressToNumber(broadcastAddress(network));
  return { first, last, network, order, what, ...(field !== undefined && { field }) };
}

// Networks either contain each other or are apart: sorted by where they begin, it is enough to look back.
function checkApart(ranges: readonly Range[]): void {
  let before: Range | undefined;
  for (const range of sorted(ranges)) {
    if (before !== undefined && range.first <= before.last) {
      const [bad, other] = range.order >= before.order ? [range, before] : [before, range];
      if (bad.field !== undefined) {
        const detail = `${other.network} overlaps it: ${other.what}`;
        refuse(bad.network, bad.field, 'a network of its own', detail);
      }
    }
    if (before === undefined || range.last > before.last) before = range;
  }
}

/** A tunnel's outer packets must not go into the tunnel. */
function checkReachable(list: readonly Neighbor[], unsorted: readonly Range[]): void {
  const ranges = sorted(unsorted);
  for (const [index, { physicalIp }] of list.entries()) {
    const number = addressToNumber(physicalIp);
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ranges[middle]?.first ?? 0) <= number) low = middle + 1;
      else high = middle;
    }
    const candidate = ranges[low - 1];
    if (candidate === undefined || candidate.last < number) continue;
    const expected = 'an address outside of what the mesh carries';
    const detail = `${candidate.network} contains it: ${candidate.what}`;
    refuse(physicalIp, `neighbors[${String(index)}].physicalIp`, expected, detail);
  }
}

function sorted(ranges: readonly Range[]): readonly Range[] {
  return [...ranges].sort((a, b) => a.first - b.first || b.last - a.last);
}
