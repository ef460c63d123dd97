import type { LinkPrefix } from '../model';

/** Chooses what a new link needs and nobody prescribes. The planners stay pure: chance comes in here. */
export interface Chooser {
  /** A link name with this prefix that no link of ours has. */
  ifname(prefix: LinkPrefix): string;
  /** An interface index that no link has. */
  ifindex(): number;
  /** A locally administered unicast MAC. */
  mac(): string;
}
