import { createHash } from 'node:crypto';

import {
  defineShape,
  optional,
  parseId,
  parseInteger,
  parseList,
  parseLogger,
  parseUnicastIpv4,
  refuse,
  SILENT_LOGGER,
  withDefault,
} from '../model';
import type { Ipv4Address, Logger } from '../model';
import { parseHostName } from './host-names';
import type { DhcpEvent } from './server';

/** Options of `DhcpServers.open`. */
export interface DhcpOptionsInput {
  /** Whose servers these are: the id of the concentrator. Two with one id must not be open at once. */
  readonly owner: string;
  /** Where configurations and leases lie, one directory per owner. Default: `/run/libsnnet/dhcp`. */
  readonly stateDir?: string | undefined;
  /** The tenant's domain: its names resolve with and without it. Default: none. */
  readonly domain?: string | undefined;
  /** Name servers for what is none of the tenant's. Default: none, such names do not resolve. */
  readonly upstreams?: readonly string[] | undefined;
  /** How long a workload may keep its address without asking again. Default: 3600. */
  readonly leaseSeconds?: number | undefined;
  /** Directories with the program, as the variable PATH. Default: that, and the system's directories. */
  readonly programPath?: string | undefined;
  /** How long a server may take to start. Default: 10000. */
  readonly startTimeoutMs?: number | undefined;
  readonly logger?: Logger | undefined;
  /** Told when a server died, was started again, or could not be. */
  readonly onEvent?: ((event: DhcpEvent) => void) | undefined;
}

/** Parsed {@link DhcpOptionsInput}. */
export interface DhcpOptions {
  readonly owner: string;
  readonly stateDir: string;
  readonly domain?: string;
  readonly upstreams: readonly Ipv4Address[];
  readonly leaseSeconds: number;
  readonly programPath?: string;
  readonly startTimeoutMs: number;
  readonly logger: Logger;
  readonly onEvent?: (event: DhcpEvent) => void;
}

const DEFAULT_STATE_DIR = '/run/libsnnet/dhcp';
// Less than a minute is refused by dnsmasq, which makes it two.
const LEAST_LEASE = 120;
const LARGEST_LEASE = 30 * 24 * 3600;
const MOST_UPSTREAMS = 16;
/** What needs no quoting in a configuration of dnsmasq. */
const PLAIN_PATH = /^(?:\/[A-Za-z0-9@%+_.-]+)+$/;

const parseShape = defineShape('options', {
  owner: (value: unknown, field: string): string => parseId(value, field),
  stateDir: withDefault(parseDirectory, DEFAULT_STATE_DIR),
  domain: optional(parseHostName),
  upstreams: withDefault(
    (value: unknown, field: string): readonly Ipv4Address[] =>
      parseList(value, field, parseUnicastIpv4, MOST_UPSTREAMS),
    [],
  ),
  leaseSeconds: withDefault(
    (value, field) =>
      parseInteger(value, field, { least: LEAST_LEASE, most: LARGEST_LEASE, unit: 'seconds' }),
    3600,
  ),
  programPath: optional((value: unknown, field: string): string =>
    typeof value === 'string' ? value : refuse(value, field, 'a list of directories with colons'),
  ),
  startTimeoutMs: withDefault(
    (value, field) => parseInteger(value, field, { least: 1, most: 3_600_000, unit: 'ms' }),
    10_000,
  ),
  logger: withDefault(parseLogger, SILENT_LOGGER),
  onEvent: optional((value: unknown, field: string): ((event: DhcpEvent) => void) =>
    typeof value === 'function'
      ? (value as (event: DhcpEvent) => void)
      : refuse(value, field, 'a function'),
  ),
});

export function parseDhcpOptions(input: unknown, operation: string): DhcpOptions {
  return parseShape(input, operation);
}

/** The name of an owner's directory: its id, or a digest where that would be no plain name. */
export function directoryName(owner: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/.test(owner)) return owner;
  return `id-${createHash('sha256').update(owner).digest('hex').slice(0, 32)}`;
}

function parseDirectory(value: unknown, field: string): string {
  const isPlain = typeof value === 'string' && value.length <= 1024 && PLAIN_PATH.test(value);
  const hasDots = isPlain && value.split('/').some((part) => part === '.' || part === '..');
  return isPlain && !hasDots
    ? value
    : refuse(value, field, 'an absolute path of letters, digits and @ % + _ . -');
}
