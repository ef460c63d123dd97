import { LINK_PREFIX, peerNameOf } from '../model';
import type { LinkCreate, TapCreate } from '../plan';
import type { Chooser } from './chooser';

interface PortSpec {
  readonly alias: string;
  readonly mtu: number;
  /** Interface index of the bridge. */
  readonly master: number;
  readonly altName?: string | undefined;
}

/** A VM's port: its MAC is the hypervisor's business. */
export function planTapVnic(
  chooser: Chooser,
  spec: PortSpec & { readonly queues: number },
): TapCreate {
  return {
    op: 'tap.create',
    ifname: chooser.ifname(LINK_PREFIX.vnic),
    ifindex: chooser.ifindex(),
    queues: spec.queues,
    handOut: spec.queues > 1,
    mtu: spec.mtu,
    master: spec.master,
    alias: spec.alias,
    ...(spec.altName !== undefined && { altName: spec.altName }),
    up: true,
    ipv6LinkLocal: false,
  };
}

/**
 * A container's port. The container end is made in the namespace that it is for; without one, it has
 * the host end's number and waits for the runtime.
 */
export function planVethVnic(
  chooser: Chooser,
  spec: PortSpec & {
    readonly mac: string;
    readonly attach?: { readonly netns: string; readonly ifname: string } | undefined;
  },
): Extract<LinkCreate, { kind: 'veth' }> {
  const ifname = chooser.ifname(LINK_PREFIX.vnic);
  return {
    op: 'link.create',
    kind: 'veth',
    ifname,
    ifindex: chooser.ifindex(),
    mtu: spec.mtu,
    master: spec.master,
    alias: spec.alias,
    ...(spec.altName !== undefined && { altName: spec.altName }),
    up: true,
    ipv6LinkLocal: false,
    peer: {
      ifname: spec.attach?.ifname ?? peerNameOf(ifname),
      ifindex: chooser.ifindex(),
      address: spec.mac,
      mtu: spec.mtu,
      ...(spec.attach !== undefined && { netns: spec.attach.netns }),
    },
  };
}

/** Packets; what the Go original gives a CNCI's macvtap. */
const CNCI_QUEUE_LENGTH = 500;

/** A CNCI VM's port on the physical network. The VM opens `/dev/tap<ifindex>`. */
export function planCnciVnic(
  chooser: Chooser,
  spec: {
    readonly alias: string;
    readonly mac: string;
    readonly mode: 'bridge' | 'vepa';
    /** Interface index of the physical link. */
    readonly link: number;
  },
): Extract<LinkCreate, { kind: 'macvtap' }> {
  return {
    op: 'link.create',
    kind: 'macvtap',
    ifname: chooser.ifname(LINK_PREFIX.cnci),
    ifindex: chooser.ifindex(),
    link: spec.link,
    address: spec.mac,
    txqlen: CNCI_QUEUE_LENGTH,
    alias: spec.alias,
    up: true,
    ipv6LinkLocal: false,
    data: { mode: spec.mode },
  };
}
