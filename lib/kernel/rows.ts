/** What the kernel answers, as plain records. */

/** One link of a dump or of a notification. Fields that its kind doesn't have are absent. */
export interface LinkRow {
  readonly ifindex: number;
  readonly ifname: string;
  /** The empty string where it has none. */
  readonly alias: string;
  /** `IFLA_INFO_KIND`: `bridge`, `tun`, `veth`, `vxlan` …; the empty string for a physical device. */
  readonly kind: string;
  /** Link-layer address; the empty string where it has none. */
  readonly address: string;
  readonly mtu: number;
  /** Interface index of the bridge that it is a port of; 0 where it is none. */
  readonly master: number;
  /** Interface index of its lower or peer link; 0 where it has none. */
  readonly link: number;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** `IFLA_GROUP`. */
  readonly group: number;
  /** Its other names (`IFLA_ALT_IFNAME`), where it has any. */
  readonly altNames?: readonly string[];
  /** A bridge on which this machine believes router advertisements. */
  readonly takesAdvertisements?: true;
  /** A veth whose other end, in another namespace, has never been up. */
  readonly waitsForPeer?: true;
  /** Tunnels and macvtap only. */
  readonly data?: LinkRowData;
}

export interface LinkRowData {
  /** GRE key, or VXLAN or Geneve VNI. */
  readonly key?: number;
  readonly local?: string;
  readonly remote?: string;
  /** UDP port. */
  readonly port?: number;
  /** macvtap. */
  readonly mode?: string;
  /** tap. */
  readonly multiQueue?: boolean;
  readonly persistent?: boolean;
}

/** One address of a dump. */
export interface AddressRow {
  readonly ifindex: number;
  readonly address: string;
  readonly prefixLength: number;
}

/** One route of the main table. */
export interface RouteRow {
  /** CIDR; `0.0.0.0/0` for the default route. */
  readonly destination: string;
  readonly ifindex: number;
  readonly via?: string;
}

/** One neighbour entry, or (in a dump of `fdb`) one forwarding entry. */
export interface NeighbourRow {
  readonly ifindex: number;
  /** IP address; for a forwarding entry the outer destination, if it has one. */
  readonly address?: string;
  readonly lladdr: string;
  readonly isPermanent: boolean;
}
