import type { FirewallState } from '../ruleset';
import type { Plan } from '../plan';

/** What a change of the firewall did. */
export interface FirewallReport {
  /** How many of the things asked for were not so yet. */
  readonly changed: number;
  /** How many were so already. */
  readonly unchanged: number;
  /** Flows that were ended because they went by what changed. */
  readonly flowsEnded: number;
}

/** What `shutdown` did. */
export interface FirewallShutdown {
  /** False where nothing of ours was there. */
  readonly removed: boolean;
  /** Whether the machine forwards now: as before `open`. */
  readonly forwarding: boolean;
}

/** What a call would do: the steps as data and as text. */
export interface FirewallDryRun {
  readonly plan: Plan;
  readonly text: string;
}

/** What a firewall holds, and whether it works. */
export interface FirewallView extends FirewallState {
  /** `net.ipv4.ip_forward`. */
  readonly forwarding: boolean;
  /**
   * `owned`: the kernel keeps others from changing the table. `shared`: it does not (before Linux 6.9),
   * so changes by others are noticed and put right.
   */
  readonly ownership: 'owned' | 'shared';
}

/**
 * - `table-changed`: our table was flushed or changed, where the kernel does not guard it.
 * - `address-lost`: a public address went away from its device.
 * - `passage-closed`: the passage through the chain of iptables was flushed.
 */
export type FirewallDriftCause = 'table-changed' | 'address-lost' | 'passage-closed';

/** What `Firewall.watch` tells: somebody undid something of ours. */
export interface FirewallEvent {
  readonly type: 'drift';
  readonly cause: FirewallDriftCause;
  /** It has been put right. Where not, `error` says why, and it is tried again after a pause. */
  readonly healed: boolean;
  readonly error?: unknown;
}

/**
 * Something on this machine that keeps the firewall from doing what it says.
 *
 * - `foreign-drop`: a chain of another program ends with dropping what is forwarded, tenants' traffic
 *   included.
 * - `bridge-filtered`: bridged frames go through the chains for IPv4 too (`bridge-nf-call-iptables`).
 * - `legacy-iptables`: rules of iptables-legacy, which nothing here can see or open.
 * - `forwarding-off`: the machine does not forward.
 * - `missing-device`: an external device is not there.
 * - `missing-address`: a public address is not on its device.
 * - `table-changed`: the table is gone, or not as we left it.
 */
export type FirewallFindingType =
  | 'foreign-drop'
  | 'bridge-filtered'
  | 'legacy-iptables'
  | 'forwarding-off'
  | 'missing-device'
  | 'missing-address'
  | 'table-changed';

export interface FirewallFinding {
  readonly type: FirewallFindingType;
  /** The sentence that an operator reads. */
  readonly text: string;
  /** What to do about it. */
  readonly remedy: string;
}
