import type { TunnelKind } from '../model';

/** A link of ours as the database keeps it. */
export interface KnownLink {
  readonly ifIndex: number;
  readonly linkName: string;
  readonly alias: string;
  readonly mtu: number;
  readonly mac: string;
}

export interface KnownTunnel extends KnownLink {
  readonly kind: TunnelKind;
  /** GRE key, or VXLAN or Geneve VNI; `undefined` where the kernel doesn't say. */
  readonly key: number | undefined;
  readonly local: string | undefined;
  readonly remote: string | undefined;
}

export interface KnownVnic extends KnownLink {
  readonly role: 'vm' | 'container';
  readonly ip: string;
  readonly multiQueue: boolean;
  /** Container end: its name and, while it is in the node's namespace, its MAC. */
  readonly peerName: string | undefined;
  readonly peerMac: string | undefined;
  /** The host's end's other names. */
  readonly altNames: readonly string[];
  /** Interface index of a container's end that is elsewhere and was never brought up. */
  readonly waitingPeer?: number;
}
