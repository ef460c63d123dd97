import { LINK_PREFIX } from '../model';
import type { TunnelKind } from '../model';
import type { FdbStep, LinkCreate } from '../plan';
import type { Chooser } from './chooser';

/** What a tunnel of any kind is made of. */
export interface TunnelSpec {
  readonly kind: TunnelKind;
  readonly alias: string;
  readonly local: string;
  /** Left out: a VXLAN device whose remotes are entries of its forwarding table. */
  readonly remote?: string;
  /** GRE key, or VXLAN or Geneve VNI. */
  readonly key: number;
  readonly mtu: number;
  /** Frames from one remote may go on to another: for a device with several. */
  readonly hairpin?: boolean;
  /** Interface index of its bridge. */
  readonly master: number;
  readonly ports: TunnelPorts;
}

/** UDP ports of the kinds that have one. */
export interface TunnelPorts {
  readonly vxlan: number;
  readonly geneve: number;
}

const ANY_ADDRESS = '0.0.0.0';
const ANY_MAC = '00:00:00:00:00:00';
/** The VNI that no subnet may have: the anchor's. */
export const ANCHOR_VNI = 0xffffff;

/** One row for each kind of tunnel: how the kernel wants it described. */
const KINDS: Readonly<Record<TunnelKind, (spec: TunnelSpec, base: Base) => LinkCreate>> = {
  gre: (spec, base) => ({
    ...base,
    kind: 'gretap',
    data: {
      local: spec.local,
      remote: spec.remote ?? ANY_ADDRESS,
      key: spec.key,
      pmtudisc: true,
    },
  }),
  vxlan: (spec, base) => ({
    ...base,
    kind: 'vxlan',
    data: {
      vni: spec.key,
      local: spec.local,
      ...(spec.remote !== undefined && { remote: spec.remote }),
      port: spec.ports.vxlan,
      // With one remote there is nothing to learn: everything goes there.
      learning: spec.remote === undefined,
    },
  }),
  geneve: (spec, base) => ({
    ...base,
    kind: 'geneve',
    data: { vni: spec.key, remote: spec.remote ?? ANY_ADDRESS, port: spec.ports.geneve },
  }),
};

type Base = Omit<Extract<LinkCreate, { kind: 'bridge' | 'dummy' }>, 'kind'>;

/** A tunnel, attached to its bridge and up. */
export function planTunnel(chooser: Chooser, spec: TunnelSpec): LinkCreate {
  return KINDS[spec.kind](spec, {
    op: 'link.create',
    ifname: chooser.ifname(LINK_PREFIX.tunnel),
    ifindex: chooser.ifindex(),
    mtu: spec.mtu,
    master: spec.master,
    alias: spec.alias,
    up: true,
    ipv6LinkLocal: false,
    ...(spec.hairpin !== undefined && { hairpin: spec.hairpin }),
  });
}

/**
 * Keeps the kernel's UDP socket of a VXLAN port alive while tunnels come and go: the last one on a
 * port costs the kernel 9 to 16 ms more under its lock.
 */
export function planAnchor(chooser: Chooser, alias: string, port: number): LinkCreate {
  return {
    op: 'link.create',
    kind: 'vxlan',
    ifname: chooser.ifname(LINK_PREFIX.tunnel),
    ifindex: chooser.ifindex(),
    alias,
    up: true,
    ipv6LinkLocal: false,
    data: { vni: ANCHOR_VNI, port, learning: false },
  };
}

/** Where a VXLAN device sends what it doesn't know the place of: one entry for each remote. */
export function planRemote(op: FdbStep['op'], ifindex: number, remote: string): FdbStep {
  return { op, ifindex, mac: ANY_MAC, dst: remote };
}
