import type { TunnelKind } from '../model';
import type { Finding } from '../topology';

/** What `addRemoteSubnet` gives. */
export interface RemoteSubnet {
  /** Link name of the subnet's bridge. */
  readonly bridge: string;
  /** The address of the bridge: the subnet's first after the network's. */
  readonly gateway: string;
  /** Bytes, of what fits through the tunnel. */
  readonly mtu: number;
  /** Link name of the tunnel. */
  readonly tunnel: string;
  /** What this call made; the caller sets up forwarding once, with the bridge. */
  readonly created: { readonly bridge: boolean; readonly tunnel: boolean };
}

/** What `delRemoteSubnet` gives. */
export interface RemovedSubnet {
  /** False where the tunnel was gone already. */
  readonly removed: boolean;
}

/** What `rebuildTopology` found. */
export interface CnciReport {
  readonly subnets: number;
  /** Compute nodes reached, over all subnets. */
  readonly tunnels: number;
  readonly findings: readonly Finding[];
}

/** A concentrator's topology at one moment: plain, frozen data, safe to serialise. */
export interface CnciTopology {
  readonly type: 'cnci';
  readonly id: string;
  readonly tenantId: string;
  readonly mode: TunnelKind;
  readonly computeLink: {
    readonly linkName: string;
    readonly address: string;
    readonly mtu: number;
  };
  readonly subnets: readonly CnciSubnetTopology[];
  readonly findings: readonly Finding[];
}

export interface CnciSubnetTopology {
  /** CIDR. */
  readonly subnet: string;
  readonly gateway: string;
  readonly bridge?: {
    readonly linkName: string;
    readonly ifIndex: number;
    readonly mtu: number;
    readonly mac: string;
  };
  /** One for each compute node; on VXLAN they share one link. */
  readonly tunnels: readonly {
    readonly kind: TunnelKind;
    readonly cnIp: string;
    readonly linkName: string;
    readonly ifIndex: number;
    readonly key?: number;
  }[];
}
