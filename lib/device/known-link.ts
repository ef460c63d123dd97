import type { LinkCreate, TapCreate } from '../plan';
import type { KnownLink } from '../topology';

/** The link that a step makes, as the database will know it. */
export function knownLinkOf(step: LinkCreate | TapCreate): KnownLink {
  return {
    ifIndex: step.ifindex,
    linkName: step.ifname,
    alias: step.alias ?? '',
    mtu: step.mtu ?? 0,
    mac: step.address ?? '',
  };
}
