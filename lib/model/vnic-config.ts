import { parseAltName, parseAttach } from './attach';
import type { Attach, AttachInput } from './attach';
import { parseId, parseLooseId } from './id';
import type { ConcId, InstanceId, SubnetId, TenantId, VnicId } from './id';
import {
  broadcastAddress,
  containsAddress,
  gatewayOf,
  networkAddress,
  parseTenantSubnet,
  parseUnicastIpv4,
} from './ip';
import type { Ipv4Address, Ipv4Cidr } from './ip';
import { parseTunnelKey } from './key';
import type { TunnelKey } from './key';
import { parseMac } from './mac';
import type { MacAddress } from './mac';
import { parseMtu } from './mtu';
import { parseChoice, parseInteger, refuse } from './refuse';
import { defineShape, optional, withDefault, withOperation } from './shape';

/** What a VNIC is for: a tap for a VM, a veth pair for a container. */
export type Role = 'vm' | 'container';

const ROLES: readonly Role[] = ['vm', 'container'];
const MOST_QUEUES = 256;

/** What a VNIC is to be. The ids are UUIDs in production; any printable ASCII without blanks, `_`, `#` and `/` does. */
export interface VnicConfigInput {
  /** Default: `'vm'`. */
  readonly role?: Role | undefined;
  /** The owner. */
  readonly tenantId: string;
  /** The tenant's subnet. */
  readonly subnetId: string;
  /** The concentrator (CNCI) that serves the tenant. */
  readonly concId: string;
  /** The concentrator's address on the compute network: the far end of the tunnel. Unicast IPv4. */
  readonly concIp: string;
  /** The VNIC. */
  readonly vnicId: string;
  /** The workload; for the caller's records, the library does not use it. May contain `_`. */
  readonly instanceId?: string | undefined;
  /** The workload's address: inside `subnet`, and neither its network, gateway nor broadcast address. */
  readonly vnicIp: string;
  /** The workload's unicast MAC address. A container's interface gets it; a VM's hypervisor sets it. */
  readonly vnicMac: string;
  /** The subnet's network, /1 to /30, without host bits: `172.16.1.0/24`. Its gateway is the first address after the network's. */
  readonly subnet: string;
  /** GRE key, 1 to 4294967295; as a VXLAN or Geneve network identifier 1 to 16777215. The same on both ends of the tunnel. */
  readonly subnetKey: number;
  /** Bytes, 68 to 65535. Default: the compute link's MTU less the tunnel's overhead. */
  readonly mtu?: number | undefined;
  /** Queues of a VM's tap, 1 to 256 (the kernel's limit); more than one hands out file descriptors. Default: 1. */
  readonly queues?: number | undefined;
  /**
   * One more name of the host's end (`ip`: altname), 1 to 127 bytes, which no other link has. The kernel
   * keeps it: a process that starts anew recognises the VNIC by it.
   */
  readonly altName?: string | undefined;
  /**
   * Of a container: makes its end inside this namespace, with address and routes, and up. Without it the
   * end waits beside the host's for a runtime that takes it.
   */
  readonly attach?: AttachInput | undefined;
}

/** Parsed {@link VnicConfigInput}: canonical and frozen. */
export interface VnicConfig {
  readonly role: Role;
  readonly tenantId: TenantId;
  readonly subnetId: SubnetId;
  readonly concId: ConcId;
  readonly concIp: Ipv4Address;
  readonly vnicId: VnicId;
  readonly instanceId?: InstanceId;
  readonly vnicIp: Ipv4Address;
  readonly vnicMac: MacAddress;
  readonly subnet: Ipv4Cidr;
  readonly subnetKey: TunnelKey;
  readonly mtu?: number;
  readonly queues: number;
  readonly altName?: string;
  readonly attach?: Attach;
}

/** Parses how many queues a tap has, 1 to 256. */
export function parseQueues(value: unknown, field: string): number {
  return parseInteger(value, field, { least: 1, most: MOST_QUEUES });
}

export function parseRole(value: unknown, field: string): Role {
  return parseChoice(value, field, ROLES);
}

const otherFields = {
  concIp: parseUnicastIpv4,
  instanceId: optional(parseLooseId<InstanceId>),
  vnicIp: parseUnicastIpv4,
  vnicMac: parseMac,
  subnet: parseTenantSubnet,
  subnetKey: parseTunnelKey,
  mtu: optional(parseMtu),
  queues: withDefault(parseQueues, 1),
  altName: optional(parseAltName),
  attach: optional(parseAttach),
};

const configFields = {
  role: withDefault<Role>(parseRole, 'vm'),
  tenantId: (value: unknown, field: string) => parseId<TenantId>(value, field),
  subnetId: (value: unknown, field: string) => parseId<SubnetId>(value, field),
  concId: (value: unknown, field: string) => parseId<ConcId>(value, field),
  vnicId: (value: unknown, field: string) => parseId<VnicId>(value, field),
  ...otherFields,
};

const parseConfigShape = defineShape('config', configFields);

const parseRefShape = defineShape('config', {
  ...configFields,
  tenantId: parseLooseId<TenantId>,
  subnetId: parseLooseId<SubnetId>,
  concId: parseLooseId<ConcId>,
  vnicId: parseLooseId<VnicId>,
});

/** Parses what a VNIC is to be, for its creation. */
export function parseVnicConfig(input: unknown, operation: string): VnicConfig {
  const parsed = parseConfigShape(input, operation);
  withOperation(operation, () => {
    checkAddress(parsed.subnet, parsed.vnicIp);
    checkQueues(parsed.role, parsed.queues);
    checkAttach(parsed);
  });
  return parsed;
}

/**
 * Parses which VNIC is meant, for its destruction: the same shape, but what the Go library may have
 * made is accepted too (ids with `_`, an address outside of the subnet).
 */
export function parseVnicRef(input: unknown, operation: string): VnicConfig {
  return parseRefShape(input, operation);
}

function checkAddress(subnet: Ipv4Cidr, address: Ipv4Address): void {
  const field = 'vnicIp';
  if (!containsAddress(subnet, address)) {
    refuse(address, field, `an address inside ${subnet}`);
  }
  const purpose = purposeOf(subnet, address);
  if (purpose === undefined) return;
  const detail = `it is the ${purpose} address`;
  refuse(address, field, `a workload’s address inside ${subnet}`, detail);
}

/** What an address of a subnet is reserved for, if it is. */
function purposeOf(subnet: Ipv4Cidr, address: Ipv4Address): string | undefined {
  if (address === networkAddress(subnet)) return 'network';
  if (address === gatewayOf(subnet)) return 'gateway';
  return address === broadcastAddress(subnet) ? 'broadcast' : undefined;
}

function checkQueues(role: Role, queues: number): void {
  if (role !== 'vm' && queues !== 1) {
    refuse(queues, 'queues', '1 queue', 'only a VM’s tap has several');
  }
}

function checkAttach({ role, subnet, attach }: VnicConfig): void {
  if (attach === undefined) return;
  if (role !== 'container') {
    refuse(
      attach.netns,
      'attach',
      'nothing for a VM',
      'only a container’s end can be put somewhere',
    );
  }
  for (const [index, { via }] of (attach.routes ?? []).entries()) {
    if (via === undefined || containsAddress(subnet, via)) continue;
    refuse(via, `attach.routes[${String(index)}].via`, `an address inside ${subnet}`);
  }
}
