import { LINK_PREFIX } from '../model';
import type { LinkCreate, LinkDelete, LinkToDelete } from '../plan';
import type { KnownLink } from '../topology';
import type { Chooser } from './chooser';

/** A bridge with a MAC of its own: without one it takes its lowest port's, and changes with them. */
export function planBridge(chooser: Chooser, alias: string, mtu: number): LinkCreate {
  return {
    op: 'link.create',
    kind: 'bridge',
    ifname: chooser.ifname(LINK_PREFIX.bridge),
    ifindex: chooser.ifindex(),
    address: chooser.mac(),
    mtu,
    alias,
    up: true,
    ipv6LinkLocal: false,
  };
}

/** Names a link as it is to be found when it is deleted. */
export function toDelete(link: KnownLink): LinkToDelete {
  return { ifindex: link.ifIndex, ifname: link.linkName, alias: link.alias };
}

/**
 * Deletes links at once and bridges behind the caller's back: the kernel takes some 18 ms over a
 * bridge, so it is stripped of name and alias and goes to the trash.
 */
export function planDeletion(
  chooser: Chooser,
  links: readonly KnownLink[],
  bridges: readonly KnownLink[],
): LinkDelete {
  return {
    op: 'link.delete',
    links: links.map(toDelete),
    retire: bridges.map((bridge) => ({
      ...toDelete(bridge),
      trashName: chooser.ifname(LINK_PREFIX.bridge),
    })),
  };
}
