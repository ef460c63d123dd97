import { IPv6 } from 'ipaddr.js';

import type { Brand } from './brand';
import { refuse } from './refuse';

/** An IPv4 address in canonical dotted decimal form. */
export type Ipv4Address = Brand<string, 'Ipv4Address'>;
/** An IPv4 network `address/length` without host bits. */
export type Ipv4Cidr = Brand<string, 'Ipv4Cidr'>;

const LONGEST_IPV4 = 15;
const NO_DIGIT = -1;
/** What {@link ipv4Number} says of a text that is no address. */
export const NO_ADDRESS = -1;
const LONGEST_IPV6 = 45;
const PREFIX_LENGTH = /^(?:\d|[12]\d|3[0-2])$/;
const DOT = 0x2e;
const DIGIT_ZERO = 0x30;
const EXPECTED_ADDRESS = 'an IPv4 address such as 198.51.100.9';
const EXPECTED_CIDR = 'an IPv4 network such as 172.16.1.0/24';

/** Parses a dotted quad; octal, hexadecimal and shortened forms are refused. */
export function parseIpv4(value: unknown, field: string): Ipv4Address {
  return isCanonicalIpv4(value)
    ? value
    : refuse(value, field, EXPECTED_ADDRESS, explainIpv6(value));
}

/** Parses an address that one host can have: no multicast, broadcast, loopback or `0.…`. */
export function parseUnicastIpv4(value: unknown, field: string): Ipv4Address {
  const address = parseIpv4(value, field);
  return isUnicast(address)
    ? address
    : refuse(value, field, 'a unicast IPv4 address, neither loopback nor multicast');
}

/** Parses `address/length`; an address with host bits set is refused. */
export function parseIpv4Cidr(value: unknown, field: string): Ipv4Cidr {
  const network = typeof value === 'string' ? maskedNetwork(value) : undefined;
  if (network === undefined) {
    return refuse(value, field, EXPECTED_CIDR, explainIpv6(value));
  }
  if (network !== value) {
    return refuse(value, field, EXPECTED_CIDR, `it has host bits set, the network is ${network}`);
  }
  return network;
}

/** {@link parseIpv4} for texts that are often something else: gives nothing instead of an error. */
export function tryParseIpv4(text: string): Ipv4Address | undefined {
  return isCanonicalIpv4(text) ? text : undefined;
}

/** {@link parseIpv4Cidr} for texts that are often something else: gives nothing instead of an error. */
export function tryParseIpv4Cidr(text: string): Ipv4Cidr | undefined {
  const network = maskedNetwork(text);
  return network === text ? network : undefined;
}

/** Parses the network of a tenant: unicast, with room for a gateway and a workload (/1 to /30). */
export function parseTenantSubnet(value: unknown, field: string): Ipv4Cidr {
  const cidr = parseIpv4Cidr(value, field);
  const length = prefixLength(cidr);
  if (length < 1 || length > 30) {
    return refuse(value, field, 'an IPv4 network with a prefix length from 1 to 30');
  }
  const first = addressToNumber(networkAddress(cidr)) >>> 24;
  if (first === 127 || first >= 224) {
    return refuse(value, field, 'a unicast IPv4 network, neither loopback nor multicast');
  }
  return cidr;
}

/** The address as an unsigned 32-bit number, first byte highest. */
export function addressToNumber(address: Ipv4Address): number {
  let number = 0;
  let part = 0;
  for (let index = 0; index < address.length; index += 1) {
    const code = address.charCodeAt(index);
    if (code === DOT) {
      number = number * 256 + part;
      part = 0;
    } else {
      part = part * 10 + code - DIGIT_ZERO;
    }
  }
  return number * 256 + part;
}

/** The inverse of {@link addressToNumber}. */
export function numberToAddress(number: number): Ipv4Address {
  const u32 = number >>> 0;
  return `${u32 >>> 24}.${(u32 >>> 16) & 255}.${(u32 >>> 8) & 255}.${u32 & 255}` as Ipv4Address;
}

/** The network that an address with this prefix length lies in. */
export function networkOf(address: Ipv4Address, length: number): Ipv4Cidr {
  const network = (addressToNumber(address) & maskOf(length)) >>> 0;
  return `${numberToAddress(network)}/${String(length)}` as Ipv4Cidr;
}

