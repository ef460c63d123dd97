import { parseId } from './id';
import type { TenantId } from './id';
import { parseTenantSubnet, parseUnicastIpv4 } from './ip';
import type { Ipv4Address, Ipv4Cidr } from './ip';
import { parseTunnelKey } from './key';
import type { TunnelKey } from './key';
import { openFields } from './node-options';
import type { NodeOptions, NodeOptionsInput } from './node-options';
import { MESH_PREFIX_LENGTH, parseMeshPrefixLength } from './neighbors';
import { defineShape, optional, withDefault } from './shape';
import { parseMeshMode, parseTunnelKind } from './tunnel-kind';
import type { MeshMode, TunnelKind } from './tunnel-kind';

/** Options of `Cnci.open`. */
export interface CnciOptionsInput extends NodeOptionsInput {
  /** The tenant that this concentrator serves. */
  readonly tenantId: string;
  /** How the tenant's concentrators reach each other; all must have the same. Default: `auto`. */
  readonly meshMode?: MeshMode | undefined;
  /** Length of the mesh network's prefix, 8 to 30; all must have the same. Default: 18. */
  readonly meshPrefixLength?: number | undefined;
}

/** Parsed {@link CnciOptionsInput}: canonical and frozen, defaults filled in. */
export interface CnciOptions extends NodeOptions {
  readonly tenantId: TenantId;
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

const parseOptionsShape = defineShape('options', {
  ...openFields,
  tenantId: (value: unknown, field: string) => parseId<TenantId>(value, field),
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
