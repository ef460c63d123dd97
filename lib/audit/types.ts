import type { Attachment } from '../cni';
import type { ComputeNode, TunnelEvent } from '../compute-node';
import type { LibsnnetError } from '../errors';

/** A VNIC that was made for a container runtime. */
export interface AuditedVnic extends Attachment {
  readonly altName: string;
  readonly linkName: string;
  readonly ifIndex: number;
  readonly ip: string;
  readonly tenantId: string;
  readonly subnetId: string;
  readonly concId: string;
  readonly concIp: string;
}

/**
 * Tells which of these VNICs still have a workload: the same objects, in any order. Where it cannot tell
 * for certain, it throws, and nothing is judged. It must not wait for more than the signal allows.
 */
export type Liveness = (
  vnics: readonly AuditedVnic[],
  signal: AbortSignal,
) => Iterable<AuditedVnic> | Promise<Iterable<AuditedVnic>>;

/** A tunnel that went with the last VNIC of a subnet: its concentrator must hear of it. */
export interface AuditEvent extends Omit<TunnelEvent, 'subnet'> {
  /** Absent where nobody here was told: the kernel does not keep it. */
  readonly subnet?: string;
}

/** What the audit asks of a node. */
export type AuditedNode = Pick<
  ComputeNode,
  'audit' | 'dbRebuild' | 'topology' | 'vnicsNamed' | 'destroyVnic'
>;

/** Something without a workload. */
export interface StaleVnic extends AuditedVnic {
  /**
   * `vnic`: the VNIC itself. `subnet`: the kernel took the VNIC along with the container's namespace, and
   * bridge and tunnel of its subnet are left, which it was the last to use.
   */
  readonly what: 'vnic' | 'subnet';
  /** When it was seen so first, by this computer's clock. */
  readonly since: string;
  readonly staleForMs: number;
  readonly sightings: number;
  /** It has been stale for long enough. */
  readonly isDue: boolean;
}

/** What an audit came to. */
export interface AuditReport {
  readonly dryRun: boolean;
  /** VNICs made for container runtimes that the kernel showed. */
  readonly seen: number;
  /** Those of them that have a workload. */
  readonly alive: number;
  /** What has no workload and is still there. */
  readonly stale: readonly StaleVnic[];
  readonly removed: readonly StaleVnic[];
  /** What was due and left alone, because somebody else has changed it. */
  readonly refused: readonly { readonly vnic: StaleVnic; readonly error: LibsnnetError }[];
  /** What was due and could not be removed; it is tried again. */
  readonly errors: readonly { readonly vnic: StaleVnic; readonly error: LibsnnetError }[];
  /** Tunnels that went. */
  readonly events: readonly AuditEvent[];
  /** Events that could not be delivered yet, of earlier rounds too. */
  readonly undelivered: number;
  readonly durationMs: number;
  /** Why nothing was judged. */
  readonly failure?: LibsnnetError;
}