/** The address part of a network. */
export function networkAddress(cidr: Ipv4Cidr): Ipv4Address {
  return cidr.slice(0, cidr.indexOf('/')) as Ipv4Address;
}

export function prefixLength(cidr: Ipv4Cidr): number {
  return Number(cidr.slice(cidr.indexOf('/') + 1));
}

/** The last address of a network. */
export function broadcastAddress(cidr: Ipv4Cidr): Ipv4Address {
  return numberToAddress(lastNumber(cidr));
}

/** The gateway of a tenant subnet: the address after the network's. */
export function gatewayOf(cidr: Ipv4Cidr): Ipv4Address {
  return numberToAddress(addressToNumber(networkAddress(cidr)) + 1);
}

export function containsAddress(cidr: Ipv4Cidr, address: Ipv4Address): boolean {
  const mask = maskOf(prefixLength(cidr));
  return ((addressToNumber(address) ^ addressToNumber(networkAddress(cidr))) & mask) === 0;
}

/** How many addresses {@link hostAddresses} yields. */
export function hostCount(cidr: Ipv4Cidr): number {
  return Math.max(lastNumber(cidr) - addressToNumber(networkAddress(cidr)) - 2, 0);
}

/** The addresses that workloads can have, lowest first: after the gateway's and before the broadcast address. */
export function* hostAddresses(cidr: Ipv4Cidr): Generator<Ipv4Address, void, undefined> {
  const end = lastNumber(cidr);
  for (let number = addressToNumber(networkAddress(cidr)) + 2; number < end; number += 1) {
    yield numberToAddress(number);
  }
}

/** Says whether one host can have this address. */
export function isUnicast(address: Ipv4Address): boolean {
  return isUnicastNumber(addressToNumber(address));
}

/** {@link isUnicast} for an address as a number. */
export function isUnicastNumber(number: number): boolean {
  const first = number >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

function isCanonicalIpv4(value: unknown): value is Ipv4Address {
  return typeof value === 'string' && ipv4Number(value) !== NO_ADDRESS;
}

/**
 * The number of an address, as {@link addressToNumber}; {@link NO_ADDRESS} for a text that is none. By
 * hand and in one pass: a rebuild asks it for every link, a list of port mappings for each, and a
 * general parser takes ten times as long.
 */
export function ipv4Number(text: string): number {
  if (text.length > LONGEST_IPV4) return NO_ADDRESS;
  let number = 0;
  let parts = 1;
  let part = NO_DIGIT;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === DOT && part !== NO_DIGIT) {
      number = number * 256 + part;
      parts += 1;
      part = NO_DIGIT;
      continue;
    }
    const digit = code - DIGIT_ZERO;
    // Read as octal by some.
    const isLeadingZero = part === 0;
    if (digit < 0 || digit > 9 || isLeadingZero) return NO_ADDRESS;
    part = part === NO_DIGIT ? digit : part * 10 + digit;
    if (part > 255) return NO_ADDRESS;
  }
  return parts === 4 && part !== NO_DIGIT ? number * 256 + part : NO_ADDRESS;
}

/** The network that a text of the form `address/length` lies in. */
function maskedNetwork(text: string): Ipv4Cidr | undefined {
  if (text.length > LONGEST_IPV4 + 3) {
    return undefined;
  }
  const slash = text.indexOf('/');
  const address = text.slice(0, Math.max(slash, 0));
  const length = text.slice(slash + 1);
  if (!isCanonicalIpv4(address) || !PREFIX_LENGTH.test(length)) {
    return undefined;
  }
  return networkOf(address, Number(length));
}

function explainIpv6(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > LONGEST_IPV6 + 4) {
    return undefined;
  }
  const [address = ''] = value.split('/');
  return IPv6.isValid(address) ? 'IPv6 is not supported here' : undefined;
}

function lastNumber(cidr: Ipv4Cidr): number {
  return (addressToNumber(networkAddress(cidr)) | ~maskOf(prefixLength(cidr))) >>> 0;
}

function maskOf(length: number): number {
  // A shift by 32 is a shift by 0.
  return length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
}
