import type { ConntrackDelete, NftStep } from './nft-step';

/**
 * The steps that a plan is made of: plain data in the kernel's own words.
 *
 * A step names links by interface index, never by a name read beforehand: the planner chooses the
 * indexes of what it creates, so that a whole plan can go down in one send. Nothing here knows what
 * a tenant, a subnet or a concentrator is.
 */

/** Kinds of link that the kernel creates over rtnetlink (a tap is made through `/dev/net/tun`). */
export type LinkKind =
  'bridge' | 'veth' | 'macvtap' | 'vxlan' | 'gretap' | 'gre' | 'geneve' | 'dummy';

/** What `net.ipv4.conf.<link>` says (kernel: Documentation/networking/ip-sysctl.rst). */
export interface Ipv4Settings {
  /** 8: answers ARP for none of the host's addresses. */
  readonly arpIgnore?: number;
  /** 1: announces its addresses when it comes up. */
  readonly arpNotify?: number;
  /** 1: takes only what it would send the answer to by the same link. */
  readonly rpFilter?: number;
}

/** Attributes that any link can be given, at creation or later. */
export interface LinkAttributes {
  /** Link-layer address, `aa:bb:cc:dd:ee:ff`. */
  readonly address?: string;
  /** Bytes. */
  readonly mtu?: number;
  /** Packets. */
  readonly txqlen?: number;
  /** Interface index of the bridge to join; 0 leaves it. */
  readonly master?: number;
  readonly up?: boolean;
  /** At most 255 bytes (kernel: IFALIASZ); the empty string removes it. */
  readonly alias?: string;
  /** As a bridge port: frames may leave by the port they came in by. */
  readonly hairpin?: boolean;
  /** In the same message, so also where `/proc/sys` is read-only. They hold before the link comes up. */
  readonly ipv4?: Ipv4Settings;
}

export interface VxlanData {
  readonly vni: number;
  readonly local?: string;
  /** Left out for a device that has its remotes in the forwarding table only. */
  readonly remote?: string;
  readonly port: number;
  readonly learning?: boolean;
}

export interface GreData {
  readonly local: string;
  /** `0.0.0.0` makes it point-to-multipoint. */
  readonly remote: string;
  readonly key: number;
  readonly pmtudisc: boolean;
  readonly ttl?: number;
}

export interface GeneveData {
  readonly vni: number;
  readonly remote: string;
  readonly port: number;
}

export interface MacvtapData {
  readonly mode: 'bridge' | 'vepa' | 'private' | 'passthru';
}

/** The other end of a veth pair. It is created down: the kernel refuses to create it up. */
export interface VethPeer {
  readonly ifname: string;
  readonly ifindex: number;
  readonly address?: string;
  readonly mtu?: number;
  readonly txqlen?: number;
  /** The namespace that it is made in: a path, or a name under `/run/netns`. Left out: the other end's. */
  readonly netns?: string;
}

interface LinkCreateBase extends LinkAttributes {
  readonly op: 'link.create';
  readonly ifname: string;
  readonly ifindex: number;
  /** `false`: no IPv6 link-local address is made on it. */
  readonly ipv6LinkLocal?: false;
  /** One more name, at most 127 bytes, that no link of the namespace has. */
  readonly altName?: string;
}

export type LinkCreate =
  | (LinkCreateBase & { readonly kind: 'bridge' | 'dummy' })
  | (LinkCreateBase & { readonly kind: 'veth'; readonly peer: VethPeer })
  | (LinkCreateBase & {
      readonly kind: 'macvtap';
      readonly link: number;
      readonly data: MacvtapData;
    })
  | (LinkCreateBase & { readonly kind: 'vxlan'; readonly data: VxlanData })
  | (LinkCreateBase & { readonly kind: 'gretap' | 'gre'; readonly data: GreData })
  | (LinkCreateBase & { readonly kind: 'geneve'; readonly data: GeneveData });

/** A persistent tap, made through `/dev/net/tun`. */
export interface TapCreate extends LinkAttributes {
  readonly op: 'tap.create';
  readonly ifname: string;
  readonly ifindex: number;
  /** 1 to 256; more than one makes a multi-queue tap. */
  readonly queues: number;
  /** Leaves the queues' descriptors open and returns them; the caller owns them. */
  readonly handOut: boolean;
  readonly ipv6LinkLocal?: false;
  readonly altName?: string;
}

