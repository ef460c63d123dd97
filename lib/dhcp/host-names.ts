import {
  addressToNumber,
  nested,
  optional,
  parseList,
  parseUnicastIpv4,
  refuse,
  tryParseIpv4,
  withOperation,
} from '../model';
import type { Ipv4Address } from '../model';

/** A workload's address, and the name that it has in its tenant's DNS. */
export interface HostInput {
  readonly ip: string;
  /** Left out: the address is known (a subnet larger than /16 serves only those), but has no name. */
  readonly name?: string | undefined;
}

/** Names by address; the empty name: none. */
export type HostNames = ReadonlyMap<Ipv4Address, string>;

const NAME = /^(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/;
const LONGEST_NAME = 253;
/** In one call: more than all subnets of a tenant can serve. */
const MOST_HOSTS = 2 ** 20;
const NAMELESS = '# no name: ';

/** Parses a host name, one label or several; it comes out in lower case. */
export function parseHostName(value: unknown, field: string): string {
  const name = typeof value === 'string' && value.length <= LONGEST_NAME ? value.toLowerCase() : '';
  // A name that ends in a number would be read as an address by some.
  const isName = NAME.test(name) && !/(?:^|\.)\d+$/.test(name);
  return isName ? name : refuse(value, field, 'a host name such as web-1 or db.example');
}

const parseHost = nested({ ip: parseUnicastIpv4, name: optional(parseHostName) });

/** Parses what is to be announced: each address with its name, the empty one where it has none. */
export function parseHosts(
  input: unknown,
  operation: string,
): readonly (readonly [Ipv4Address, string])[] {
  const hosts = withOperation(operation, () => parseList(input, 'hosts', parseHost, MOST_HOSTS));
  return Object.freeze(hosts.map(({ ip, name = '' }) => [ip, name] as const));
}

/** Parses the addresses whose names are taken away. */
export function parseAddresses(input: unknown, operation: string): readonly Ipv4Address[] {
  return withOperation(operation, () =>
    parseList(input, 'addresses', parseUnicastIpv4, MOST_HOSTS),
  );
}

/** The file of names that all servers of a tenant read: a hosts file, lowest address first. */
export function formatNames(names: HostNames): string {
  const lines = sorted(names).map(([ip, name]) =>
    name === '' ? `${NAMELESS}${ip}` : `${ip} ${name}`,
  );
  return lines.map((line) => `${line}\n`).join('');
}

/** Reads what {@link formatNames} wrote; a line that is none of ours counts for nothing. */
export function parseNames(text: string): Map<Ipv4Address, string> {
  const names = new Map<Ipv4Address, string>();
  for (const line of text.split('\n')) {
    const isNameless = line.startsWith(NAMELESS);
    const [address = '', name = ''] = (isNameless ? line.slice(NAMELESS.length) : line).split(' ');
    const ip = tryParseIpv4(address);
    if (ip !== undefined && (isNameless || NAME.test(name))) names.set(ip, isNameless ? '' : name);
  }
  return names;
}

/** Lowest address first. */
export function sorted(names: HostNames): (readonly [Ipv4Address, string])[] {
  return [...names].sort(([a], [b]) => addressToNumber(a) - addressToNumber(b));
}
