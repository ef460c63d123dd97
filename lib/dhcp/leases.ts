import { addressToNumber, tryParseIpv4 } from '../model';
import type { Ipv4Address } from '../model';

/** An address that a workload has been given. */
export interface Lease {
  readonly ip: Ipv4Address;
  readonly mac: string;
  /** Seconds since 1970. */
  readonly expires: number;
}

const BOOTREQUEST = 1;
const ETHERNET = 1;
const MAC_BYTES = 6;
const HEADER_BYTES = 236;
const MAGIC_COOKIE = 0x6382_5363;
const OPTION_MESSAGE_TYPE = 53;
const OPTION_SERVER = 54;
const OPTION_END = 255;
const DHCPRELEASE = 7;

/** Reads a lease file of dnsmasq; lines that are no leases of IPv4 addresses are passed over. */
export function parseLeases(text: string): Lease[] {
  return text.split('\n').flatMap((line) => {
    const [expires = '', mac = '', address = ''] = line.split(' ');
    const ip = tryParseIpv4(address);
    return ip === undefined ? [] : [Object.freeze({ ip, mac, expires: Number(expires) })];
  });
}

/** What a client would send to give back its address (RFC 2131, 4.4.6). */
export function formatRelease(
  lease: Pick<Lease, 'ip' | 'mac'>,
  server: Ipv4Address,
  transaction: number,
): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(BOOTREQUEST, 0);
  header.writeUInt8(ETHERNET, 1);
  header.writeUInt8(MAC_BYTES, 2);
  header.writeUInt32BE(transaction >>> 0, 4);
  header.writeUInt32BE(addressToNumber(lease.ip), 12);
  Buffer.from(lease.mac.replaceAll(':', ''), 'hex').copy(header, 28, 0, MAC_BYTES);
  const options = Buffer.alloc(14);
  options.writeUInt32BE(MAGIC_COOKIE, 0);
  options.set([OPTION_MESSAGE_TYPE, 1, DHCPRELEASE, OPTION_SERVER, 4], 4);
  options.writeUInt32BE(addressToNumber(server), 9);
  options.writeUInt8(OPTION_END, 13);
  return Buffer.concat([header, options]);
}
