import { describeType } from '../errors';
import { parseId } from './id';
import type { TenantId } from './id';
import { parseTenantSubnet, parseUnicastIpv4 } from './ip';
import type { Ipv4Address, Ipv4Cidr } from './ip';
import { parseTunnelKey } from './key';
import type { TunnelKey } from './key';
import { openFields } from './node-options';
import type { NodeOptions, NodeOptionsInput } from './node-options';
import { MESH_PREFIX_LENGTH, parseMeshPrefixLength } from './neighbors';
import { refuse } from './refuse';
import { defineShape, optional, withDefault } from './shape';
import { parseMeshMode, parseTunnelKind } from './tunnel-kind';
import type { MeshMode, TunnelKind } from './tunnel-kind';

/** How a concentrator serves its subnets with addresses and names. */
export interface DhcpChoiceInput {
  /** Where configurations and leases lie, in a directory for each concentrator. Default: `/run/libsnnet/dhcp`. */
  readonly stateDir?: string | undefined;
  /** The tenant's domain: its names resolve with and without it. Default: none. */
  readonly domain?: string | undefined;
  /** Name servers for what is none of the tenant's. Default: none, such names do not resolve. */
  readonly upstreams?: readonly string[] | undefined;
  /** How long a workload may keep its address without asking again, 120 to 2592000. Default: 3600. */
  readonly leaseSeconds?: number | undefined;
}

/** Options of `Cnci.open`. */
export interface CnciOptionsInput extends NodeOptionsInput {
  /** The tenant that this concentrator serves. */
  readonly tenantId: string;
  /** DHCP and DNS for the workloads, by a `dnsmasq` for each subnet; `false`: none. Default: `{}`. */
  readonly dhcp?: false | DhcpChoiceInput | undefined;
  /** How the tenant's concentrators reach each other; all must have the same. Default: `auto`. */
  readonly meshMode?: MeshMode | undefined;
  /** Length of the mesh network's prefix, 8 to 30; all must have the same. Default: 18. */
  readonly meshPrefixLength?: number | undefined;
}

export type DhcpChoice = DhcpChoiceInput;

/** Parsed {@link CnciOptionsInput}: canonical and frozen, defaults filled in. */
export interface CnciOptions extends NodeOptions {
  readonly tenantId: TenantId;
  /** Looked at by who serves. */
  readonly dhcp: false | DhcpChoice;
  readonly meshMode: MeshMode;
  readonly meshPrefixLength: number;
}

/** A subnet on a compute node that a concentrator is to reach. */
export interface RemoteSubnetConfigInput {
  /** The tenant's network, /1 to /30, without host bits. */
  readonly subnet: string;
  /** GRE key, 1 to 4294967295; as a VXLAN or Geneve network identifier 1 to 16777215. */
  readonly subnetKey: number;
  /** The compute node's address: the far end of the tunnel. Unicast IPv4. */
  readonly cnIp: string;
  /** Kind of tunnel. Default: the concentrator's mode. */
  readonly mode?: TunnelKind | undefined;
}

/** Parsed {@link RemoteSubnetConfigInput}: canonical and frozen. */
export interface RemoteSubnetConfig {
  readonly subnet: Ipv4Cidr;
  readonly subnetKey: TunnelKey;
  readonly cnIp: Ipv4Address;
  readonly mode?: TunnelKind;
}

const NO_CHOICE: DhcpChoice = Object.freeze({});

function parseDhcpChoice(value: unknown, field: string): false | DhcpChoice {
  if (value === false) return false;
  return describeType(value) === 'object'
    ? (value as DhcpChoiceInput)
    : refuse(value, field, 'false, or an object of options');
}

const parseOptionsShape = defineShape('options', {
  ...openFields,
  tenantId: (value: unknown, field: string) => parseId<TenantId>(value, field),
  dhcp: withDefault<false | DhcpChoice>(parseDhcpChoice, NO_CHOICE),
  meshMode: withDefault(parseMeshMode, 'auto'),
  meshPrefixLength: withDefault(parseMeshPrefixLength, MESH_PREFIX_LENGTH),
});

const parseRemoteShape = defineShape('config', {
  subnet: parseTenantSubnet,
  subnetKey: parseTunnelKey,
  cnIp: parseUnicastIpv4,
  mode: optional(parseTunnelKind),
});

/** Parses the options of `Cnci.open`. */
export function parseCnciOptions(input: unknown, operation = 'Cnci.open'): CnciOptions {
  return parseOptionsShape(input, operation);
}

/** Parses a subnet on a compute node, for its addition or removal. */
export function parseRemoteSubnet(input: unknown, operation: string): RemoteSubnetConfig {
  return parseRemoteShape(input, operation);
}
