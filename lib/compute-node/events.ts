import { gatewayOf } from '../model';
import type { TunnelKind, VnicConfig } from '../model';
import type { KnownLink } from '../topology';

/**
 * What the caller must tell the concentrator: a tunnel was added or removed at this end. It may come
 * twice for the same tunnel. A caller that dies before it has told must tell after its restart:
 * `topology()` has all it takes.
 */
export interface TunnelEvent {
  readonly kind: 'tunnel-add' | 'tunnel-del';
  /** The number that goes on the wire: 2 for add, 4 for del. */
  readonly code: 2 | 4;
  /** The concentrator's address: the far end. */
  readonly cnciIp: string;
  /** This node's address: the near end. */
  readonly cnIp: string;
  readonly subnet: string;
  readonly subnetKey: number;
  readonly tenantId: string;
  readonly subnetId: string;
  readonly concId: string;
  readonly cnId: string;
  /** The other end must build the same. */
  readonly tunnel: TunnelKind;
}

/**
 * What a container runtime must know. `add`: make the logical network before the container;
 * `del`: remove it; `info`: nothing to do.
 */
export interface ContainerNetwork {
  readonly kind: 'container-network-info' | 'container-network-add' | 'container-network-del';
  /** The original's number: 0 info, 2 add, 4 del. */
  readonly code: 0 | 2 | 4;
  /** The bridge's link name: docker's name for the network. */
  readonly subnetId: string;
  /** The bridge's alias: docker's `--opt bridge=`. */
  readonly bridge: string;
  readonly subnet: string;
  /** The first address of the subnet. */
  readonly gateway: string;
}

const TUNNEL_CODES = { 'tunnel-add': 2, 'tunnel-del': 4 } as const;
const CONTAINER_CODES = {
  'container-network-info': 0,
  'container-network-add': 2,
  'container-network-del': 4,
} as const;

export interface TunnelEnds {
  readonly tunnel: TunnelKind;
  readonly cnIp: string;
  readonly subnetKey: number;
  readonly cnId: string;
}

export function tunnelEvent(
  kind: TunnelEvent['kind'],
  config: VnicConfig,
  ends: TunnelEnds,
): TunnelEvent {
  const { concIp, subnet, tenantId, subnetId, concId } = config;
  return Object.freeze({
    kind,
    code: TUNNEL_CODES[kind],
    cnciIp: concIp,
    cnIp: ends.cnIp,
    subnet,
    subnetKey: ends.subnetKey,
    tenantId,
    subnetId,
    concId,
    cnId: ends.cnId,
    tunnel: ends.tunnel,
  });
}

export function containerNetwork(
  kind: ContainerNetwork['kind'],
  config: VnicConfig,
  bridge: KnownLink,
): ContainerNetwork {
  return Object.freeze({
    kind,
    code: CONTAINER_CODES[kind],
    subnetId: bridge.linkName,
    bridge: bridge.alias,
    subnet: config.subnet,
    gateway: gatewayOf(config.subnet),
  });
}
