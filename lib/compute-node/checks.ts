import { ANCHOR_VNI } from '../device';
import { APIError } from '../errors';
import type { Host } from '../host';
import { checkKeyFits } from '../model';
import type { VnicConfig } from '../model';
import type { Subnet, SubnetTable, VnicEntry } from './subnet';

/** Ports of a bridge, in all (kernel: BR_MAX_PORTS less the reserved one). */
export const MOST_PORTS = 1023;

/** Refuses a key that the kind of tunnel cannot carry. */
export function checkKey(host: Host, config: VnicConfig, operation: string): void {
  checkKeyFits(host.mode, config.subnetKey, operation);
  if (host.mode !== 'vxlan' || Number(config.subnetKey) !== ANCHOR_VNI) return;
  throw new APIError('SNNET_VNI_TAKEN', {
    operation,
    field: 'subnetKey',
    value: config.subnetKey,
    detail: 'this VNI is the library’s own; choose another',
  });
}

/** Refuses a tunnel that the kernel could not tell from another subnet's. */
export function checkTunnelIsFree(
  host: Host,
  subnets: SubnetTable,
  subnet: Subnet | undefined,
  config: VnicConfig,
): void {
  const isVxlan = host.mode === 'vxlan';
  for (const other of subnets.withKey(config.subnetKey)) {
    // Tunnels of another kind do not know of each other; one without a kind is being made, as ours.
    if (other === subnet || (other.tunnel?.kind ?? host.mode) !== host.mode) continue;
    if (!isVxlan && other.scope.concIp !== config.concIp) continue;
    throw new APIError(isVxlan ? 'SNNET_VNI_TAKEN' : 'SNNET_TUNNEL_TAKEN', {
      field: 'subnetKey',
      value: config.subnetKey,
      object: { subnet: other.scope.text },
      detail: isVxlan
        ? `subnet ${other.scope.text} uses it; on vxlan a key belongs to one subnet of the node, whatever its concentrator`
        : `subnet ${other.scope.text} has a tunnel with this key to the same concentrator`,
    });
  }
}

/** Refuses a key that is not the one of the subnet's tunnel. */
export function checkSubnetKey(subnet: Subnet, config: VnicConfig): void {
  if (subnet.key === undefined || subnet.key === config.subnetKey) return;
  throw new APIError('SNNET_VNIC_CONFLICT', {
    field: 'subnetKey',
    value: config.subnetKey,
    object: { subnet: subnet.scope.text },
    detail: `the subnet has subnetKey ${String(subnet.key)}, the configuration says ${String(config.subnetKey)}`,
  });
}

export function checkRoom(subnet: Subnet): void {
  // One port is the tunnel's.
  if (subnet.vnics.size + 1 < MOST_PORTS) return;
  throw new APIError('SNNET_BRIDGE_FULL', {
    object: { subnet: subnet.scope.text, ports: subnet.vnics.size + 1 },
    detail: `a bridge has at most ${String(MOST_PORTS)} ports, one of them the tunnel’s`,
  });
}

/** Refuses a configuration that names a VNIC which is there, and contradicts it. */
export function checkAgrees(
  subnet: Subnet,
  entry: VnicEntry,
  config: VnicConfig,
  operation: string,
): void {
  const pairs = agreements(subnet, entry, config);
  for (const [field, is, asked] of pairs) {
    if (is === undefined || is === asked) continue;
    throw new APIError('SNNET_VNIC_CONFLICT', {
      operation,
      field,
      value: asked,
      object: { subnet: subnet.scope.text, vnicIp: entry.ip },
      detail: `the VNIC ${entry.ip} has ${field} ${String(is)}, the configuration says ${String(asked)}`,
    });
  }
}

/** What a VNIC that is not called as the configuration says is called instead. */
function altNameOf(
  { known, config: made }: VnicEntry,
  { altName }: VnicConfig,
): string | undefined {
  if (altName === undefined) return undefined;
  const names = known?.altNames ?? [made?.altName ?? ''];
  return names.includes(altName) ? altName : names.join(' ');
}

type Agreement = readonly [field: string, is: string | number | undefined, asked: string | number];

/** What is known of a VNIC, beside what the configuration says. */
function agreements(subnet: Subnet, entry: VnicEntry, config: VnicConfig): readonly Agreement[] {
  return [
    ['role', entry.known?.role ?? entry.config?.role, config.role],
    ['subnetKey', subnet.key, config.subnetKey],
    ['vnicMac', entry.config?.vnicMac ?? entry.known?.peerMac, config.vnicMac],
    ['vnicId', entry.config?.vnicId, config.vnicId],
    ['subnet', entry.config?.subnet, config.subnet],
    ['altName', altNameOf(entry, config), config.altName ?? ''],
  ];
}
