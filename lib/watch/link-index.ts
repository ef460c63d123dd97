import type { KnownLink } from '../topology';

/** A link of ours, whose it is, and what to do when somebody else deletes it. */
export interface OwnedLink {
  readonly link: KnownLink;
  /** The subnet's identity; absent for what belongs to none. */
  readonly scope?: string;
  readonly tenantId?: string;
  /** Interface index of the bridge that it should be a port of. */
  readonly master: () => number | undefined;
  readonly forget: () => void;
}

/**
 * Who a link belongs to, by interface index. Links that we are making or deleting ourselves are only
 * expected: what happens to them is no news, but if one goes before it was owned, that is remembered.
 */
export class LinkIndex {
  readonly #owned = new Map<number, OwnedLink>();
  readonly #expected = new Map<number, { isGone: boolean }>();
  #recorded: Set<number> | undefined;
  /** Gone according to the last dump; of their deletion nobody has heard yet. */
  readonly #vanished = new Map<number, OwnedLink>();

  get(ifIndex: number): OwnedLink | undefined {
    return this.#owned.get(ifIndex);
  }

  /** We are making or deleting it. */
  isExpected(ifIndex: number): boolean {
    return this.#expected.has(ifIndex);
  }

  /** From now on the link is ours, and deletions of it are somebody else's. */
  own(owned: OwnedLink): void {
    const { ifIndex } = owned.link;
    const isGone = this.#expected.get(ifIndex)?.isGone === true;
    this.#expected.delete(ifIndex);
    this.#vanished.delete(ifIndex);
    if (isGone) owned.forget();
    else this.#owned.set(ifIndex, owned);
  }

  /** We are about to make or delete these ourselves. */
  expect(links: readonly (KnownLink | undefined)[]): void {
    for (const link of links) {
      if (link === undefined || this.#expected.has(link.ifIndex)) continue;
      this.#owned.delete(link.ifIndex);
      this.#expected.set(link.ifIndex, { isGone: false });
    }
  }

  /** What was expected is over: those links are nobody's. */
  release(links: readonly (KnownLink | undefined)[]): void {
    for (const link of links) if (link !== undefined) this.#expected.delete(link.ifIndex);
  }

  /** A link has gone; gives whose it was, if somebody else deleted it. */
  noteGone(ifIndex: number): OwnedLink | undefined {
    this.#recorded?.add(ifIndex);
    const expected = this.#expected.get(ifIndex);
    if (expected !== undefined) expected.isGone = true;
    const owned = this.#owned.get(ifIndex);
    const vanished = this.#vanished.get(ifIndex);
    this.#owned.delete(ifIndex);
    this.#vanished.delete(ifIndex);
    // What vanished is forgotten already.
    owned?.forget();
    return owned ?? vanished;
  }

  /** Remembers what goes while the kernel is being read: the dump may still show it. */
  record(): void {
    this.#recorded = new Set();
  }

  /** Gives up every link: what happens to them is our own doing. */
  clear(): void {
    this.#owned.clear();
    this.#expected.clear();
    this.#vanished.clear();
  }

  /**
   * Gives up every link, for those that a dump showed to come instead. Those that it no longer showed
   * somebody else deleted: that is still to be heard.
   */
  supersede(isThere: (ifIndex: number) => boolean): void {
    const gone = [...this.#owned].filter(([ifIndex]) => !isThere(ifIndex));
    this.clear();
    for (const [ifIndex, owned] of gone) this.#vanished.set(ifIndex, owned);
  }

  /** Forgets what went since {@link record}. */
  applyRecorded(): void {
    const gone = this.#recorded ?? [];
    this.#recorded = undefined;
    for (const ifIndex of gone) this.noteGone(ifIndex);
  }
}
