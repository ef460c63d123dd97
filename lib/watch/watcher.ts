import { parseAlias } from '../alias';
import type { Host } from '../host';
import type { LinkEvent, LinkRow } from '../kernel';
import type { WatchOptions } from '../model';
import type { DriftCause, WatchEvent } from './events';
import { Feed } from './feed';
import { Healer } from './healer';
import type { HealSource } from './healer';
import type { LinkIndex, OwnedLink } from './link-index';

/** What a watcher needs of a host. */
export interface WatchedHost {
  readonly kernel: Pick<Host['kernel'], 'links' | 'watch'>;
  readonly anchor: Pick<Host['anchor'], 'lose'>;
  readonly logger: Host['logger'];
}

/** Whose links these are, and how they are put right. */
export interface WatchedLinks {
  readonly links: LinkIndex;
  /** Reads everything anew: notifications were lost. */
  readonly readAgain: () => Promise<unknown>;
  readonly healing: HealSource;
}

// Long enough that what comes in several notifications has come, short enough for a person.
const PAUSE_MS = 20;
const NOBODY: ReadonlySet<number> = new Set();

/**
 * Follows what others do to links of ours. Deletions are always followed, so that the database never
 * believes in a link that somebody took; the rest only while somebody watches. Notifications are hints:
 * what looks changed is looked at once more before anybody is told.
 *
 * @typeParam Extra - What else its readers are told.
 */
export class Watcher<Extra = never> {
  readonly #host: WatchedHost;
  readonly #links: LinkIndex;
  readonly #readAgain: () => Promise<unknown>;
  readonly #healer: Healer;
  readonly #feeds = new Set<Feed<WatchEvent | Extra>>();
  readonly #healing = new Set<Feed<WatchEvent | Extra>>();
  // Told once for each link and cause; a change back to order clears it.
  readonly #told = new Map<number, DriftCause>();
  readonly #suspects = new Set<number>();
  #lookedAt: ReadonlySet<number> = NOBODY;
  #timer: NodeJS.Timeout | undefined;
  #interest: Promise<unknown> = Promise.resolve();
  #stopAll: (() => Promise<void>) | undefined;
  #hasLost = false;
  #isReadingAgain = false;
  #isClosed = false;

  constructor(host: WatchedHost, { links, readAgain, healing }: WatchedLinks) {
    this.#host = host;
    this.#links = links;
    this.#readAgain = readAgain;
    this.#healer = new Healer(healing, host.logger, (event) => {
      this.tell(event);
    });
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
  watch({ signal, heal }: WatchOptions): AsyncGenerator<WatchEvent | Extra, void, undefined> {
    const feed = new Feed<WatchEvent | Extra>({ type: 'resync' }, signal, () => {
      this.#feeds.delete(feed);
      if (this.#healing.delete(feed) && this.#healing.size === 0) this.#healer.stop();
      this.#updateInterest();
    });
    if (feed.isOver) return feed;
    this.#feeds.add(feed);
    if (heal) {
      this.#healing.add(feed);
      this.#healer.start();
    }
    this.#updateInterest();
    return feed;
  }

  /** Ends every feed. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#healer.stop();
    for (const feed of [...this.#feeds]) feed.end();
  }

  tell(event: WatchEvent | Extra): void {
    for (const feed of this.#feeds) feed.push(event);
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

  #onLost(): void {
    if (this.#isClosed) return;
    this.#hasLost = true;
    if (this.#isReadingAgain) return;
    this.#isReadingAgain = true;
    void this.#catchUp();
  }

  /** Until nothing was lost while it was reading: what it had read by then is out of date again. */
  async #catchUp(): Promise<void> {
    while (this.#hasLost) {
      this.#hasLost = false;
      this.#host.logger.warn('link notifications were lost; reading everything again');
      await this.#readAgain().catch((error: unknown) => {
        if (this.#isClosed) return;
        this.#host.logger.error('the topology could not be read again', { error });
      });
      // Only now: from here on whatever happens is told, and what happened before is known.
      this.tell({ type: 'resync' });
    }
    this.#isReadingAgain = false;
    this.#healer.wake();
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
    const cause = this.#driftOf(event.link)?.cause;
    if (cause === undefined) {
      // In order for a moment: if it is not when it is looked at, that is new.
      this.#told.delete(ifindex);
      // What is just being read may show what was before.
      if (!this.#lookedAt.has(ifindex)) return;
    } else if (cause === this.#told.get(ifindex)) return;
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
    this.#lookedAt = suspects;
    try {
      const rows = await this.#host.kernel.links();
      for (const row of rows) if (suspects.has(row.ifindex)) this.#judge(row);
    } catch (error) {
      if (!this.#isClosed) this.#host.logger.warn('changed links could not be read', { error });
    } finally {
      this.#lookedAt = NOBODY;
      this.#timer = undefined;
      // What seemed changed while the dump was on its way.
      if (this.#suspects.size > 0) this.#lookSoon();
    }
  }

  #judge(row: LinkRow): void {
    const drift = this.#driftOf(row);
    if (drift?.cause === this.#told.get(row.ifindex)) return;
    if (drift === undefined) {
      this.#told.delete(row.ifindex);
      return;
    }
    this.#told.set(row.ifindex, drift.cause);
    this.#report(drift.owned, drift.cause);
  }

  #driftOf(row: LinkRow): Drift | undefined {
    const owned = this.#links.get(row.ifindex);
    if (owned !== undefined) {
      const cause = causeOf(owned, row);
      return cause && { owned, cause };
    }
    const bridge = row.master === 0 ? undefined : this.#links.get(row.master);
    if (bridge === undefined || this.#links.isExpected(row.ifindex)) return undefined;
    // What another process of ours made carries an alias of ours.
    if (parseAlias(row.alias) !== undefined) return undefined;
    const { ifname: linkName, ifindex: ifIndex, alias, mtu, address: mac } = row;
    const link = { linkName, ifIndex, alias, mtu, mac };
    return { owned: { ...bridge, link }, cause: 'foreign-port' };
  }

  #report({ link, owner: { scope, tenantId } }: OwnedLink, cause: DriftCause): void {
    const { linkName, ifIndex, alias } = link;
    this.tell(
      Object.freeze({
        type: 'drift',
        cause,
        link: Object.freeze({ linkName, ifIndex, alias }),
        ...(scope !== undefined && { subnet: scope }),
        ...(tenantId !== undefined && { tenantId }),
      }),
    );
    this.#healer.wake();
  }
}

interface Drift {
  readonly owned: OwnedLink;
  readonly cause: DriftCause;
}

function causeOf({ link, owner }: OwnedLink, row: LinkRow): DriftCause | undefined {
  if (row.ifname !== link.linkName) return 'renamed';
  if (row.alias !== link.alias) return 're-aliased';
  const bridge = owner.masterOf(link);
  if (bridge !== undefined && row.master !== bridge) return 'detached';
  return row.isUp ? undefined : 'down';
}