/** Changes a link that is there. */
export interface LinkSet extends LinkAttributes {
  readonly op: 'link.set';
  readonly ifindex: number;
  /** Renames it. */
  readonly ifname?: string;
  /** What a change turned, as it was before: the inverse. Left out, the change is not undone. */
  readonly before?: LinkAttributes & { readonly ifname?: string };
}

interface TunnelSetBase {
  readonly op: 'tunnel.set';
  readonly ifindex: number;
  /** In the same message: the link's identity changes with where it leads. */
  readonly alias?: string;
}

type TunnelSetOf<Kind extends string, Data> = TunnelSetBase & {
  readonly kind: Kind;
  readonly data: Data;
  /** As it was before: the inverse. Left out, the change is not undone. */
  readonly before?: { readonly data: Data; readonly alias?: string };
};

/**
 * Changes where a tunnel that is there leads, without taking it down. Of a GRE all data is written
 * anew; a key, a network identifier or a port of the others cannot change.
 */
export type TunnelSet =
  | TunnelSetOf<'vxlan', Pick<VxlanData, 'local' | 'remote'>>
  | TunnelSetOf<'gretap' | 'gre', GreData>
  | TunnelSetOf<'geneve', Pick<GeneveData, 'remote'>>;

/**
 * A link that is to go. It is deleted only if the kernel still shows it with this alias (or, where
 * `alias` is the empty string, with this name and no alias); an index may have been given to a stranger.
 */
export interface LinkToDelete {
  readonly ifindex: number;
  readonly ifname: string;
  readonly alias: string;
}

/** A bridge whose name and alias are freed at once and which is deleted behind the caller's back. */
export interface BridgeToRetire extends LinkToDelete {
  /** The name it carries until it is gone. */
  readonly trashName: string;
}

/** Deletes links, all in one group with whatever else waits to be deleted at that moment. */
export interface LinkDelete {
  readonly op: 'link.delete';
  readonly links: readonly LinkToDelete[];
  readonly retire?: readonly BridgeToRetire[];
}

export interface AddressStep {
  readonly op: 'address.add' | 'address.delete';
  readonly ifindex: number;
  readonly address: string;
  readonly prefixLength: number;
}

export interface RouteStep {
  readonly op: 'route.add' | 'route.delete';
  /** CIDR. */
  readonly destination: string;
  readonly ifindex: number;
  readonly via?: string;
  /** Of an addition; a deletion takes the route whatever its metric. */
  readonly metric?: number;
}

/** A permanent neighbour entry. */
export interface NeighbourStep {
  readonly op: 'neighbour.add' | 'neighbour.delete';
  readonly ifindex: number;
  readonly address: string;
  /** A MAC, or on a point-to-multipoint GRE the outer IPv4 address. */
  readonly lladdr: string;
}

/**
 * A forwarding entry. With `dst` one of a VXLAN device's own table, where the all-zero MAC means
 * "anything unknown"; without, one of the bridge that the link is a port of, which stays at this port
 * whatever arrives elsewhere (static, sticky).
 */
export interface FdbStep {
  readonly op: 'fdb.add' | 'fdb.delete';
  readonly ifindex: number;
  readonly mac: string;
  readonly dst?: string;
}

export interface SysctlSet {
  readonly op: 'sysctl.set';
  /** Path under `/proc/sys`, for example `net/ipv4/ip_forward`. */
  readonly name: string;
  readonly value: string;
  /** The value that the inverse writes back. */
  readonly before?: string;
}

export type Step = (
  | LinkCreate
  | TapCreate
  | LinkSet
  | TunnelSet
  | LinkDelete
  | AddressStep
  | RouteStep
  | NeighbourStep
  | FdbStep
  | SysctlSet
  | NftStep
  | ConntrackDelete
) & {
  /** Errors of the kernel that mean "it is so already", by errno name; the step then has no inverse. */
  readonly tolerate?: readonly string[];
  /**
   * Another namespace, where it is done: of an address, a route, a sysctl or a change of a link that the
   * plan made there. It then has no inverse: it goes with that link, which goes with its other end.
   */
  readonly netns?: string;
};

export type StepOp = Step['op'];
