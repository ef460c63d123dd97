import { parseIpv4Cidr, parseUnicastIpv4 } from './ip';
import type { Ipv4Address, Ipv4Cidr } from './ip';
import { parseNetns } from './node-options';
import { parseList, refuse } from './refuse';
import { nested, optional, withDefault } from './shape';

/** A route of a container. */
export interface ContainerRouteInput {
  /** Where to: `10.0.0.0/8`; `0.0.0.0/0` is the default route. */
  readonly destination: string;
  /** The next router, inside the container's subnet. Default: the subnet's gateway. */
  readonly via?: string | undefined;
}

/** Where a container's end is put, so that nothing else needs to be done for it. */
export interface AttachInput {
  /** The container's network namespace: a path (`/proc/<pid>/ns/net`), or a name under `/run/netns`. */
  readonly netns: string;
  /** What the interface is called there, 1 to 15 bytes: `eth0`, the default. */
  readonly ifname?: string | undefined;
  /** Default: one default route by the subnet's gateway. An empty list: none. */
  readonly routes?: readonly ContainerRouteInput[] | undefined;
}

/** Parsed {@link ContainerRouteInput}. */
export interface ContainerRoute {
  readonly destination: Ipv4Cidr;
  readonly via?: Ipv4Address;
}

/** Parsed {@link AttachInput}. */
export interface Attach {
  readonly netns: string;
  readonly ifname: string;
  readonly routes?: readonly ContainerRoute[];
}

/** Bytes (kernel: IFNAMSIZ less the closing zero). */
const LONGEST_NAME = 15;
/** Bytes (kernel: ALTIFNAMSIZ less the closing zero). */
const LONGEST_ALT_NAME = 127;
/** More is a routing table, not a container's. */
const MOST_ROUTES = 1024;

/** What the kernel takes for a name (`dev_valid_name`), less `%`, which makes it invent one. */
const NAME = /^[^\s/:%\0]+$/u;

/** Parses the name that an interface is to have, 1 to 15 bytes. */
export function parseInterfaceName(value: unknown, field: string): string {
  return parseName(value, field, LONGEST_NAME);
}

/** Parses one more name of a link, 1 to 127 bytes. */
export function parseAltName(value: unknown, field: string): string {
  return parseName(value, field, LONGEST_ALT_NAME);
}

function parseName(value: unknown, field: string, longest: number): string {
  if (
    typeof value === 'string' &&
    Buffer.byteLength(value) <= longest &&
    NAME.test(value) &&
    value !== '.' &&
    value !== '..'
  ) {
    return value;
  }
  const expected = `a name of 1 to ${String(longest)} bytes without blanks, “/”, “:” and “%”`;
  return refuse(value, field, expected);
}

const parseRoute = nested({
  destination: parseIpv4Cidr,
  via: optional(parseUnicastIpv4),
});

/** Parses where a container's end is put. */
export const parseAttach = nested({
  netns: parseNetns,
  ifname: withDefault(parseInterfaceName, 'eth0'),
  routes: optional((value, field) => parseList(value, field, parseRoute, MOST_ROUTES)),
});
