/**
 * What a picture is made of. The snapshots of compute nodes and concentrators have this shape, and
 * more; so has what a program reads back from JSON.
 */

export interface DrawableLink {
  readonly linkName: string;
  readonly ifIndex: number;
  readonly mtu: number;
}

export interface DrawableFinding {
  readonly type: string;
  readonly text: string;
  readonly link?: { readonly linkName: string; readonly ifIndex: number };
  readonly subnet?: string;
  readonly remedy: string;
}

/** The link that tunnels run on. */
export interface DrawableUplink {
  readonly linkName: string;
  readonly address: string;
  readonly mtu: number;
}

export interface DrawableVnic extends DrawableLink {
  readonly role: string;
  readonly ip: string;
  readonly mac?: string;
  readonly interfaceName: string;
}

export interface DrawableNodeSubnet {
  readonly scope: string;
  readonly ids?: { readonly tenantId: string; readonly subnetId: string; readonly concId: string };
  readonly concIp: string;
  readonly bridge?: DrawableLink;
  readonly tunnel?: DrawableLink & { readonly kind: string; readonly key?: number };
  readonly vnics: readonly DrawableVnic[];
}

export interface DrawableCnciVnic extends DrawableLink {
  readonly tenantId: string;
  readonly vnicId: string;
  readonly mac: string;
}

export interface DrawableNode {
  readonly type: 'compute-node';
  readonly id: string;
  readonly mode: string;
  readonly computeLink: DrawableUplink;
  readonly subnets: readonly DrawableNodeSubnet[];
  readonly cnciVnics: readonly DrawableCnciVnic[];
  readonly findings: readonly DrawableFinding[];
}

export interface DrawableCnciTunnel {
  readonly kind: string;
  readonly cnIp: string;
  readonly linkName: string;
  readonly ifIndex: number;
  readonly key?: number;
}

export interface DrawableCnciSubnet {
  readonly subnet: string;
  readonly gateway: string;
  readonly bridge?: DrawableLink;
  readonly tunnels: readonly DrawableCnciTunnel[];
}

/** The tunnel among a tenant's concentrators. */
export interface DrawableMesh extends DrawableLink {
  readonly kind: string;
  readonly key?: number;
  readonly tunnelIp?: string;
  readonly neighbours: readonly {
    readonly tunnelIp: string;
    readonly physicalIp?: string;
    readonly subnet?: string;
  }[];
}

export interface DrawableCnci {
  readonly type: 'cnci';
  readonly id: string;
  readonly tenantId: string;
  readonly mode: string;
  readonly computeLink: DrawableUplink;
  readonly subnets: readonly DrawableCnciSubnet[];
  readonly mesh?: DrawableMesh;
  readonly findings: readonly DrawableFinding[];
}

/** A compute node or a concentrator. */
export type Drawable = DrawableNode | DrawableCnci;
