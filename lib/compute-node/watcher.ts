import type { Host } from '../host';
import type { LinkEvent, LinkRow } from '../kernel';
import { Feed } from './feed';
import type { LinkIndex, OwnedLink } from './link-index';

/** What `watch` tells. */
export type NodeEvent =
  | {
      /** Somebody else changed a link of ours. */
      readonly type: 'drift';
      readonly cause: DriftCause;
      readonly link: {
        readonly linkName: string;
        readonly ifIndex: number;
        readonly alias: string;
      };
      /** The subnet's identity; absent for the VNIC of a CNCI's VM. */
      readonly subnet?: string;
      /** Absent where the identity is ambiguous (made by the Go original). */
      readonly tenantId?: string;
    }
  | {
      /** Notifications were lost: what was known may be out of date until the rebuild that follows. */
      readonly type: 'resync';
    };

export type DriftCause = 'deleted' | 'renamed' | 're-aliased' | 'detached' | 'down';

/** What a watcher needs of a host. */
export interface WatchedHost {
  readonly kernel: Pick<Host['kernel'], 'links' | 'watch'>;
  readonly anchor: Pick<Host['anchor'], 'lose'>;
  readonly logger: Host['logger'];
}

// Long enough that what comes in several notifications has come, short enough for a person.
const PAUSE_MS = 20;

/**
 * Follows what others do to the links of a node. Deletions are always followed, so that the database
 * never believes in a link that somebody took; the rest only while somebody watches. Notifications
 * are hints: what looks changed is looked at once more before anybody is told.
 */
export class Watcher {
  readonly #host: WatchedHost;
  readonly #links: LinkIndex;
  readonly #feeds = new Set<Feed<NodeEvent>>();
  readonly #readAgain: () => Promise<unknown>;
  // Told once for each link and cause; a change back to order clears it.
  readonly #told = new Map<number, DriftCause>();
  readonly #suspects = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #interest: Promise<unknown> = Promise.resolve();
  #stopAll: (() => Promise<void>) | undefined;
  #isReadingAgain = false;
  #isClosed = false;

  constructor(host: WatchedHost, links: LinkIndex, readAgain: () => Promise<unknown>) {
    this.#host = host;
    this.#links = links;
    this.#readAgain = readAgain;
  }

  async start(): Promise<void> {
    await this.#host.kernel.watch('deletions', (events) => {
      for (const event of events) {
        if (event.type === 'gone') this.#onGone(event.link);
        if (event.type === 'resync') this.#onLost();
      }
    });
  }

  /** Yields events until the signal fires; those that come between two reads are kept in order. */
  watch(signal?: AbortSignal): AsyncGenerator<NodeEvent, void, undefined> {
    const feed = new Feed<NodeEvent>({ type: 'resync' }, signal, () => {
      this.#feeds.delete(feed);
      this.#updateInterest();
    });
    if (!feed.isOver) this.#feeds.add(feed);
    this.#updateInterest();
    return feed;
  }

  /** Ends every feed. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const feed of [...this.#feeds]) feed.end();
  }

  #updateInterest(): void {
    this.#interest = this.#interest
      .then(async () => {
        if (this.#isClosed) return;
        const isWanted = this.#feeds.size > 0;
        if (isWanted && this.#stopAll === undefined) {
          this.#stopAll = await this.#host.kernel.watch('all', (events) => {
            for (const event of events) this.#onEvent(event);
          });
        } else if (!isWanted && this.#stopAll !== undefined) {
          const stop = this.#stopAll;
          this.#stopAll = undefined;
          await stop();
        }
      })
      .catch((error: unknown) => {
        this.#host.logger.error('changes of links cannot be followed', { error });
      });
  }

  #emit(event: NodeEvent): void {
    for (const feed of this.#feeds) feed.push(event);
  }

  #onLost(): void {
    this.#emit({ type: 'resync' });
    if (this.#isReadingAgain || this.#isClosed) return;
    this.#isReadingAgain = true;
    this.#host.logger.warn('link notifications were lost; reading everything again');
    this.#readAgain()
      .catch((error: unknown) => {
        if (this.#isClosed) return;
        this.#host.logger.error('the topology could not be read again', { error });
      })
      .finally(() => {
        this.#isReadingAgain = false;
      });
  }

  #onGone({ ifindex }: LinkRow): void {
    this.#told.delete(ifindex);
    this.#host.anchor.lose(ifindex);
    const owned = this.#links.noteGone(ifindex);
    if (owned === undefined) return;
    this.#host.logger.warn('somebody deleted a link of ours', { linkName: owned.link.linkName });
    this.#report(owned, 'deleted');
  }

  #onEvent(event: LinkEvent): void {
    if (event.type !== 'changed') return;
    const { ifindex } = event.link;
    const owned = this.#links.get(ifindex);
    if (owned === undefined || driftOf(owned, event.link) === this.#told.get(ifindex)) return;
    this.#suspects.add(ifindex);
    this.#lookSoon();
  }

  #lookSoon(): void {
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      void this.#look();
    }, PAUSE_MS).unref();
  }

  /** Looks at the links that seemed changed; notifications of our own work come late, and in pieces. */
  async #look(): Promise<void> {
    const suspects = new Set(this.#suspects);
    this.#suspects.clear();
    try {
      const rows = await this.#host.kernel.links();
      for (const row of rows) if (suspects.has(row.ifindex)) this.#judge(row);
    } catch (error) {
      if (!this.#isClosed) this.#host.logger.warn('changed links could not be read', { error });
    } finally {
      this.#timer = undefined;
      // What seemed changed while the dump was on its way.
      if (this.#suspects.size > 0) this.#lookSoon();
    }
  }

  #judge(row: LinkRow): void {
    const owned = this.#links.get(row.ifindex);
    if (owned === undefined) return;
    const cause = driftOf(owned, row);
    if (cause === this.#told.get(row.ifindex)) return;
    if (cause === undefined) {
      this.#told.delete(row.ifindex);
      return;
    }
    this.#told.set(row.ifindex, cause);
    this.#report(owned, cause);
  }

  #report({ link, owner: { scope, tenantId } }: OwnedLink, cause: DriftCause): void {
    const { linkName, ifIndex, alias } = link;
    this.#emit(
      Object.freeze({
        type: 'drift',
        cause,
        link: Object.freeze({ linkName, ifIndex, alias }),
        ...(scope !== undefined && { subnet: scope }),
        ...(tenantId !== undefined && { tenantId }),
      }),
    );
  }
}

function driftOf({ link, owner }: OwnedLink, row: LinkRow): DriftCause | undefined {
  if (row.ifname !== link.linkName) return 'renamed';
  if (row.alias !== link.alias) return 're-aliased';
  const bridge = owner.masterOf(link);
  if (bridge !== undefined && row.master !== bridge) return 'detached';
  return row.isUp ? undefined : 'down';
}
