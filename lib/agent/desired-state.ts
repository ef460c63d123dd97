import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { isLibsnnetError } from '../errors';
import type { Logger } from '../model';
import type { StoreChange, StoreProvider } from '../store';
import { encodeAgentReport, encodeAgentRequest } from './messages';
import type { AgentReport, AgentRequest } from './messages';
import { keyOf, parseReportRow, parseWishRow, WISH_TABLES } from './records';
import type { PendingReport, Wish, Wishes, WishRow, WishTable } from './records';

const REPORTS = 'reports';
/** What was removed is remembered so that what is older can be told; no count has more on their way. */
const MOST_REMEMBERED = 1024;
/** Controllers that are away for months must not fill the disk. */
const MOST_REPORTS = 1000;
const PLACE_DIGITS = 16;
const STORE_PAUSE_MS = 1000;

type WishMaps = { readonly [T in WishTable]: Map<string, Wish<Wishes[T]>> };

/** Changes that belong together. */
export interface Commit {
  readonly put?: readonly Wish[];
  /** Wishes of which nothing has to be known any more. */
  readonly drop?: readonly Wish[];
  readonly report?: AgentReport;
}

/**
 * What an agent was asked for and has not told: the store's tables, and maps of them in memory. A change
 * is in the store before anything is done for it.
 */
export class DesiredState {
  readonly #store: StoreProvider;
  readonly #logger: Logger;
  readonly #wishes: WishMaps = { subnets: new Map(), publicIps: new Map(), neighbours: new Map() };
  readonly #reports = new Map<string, PendingReport>();
  #lastPlace = 0;
  #commits = 0;

  constructor(store: StoreProvider, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Reads what an earlier process left; rows that cannot be understood are said, and passed over. */
  async open(): Promise<{ readonly badRows: number }> {
    await this.#store.open([...WISH_TABLES, REPORTS]);
    let badRows = 0;
    for (const table of WISH_TABLES) {
      badRows += await this.#read(table, (key, value) => {
        (this.#wishes[table] as Map<string, Wish>).set(key, parseWishRow(table, key, value));
      });
    }
    badRows += await this.#read(REPORTS, (key, value) => {
      this.#reports.set(key, parseReportRow(value));
      this.#lastPlace = Math.max(this.#lastPlace, Number(key) || 0);
    });
    await this.#forgetOldRemovals();
    return { badRows };
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  get subnets(): ReadonlyMap<string, Wish<Wishes['subnets']>> {
    return this.#wishes.subnets;
  }
  get publicIps(): ReadonlyMap<string, Wish<Wishes['publicIps']>> {
    return this.#wishes.publicIps;
  }
  get neighbours(): Wish<Wishes['neighbours']> | undefined {
    return [...this.#wishes.neighbours.values()][0];
  }

  /** Oldest first. */
  get reports(): ReadonlyMap<string, PendingReport> {
    return this.#reports;
  }

  /** All or none; resolves when no crash can undo it. */
  async commit({ put = [], drop = [], report }: Commit): Promise<void> {
    const pending = report === undefined ? undefined : this.#placed(report);
    const changes: StoreChange[] = [
      ...put.map((wish): StoreChange => ({ op: 'add', ...placeOf(wish), value: rowOf(wish) })),
      ...drop.map((wish): StoreChange => ({ op: 'delete', ...placeOf(wish) })),
      ...(pending?.changes ?? []),
    ];
    if (changes.length === 0) return;
    await this.#store.transaction(changes);
    for (const wish of put) this.#mapOf(wish).set(keyOf(wish.request), Object.freeze(wish));
    for (const wish of drop) this.#mapOf(wish).delete(keyOf(wish.request));
    pending?.apply();
    this.#commits += 1;
    if (this.#commits % MOST_REMEMBERED === 0) await this.#forgetOldRemovals();
  }

  /**
   * Stores a wish before anything is done for it. Where nobody would bring it a second time, it is tried
   * until the store takes it; what comes later for the same thing waits.
   *
   * @param signal - Ends the waiting.
   */
  async remember(wish: Wish, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.commit({ put: [wish] });
        return;
      } catch (error) {
        if (wish.order !== undefined || !isLibsnnetError(error, 'SNNET_STORE_FAILED')) throw error;
        this.#logger.error('the store does not take what was asked for', { why: error.message });
        await sleep(STORE_PAUSE_MS, undefined, { signal });
      }
    }
  }

  /** The controllers have been told. */
  async forgetReport(key: string): Promise<void> {
    await this.#store.delete(REPORTS, key);
    this.#reports.delete(key);
  }

  #placed(report: AgentReport): {
    readonly changes: readonly StoreChange[];
    readonly apply: () => void;
  } {
    const key = String(++this.#lastPlace).padStart(PLACE_DIGITS, '0');
    const pending: PendingReport = Object.freeze({ report, messageId: randomUUID() });
    const value = {
      kind: report.kind,
      payload: encodeAgentReport(report),
      messageId: pending.messageId,
    };
    const [oldest] = this.#reports.size >= MOST_REPORTS ? this.#reports.keys() : [];
    const changes: StoreChange[] = [{ op: 'add', table: REPORTS, key, value }];
    if (oldest !== undefined) changes.push({ op: 'delete', table: REPORTS, key: oldest });
    const apply = (): void => {
      this.#reports.set(key, pending);
      if (oldest === undefined) return;
      this.#reports.delete(oldest);
      this.#logger.error('a result was given up that nobody could be told', { key: oldest });
    };
    return { changes, apply };
  }

  async #read(table: string, take: (key: string, value: unknown) => void): Promise<number> {
    let bad = 0;
    for (const [key, value] of await this.#store.rebuild(table)) {
      try {
        take(key, value);
      } catch (error) {
        if (!isLibsnnetError(error)) throw error;
        bad += 1;
        const why = error.message;
        this.#logger.error('a row of the store is not understood, and passed over', {
          table,
          key,
          why,
        });
      }
    }
    return bad;
  }

  async #forgetOldRemovals(): Promise<void> {
    const removed = [...this.#wishes.subnets.values(), ...this.#wishes.publicIps.values()].filter(
      ({ isSettled, request }) => isSettled && !isLive(request),
    );
    const newestFirst = removed.sort((one, other) => sequenceOf(other) - sequenceOf(one));
    await this.commit({ drop: newestFirst.slice(MOST_REMEMBERED) });
  }

  #mapOf(wish: Wish): Map<string, Wish> {
    return this.#wishes[tableOf(wish)];
  }
}

/** Whether a wish is for something to be there. */
export function isLive({ kind }: Wish['request']): boolean {
  return kind !== 'tenant-removed' && kind !== 'release-public-ip';
}

function tableOf({ request: { kind } }: Wish): WishTable {
  if (kind === 'refresh-cnci') return 'neighbours';
  return kind === 'tenant-added' || kind === 'tenant-removed' ? 'subnets' : 'publicIps';
}

function placeOf(wish: Wish): { readonly table: WishTable; readonly key: string } {
  return { table: tableOf(wish), key: keyOf(wish.request) };
}

function rowOf({ request, order, isSettled, replaced }: Wish): WishRow {
  const said = replaced && { replaced: replaced.map(requestRowOf) };
  return { ...requestRowOf(request), isSettled, ...order, ...said };
}

function requestRowOf(request: AgentRequest): Pick<WishRow, 'kind' | 'payload'> {
  return { kind: request.kind, payload: encodeAgentRequest(request) };
}

function sequenceOf({ order }: Wish): number {
  return order?.sequence ?? 0;
}
