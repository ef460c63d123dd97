import type { Finding } from '../topology';

/** Somebody else changed a link of ours, or put one of theirs on a bridge of ours. */
export interface DriftEvent {
  readonly type: 'drift';
  readonly cause: DriftCause;
  /** As it was before; of a `foreign-port` the stranger's. */
  readonly link: {
    readonly linkName: string;
    readonly ifIndex: number;
    readonly alias: string;
  };
  /** The subnet's identity, or on a concentrator its CIDR; absent for a link that belongs to none. */
  readonly subnet?: string;
  /** Absent where the identity is ambiguous (made by the Go original). */
  readonly tenantId?: string;
}

/**
 * - `deleted`: it is gone; also where somebody moved it to another namespace.
 * - `renamed`, `re-aliased`: it is called, or says that it is, something else. Of an alias of a link that
 *   is down the kernel says nothing until something else about it changes.
 * - `detached`: it is no port of its bridge any more.
 * - `down`: it is not up.
 * - `foreign-port`: a link that is not ours was attached to a bridge of ours.
 */
export type DriftCause =
  'deleted' | 'renamed' | 're-aliased' | 'detached' | 'down' | 'foreign-port';

/**
 * Notifications were lost, and everything was read again: what happened meanwhile was not told one by
 * one. Look at the topology, or audit; what happens from now on is told again.
 */
export interface ResyncEvent {
  readonly type: 'resync';
}

/**
 * Healing has stopped for a subnet: what was mended was undone again and again, or could not be mended.
 * It goes on once the subnet has been seen in order.
 */
export interface GaveUpEvent {
  readonly type: 'gave-up';
  /** What is out of order now. */
  readonly findings: readonly Finding[];
  /** How often it was mended, or tried, within the last minute. */
  readonly attempts: number;
  /** Why the last attempt failed; that it was undone, where it did not. */
  readonly reason: string;
  /** As in {@link DriftEvent}. */
  readonly subnet?: string;
  readonly tenantId?: string;
}

/** What watchers of every kind tell. */
export type WatchEvent = DriftEvent | ResyncEvent | GaveUpEvent;
