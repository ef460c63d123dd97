import type { LibsnnetError } from '../errors';
import type { ResetReport } from '../host';
import type { MeshKind, TunnelKind } from '../model';
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

/** What `updateNeighbors` gives. */
export interface UpdatedNeighbors {
  readonly linkName: string;
  readonly kind: MeshKind;
  /** GRE key, or VXLAN network identifier. */
  readonly key: number;
  /** This concentrator's address in the mesh. */
  readonly tunnelIp: string;
  /** Bytes. */
  readonly mtu: number;
  /** This call made the device. */
  readonly created: boolean;
  /** False where everything was so already: nothing was sent to the kernel. */
  readonly isChanged: boolean;
  /** Neighbours by their address in the mesh; the same for the next two. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** What `shutdown` did. */
export interface CnciShutdownReport extends ResetReport {
  /** Why the DHCP servers, or their files, are not all gone. */
  readonly dhcpError?: LibsnnetError;
}

/** What `rebuildTopology` found. */
export interface CnciReport {
  readonly subnets: number;
  /** Compute nodes reached, over all subnets. */
  readonly tunnels: number;
  /** Other concentrators in the mesh. */
  readonly neighbours: number;
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
  /** The tunnel among the tenant's concentrators; absent where there is none. */
  readonly mesh?: MeshTopology;
  readonly findings: readonly Finding[];
}

export interface MeshTopology {
  readonly linkName: string;
  readonly ifIndex: number;
  readonly kind: MeshKind;
  /** Bytes. */
  readonly mtu: number;
  /** GRE key, or VXLAN network identifier. */
  readonly key?: number;
  /** This concentrator's address in the mesh. */
  readonly tunnelIp?: string;
  readonly prefixLength?: number;
  readonly neighbours: readonly MeshNeighbour[];
}

/** Another of the tenant's concentrators, as the kernel knows it. */
export interface MeshNeighbour {
  readonly tunnelIp: string;
  readonly physicalIp?: string;
  /** CIDR. */
  readonly subnet?: string;
}

export interface CnciSubnetTopology {
  /** CIDR. */
  readonly subnet: string;
  readonly gateway: string;
  /** The server that gives out the addresses, where it runs. */
  readonly dhcp?: { readonly pid: number };
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
