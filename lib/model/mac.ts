import type { Brand } from './brand';
import { addressToNumber } from './ip';
import type { Ipv4Address } from './ip';
import { refuse } from './refuse';

/** A unicast link-layer address, six bytes in lower case with colons. */
export type MacAddress = Brand<string, 'MacAddress'>;

const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i;
const ZERO = '00:00:00:00:00:00';
const MULTICAST_BIT = 1;
/** `:00` to `:ff`: the hosts of a concentrator's subnets are tens of thousands. */
const OCTETS = Array.from({ length: 256 }, (_, byte) => `:${byte.toString(16).padStart(2, '0')}`);

/** Parses a unicast MAC address; it comes out in lower case. */
export function parseMac(value: unknown, field: string): MacAddress {
  if (typeof value !== 'string' || value.length !== ZERO.length || !MAC.test(value)) {
    return refuse(value, field, 'a MAC address such as 02:00:ac:10:01:05');
  }
  const isMulticast = (Number.parseInt(value.slice(0, 2), 16) & MULTICAST_BIT) !== 0;
  if (isMulticast || value === ZERO) {
    return refuse(value, field, 'a unicast MAC address (even first byte, not all zero)');
  }
  return value.toLowerCase() as MacAddress;
}

/** The MAC address that DHCP binds to an IPv4 address: `02:00` and the four bytes of it. */
export function macOfAddress(address: Ipv4Address): MacAddress {
  const number = addressToNumber(address);
  const bytes = [number >>> 24, (number >>> 16) & 0xff, (number >>> 8) & 0xff, number & 0xff];
  let text = '02:00';
  for (const byte of bytes) text += OCTETS[byte] ?? '';
  return text as MacAddress;
}
