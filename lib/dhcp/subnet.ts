import {
  addressToNumber,
  broadcastAddress,
  containsAddress,
  defineShape,
  gatewayOf,
  networkAddress,
  optional,
  parseInteger,
  parseMtu,
  parseTenantSubnet,
  parseUnicastIpv4,
  prefixLength,
  refuse,
  withDefault,
  withOperation,
} from '../model';
import type { Ipv4Address, Ipv4Cidr } from '../model';

/** A subnet that is to be served. */
export interface DhcpSubnetInput {
  /** The tenant's network, /1 to /30, without host bits. */
  readonly subnet: string;
  /** The bridge. */
  readonly linkName: string;
  /** The bridge's interface index: one that was made anew under the old name needs a new server. */
  readonly ifindex: number;
  /** The bridge's address, which is router and name server of the workloads. Default: network + 1. */
  readonly gateway?: string | undefined;
  /** What the workloads' packets may measure, in bytes: their tunnel's MTU. */
  readonly mtu: number;
  /** How many addresses after the gateway's are never given out. Default: 0. */
  readonly reserved?: number | undefined;
}

/** Parsed {@link DhcpSubnetInput}. */
export interface DhcpSubnet {
  readonly subnet: Ipv4Cidr;
  readonly linkName: string;
  readonly ifindex: number;
  readonly gateway: Ipv4Address;
  readonly mtu: number;
  readonly reserved: number;
}

/**
 * How a subnet's addresses are told to the server.
 *
 * - `listed` (/20 and smaller): a line in the hosts file for each.
 * - `ranges` (/16 to /19): a range of one address for each, chosen by two tags, one for the third and
 *   one for the fourth byte of the MAC. dnsmasq compares each line of a hosts file with all before it:
 *   65,000 lines take it 6 s, at each start and at each reload; as many ranges take 0.35 s, once.
 * - `named` (larger): a line for those addresses only that have been announced by `setHosts`.
 */
export type Layout = 'listed' | 'ranges' | 'named';

const LONGEST_LISTED = 20;
const LONGEST_RANGES = 16;
/** Of a subnet of layout `named`: with as many lines, dnsmasq reloads in a tenth of a second. */
export const MOST_NAMED = 8192;

// Nothing that means something in a configuration of dnsmasq: it knows `*` as a pattern.
const LINK_NAME = /^[A-Za-z0-9_.-]{1,15}$/;
const LARGEST_IFINDEX = 0x7fff_ffff;

const parseShape = defineShape('subnet', {
  subnet: parseTenantSubnet,
  linkName: (value, field) =>
    typeof value === 'string' && LINK_NAME.test(value)
      ? value
      : refuse(value, field, 'the name of a link: up to 15 letters, digits, _, . or -'),
  ifindex: (value, field) => parseInteger(value, field, { least: 1, most: LARGEST_IFINDEX }),
  gateway: optional(parseUnicastIpv4),
  mtu: parseMtu,
  reserved: withDefault(
    (value, field) => parseInteger(value, field, { least: 0, most: 65_535 }),
    0,
  ),
});

/** Parses a subnet that is to be served. */
export function parseDhcpSubnet(input: unknown, operation: string): DhcpSubnet {
  const { gateway: given, ...rest } = parseShape(input, operation);
  const { subnet, reserved } = rest;
  const gateway = given ?? gatewayOf(subnet);
  withOperation(operation, () => {
    const isHost = gateway !== networkAddress(subnet) && gateway !== broadcastAddress(subnet);
    if (!isHost || !containsAddress(subnet, gateway)) {
      refuse(gateway, 'gateway', `an address of a host in ${subnet}`);
    }
    const least = firstNumber({ subnet, reserved });
    if (least >= addressToNumber(broadcastAddress(subnet))) {
      refuse(reserved, 'reserved', `so few that ${subnet} has an address left`);
    }
  });
  return Object.freeze({ ...rest, gateway });
}

export function layoutOf(subnet: Ipv4Cidr): Layout {
  const length = prefixLength(subnet);
  if (length >= LONGEST_LISTED) return 'listed';
  return length >= LONGEST_RANGES ? 'ranges' : 'named';
}

/** The addresses that workloads can have, as numbers: first and last. */
export function usableRange(subnet: DhcpSubnet): readonly [first: number, last: number] {
  return [firstNumber(subnet), addressToNumber(broadcastAddress(subnet.subnet)) - 1];
}

/** Says whether a workload of the subnet can have this address. */
export function isUsable(subnet: DhcpSubnet, address: Ipv4Address): boolean {
  const [first, last] = usableRange(subnet);
  const number = addressToNumber(address);
  return number >= first && number <= last && address !== subnet.gateway;
}

/** The network mask in dotted form. */
export function netmaskOf(subnet: Ipv4Cidr): Ipv4Address {
  const host = addressToNumber(broadcastAddress(subnet)) - addressToNumber(networkAddress(subnet));
  const mask = 0xffff_ffff - host;
  return [mask >>> 24, (mask >>> 16) & 255, (mask >>> 8) & 255, mask & 255].join(
    '.',
  ) as Ipv4Address;
}

function firstNumber(subnet: Pick<DhcpSubnet, 'subnet' | 'reserved'>): number {
  return addressToNumber(networkAddress(subnet.subnet)) + 2 + subnet.reserved;
}
