import { setTimeout as sleep } from 'node:timers/promises';

import { APIError, isLibsnnetError } from '../errors';
import type { LibsnnetError } from '../errors';
import { CensusTaker } from './census';
import type { Suspect } from './census';
import { Deliveries } from './deliveries';
import { judge } from './judgement';
import type { Marks } from './judgement';
import { parseAuditOptions } from './options';
import type { AuditOptions, AuditOptionsInput } from './options';
import { Removal } from './removal';
import { livingAmong } from './workloads';
import type { AuditedNode, AuditReport, StaleVnic } from './types';

const NOTHING = Object.freeze({
  seen: 0,
  alive: 0,
  stale: Object.freeze([]),
  removed: Object.freeze([]),
  refused: Object.freeze([]),
  errors: Object.freeze([]),
  events: Object.freeze([]),
});

/** What tests may replace. */
export interface AuditHooks {
  /** Milliseconds by a clock that only goes forward, whatever happens to the time of day. */
  readonly now?: () => number;
}

/**
 * Removes VNICs of container runtimes that lost their workload: a runtime that was killed, or a computer
 * that lost power, does not call DEL.
 *
 * In every round it lists the VNICs first and the workloads then, so that one just being made is never
 * taken for a leftover. What was without a workload in two rounds, and for the grace period, goes; what
 * gets its workload back is forgotten. It touches only what a CNI plugin of ours made, and only while it
 * is the same link with the same name.
 */
export class AuditDaemon {
  readonly #node: AuditedNode;
  readonly #options: AuditOptions;
  readonly #now: () => number;
  readonly #census = new CensusTaker();
  readonly #deliveries: Deliveries;
  readonly #signal: AbortSignal;
  #marks: Marks = new Map();
  #round: Promise<AuditReport> | undefined;

  /**
   * @param hooks - Only for tests.
   * @throws {@link APIError} `SNNET_INPUT_…`.
   */
  constructor(node: AuditedNode, options: AuditOptionsInput = {}, hooks: AuditHooks = {}) {
    this.#node = node;
    this.#options = parseAuditOptions(options);
    this.#now = hooks.now ?? (() => performance.now());
    this.#deliveries = new Deliveries(this.#options.deliver, this.#options.logger);
    this.#signal = this.#options.signal ?? new AbortController().signal;
  }

  /** Rounds at intervals, the first at once. Resolves when the signal fires; never rejects. */
  async run(): Promise<void> {
    const { intervalMs, logger, onReport } = this.#options;
    while (!this.#signal.aborted) {
      const report = await this.round();
      try {
        onReport?.(report);
      } catch (error) {
        logger.error('the report of an audit was not taken', { error });
      }
      await sleep(intervalMs, undefined, { signal: this.#signal }).catch(() => undefined);
    }
  }

  /** One round. While one is at work, this is that one. Never rejects: see `failure` of the report. */
  round(): Promise<AuditReport> {
    this.#round ??= this.#runRound().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #runRound(): Promise<AuditReport> {
    const { dryRun, logger } = this.#options;
    const startMs = this.#now();
    const common = (): Pick<AuditReport, 'dryRun' | 'undelivered' | 'durationMs'> => ({
      dryRun,
      undelivered: this.#deliveries.waiting,
      durationMs: this.#now() - startMs,
    });
    try {
      const found = await this.#judgeAndRemove(startMs);
      return Object.freeze({ ...found, ...common() });
    } catch (error) {
      const failure = asOurs(error);
      if (!this.#signal.aborted)
        logger.error('an audit could not judge anything', { error: failure });
      return Object.freeze({ ...NOTHING, ...common(), failure });
    }
  }

  async #judgeAndRemove(
    atMs: number,
  ): Promise<Omit<AuditReport, 'dryRun' | 'undelivered' | 'durationMs'>> {
    const { liveness, graceMs } = this.#options;
    // The kernel first.
    const { vnics, leftovers } = await this.#census.take(this.#node, this.#signal);
    const alive = await livingAmong(vnics, liveness, this.#signal);
    this.#signal.throwIfAborted();

    const suspects = new Map([...vnics, ...leftovers].map((suspect) => [suspect.key, suspect]));
    const verdict = judge(this.#marks, { atMs, seen: suspects.keys(), alive }, graceMs);
    this.#tell(verdict.resolved);
    this.#marks = verdict.marks;
    const due = new Set(verdict.due);
    const stale = [...verdict.marks.keys()].flatMap((key) => {
      const suspect = suspects.get(key);
      return suspect === undefined ? [] : [{ suspect, vnic: this.#describe(suspect, atMs, due) }];
    });
    const removal = new Removal(this.#node, this.#options);
    if (!this.#options.dryRun) await removal.run(stale.filter(({ vnic }) => vnic.isDue));
    await this.#deliver(removal);
    const { removed, gone, refused, errors, events } = removal;
    const isOver = new Set([...removed, ...gone]);
    const left = stale.filter(({ vnic }) => !isOver.has(vnic));
    this.#forget(stale.filter(({ vnic }) => isOver.has(vnic)));
    return {
      seen: vnics.length,
      alive: alive.size,
      stale: left.map(({ vnic }) => vnic),
      ...{ removed, refused, errors },
      events: events.map(({ event }) => event),
    };
  }

  #describe({ key, what, vnic }: Suspect, atMs: number, due: ReadonlySet<string>): StaleVnic {
    const { firstSeenMs = atMs, sightings = 0 } = this.#marks.get(key) ?? {};
    const staleForMs = atMs - firstSeenMs;
    const since = new Date(Date.now() - staleForMs).toISOString();
    if (sightings === 1) {
      this.#options.logger.warn('a VNIC has no workload', { linkName: vnic.linkName, what });
    }
    return Object.freeze({ ...vnic, what, since, staleForMs, sightings, isDue: due.has(key) });
  }

  #forget(over: readonly { readonly suspect: Suspect }[]): void {
    const marks = new Map(this.#marks);
    for (const { suspect } of over) marks.delete(suspect.key);
    this.#marks = marks;
  }

  #tell(resolved: readonly string[]): void {
    for (const key of resolved) {
      this.#options.logger.info('a VNIC is no longer without a workload', { vnic: key });
    }
  }

  async #deliver({ events }: Removal): Promise<void> {
    for (const { scope, event } of events) this.#deliveries.add(scope, event);
    if (this.#deliveries.waiting === 0) return;
    const { subnets } = this.#node.topology();
    this.#deliveries.dropAllOf(
      new Set(subnets.flatMap(({ scope, tunnel }) => (tunnel === undefined ? [] : [scope]))),
    );
    await this.#deliveries.send();
  }
}

function asOurs(error: unknown): LibsnnetError {
  if (isLibsnnetError(error)) return error;
  const isAbort = error instanceof Error && error.name === 'AbortError';
  const detail = error instanceof Error ? error.message : String(error);
  return new APIError(isAbort ? 'SNNET_CALL_ABORTED' : 'SNNET_LIVENESS_UNKNOWN', {
    operation: 'audit',
    detail,
    cause: error,
  });
}
