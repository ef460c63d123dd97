import { parseTimeoutMs } from './call-options';
import { parseId } from './id';
import type { NodeId } from './id';
import { parseIpv4Cidr } from './ip';
import type { Ipv4Cidr } from './ip';
import { parseLogger } from './logger';
import type { Logger } from './logger';
import { parseBoolean, parseInteger, parseList, refuse } from './refuse';
import { defineShape, optional, withDefault } from './shape';
import { parseTunnelMode } from './tunnel-kind';
import type { TunnelMode } from './tunnel-kind';

/** Options of `ComputeNode.open`. */
export interface NodeOptionsInput {
  /** UUID of this node; it appears in the events for concentrators. */
  readonly id: string;
  /** Kind of tunnel. Default: `'auto'`, what the kernel has, in the order gre, vxlan, geneve. */
  readonly mode?: TunnelMode | undefined;
  /** Networks that carry tunnels, in CIDR form. May be left out if exactly one physical link has an IPv4 address. */
  readonly computeNets?: readonly string[] | undefined;
  /** Networks that carry control traffic, in CIDR form. May be left out as above. */
  readonly managementNets?: readonly string[] | undefined;
  /** Network namespace: an absolute path, or a name under `/run/netns`. Default: the process's own. */
  readonly netns?: string | undefined;
  /** Calls at work at the same time, 1 to 1024. Default: 8. */
  readonly maxConcurrency?: number | undefined;
  /** Milliseconds until a call fails, 1 to 86400000. Default: 6000. */
  readonly timeoutMs?: number | undefined;
  /** Where log lines go. Default: nowhere. */
  readonly logger?: Logger | undefined;
  /** Lets a veth be the uplink, for namespaces that have nothing else. Default: false. */
  readonly allowVethUplink?: boolean | undefined;
  /** UDP port of VXLAN tunnels, the same on all nodes. Default: 4789 (IANA). */
  readonly vxlanPort?: number | undefined;
  /** UDP port of Geneve tunnels, the same on all nodes. Default: 6081 (IANA). */
  readonly genevePort?: number | undefined;
}

/** Parsed {@link NodeOptionsInput}: canonical and frozen, defaults filled in. */
export interface NodeOptions {
  readonly id: NodeId;
  readonly mode: TunnelMode;
  /** Empty where none was given. */
  readonly computeNets: readonly Ipv4Cidr[];
  /** Empty where none was given. */
  readonly managementNets: readonly Ipv4Cidr[];
  readonly netns?: string;
  readonly maxConcurrency: number;
  readonly timeoutMs: number;
  readonly logger?: Logger;
  readonly allowVethUplink: boolean;
  readonly vxlanPort: number;
  readonly genevePort: number;
}

const MOST_NETWORKS = 256;
const MOST_CONCURRENCY = 1024;
const LONGEST_PATH = 4096;
const LONGEST_NAME = 255;
const NO_NETWORKS: readonly Ipv4Cidr[] = Object.freeze([]);

/** Parses a UDP port, 1 to 65535. */
export function parsePort(value: unknown, field: string): number {
  return parseInteger(value, field, { least: 1, most: 65535 });
}

function parseNetworks(value: unknown, field: string): readonly Ipv4Cidr[] {
  return parseList(value, field, parseIpv4Cidr, MOST_NETWORKS);
}

function parseConcurrency(value: unknown, field: string): number {
  return parseInteger(value, field, { least: 1, most: MOST_CONCURRENCY });
}

/** Parses the path or the name of a network namespace. */
export function parseNetns(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) {
    if (value.startsWith('/') && value.length < LONGEST_PATH) {
      return value;
    }
    const isName = !value.includes('/') && value !== '.' && value !== '..';
    if (isName && value.length <= LONGEST_NAME) {
      return value;
    }
  }
  return refuse(value, field, 'an absolute path or a name under /run/netns');
}

/** What the options of a node and of a concentrator have in common. */
export const openFields = {
  id: (value: unknown, field: string): NodeId => parseId<NodeId>(value, field),
  mode: withDefault(parseTunnelMode, 'auto'),
  computeNets: withDefault(parseNetworks, NO_NETWORKS),
  managementNets: withDefault(parseNetworks, NO_NETWORKS),
  netns: optional(parseNetns),
  maxConcurrency: withDefault(parseConcurrency, 8),
  timeoutMs: withDefault(parseTimeoutMs, 6000),
  logger: optional(parseLogger),
  allowVethUplink: withDefault(parseBoolean, false),
  vxlanPort: withDefault(parsePort, 4789),
  genevePort: withDefault(parsePort, 6081),
};

const parseShape = defineShape('options', openFields);

/** Parses the options of `ComputeNode.open`. */
export function parseNodeOptions(input: unknown, operation = 'ComputeNode.open'): NodeOptions {
  return parseShape(input, operation);
}
