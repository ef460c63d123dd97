import type { KnownLink } from '../topology';

/** Whose a link is, and what to do when somebody else deletes it. One for all links of a subnet. */
export interface LinkOwner {
  /** The subnet's identity; absent for what belongs to none. */
  readonly scope?: string;
  readonly tenantId?: string;
  /** Interface index of the bridge that the link should be a port of. */
  masterOf(link: KnownLink): number | undefined;
  forget(link: KnownLink): void;
}

/** A link of ours. */
export interface OwnedLink {
  readonly link: KnownLink;
  readonly owner: LinkOwner;
}

interface Owned extends OwnedLink {
  link: KnownLink;
  owner: LinkOwner;
  round: number;
}

/**
 * Who a link belongs to, by interface index. Links that we are making or deleting ourselves are only
 * expected: what happens to them is no news, but if one goes before it was owned, that is remembered.
 */
export class LinkIndex {
  readonly #owned = new Map<number, Owned>();
  /** What is owned of an earlier round is owned no more: see {@link supersede}. */
  #round = 0;
  readonly #expected = new Map<number, { isGone: boolean }>();
  #recorded: Set<number> | undefined;
  /** Gone according to the last dump; of their deletion nobody has heard yet. */
  readonly #vanished = new Map<number, OwnedLink>();

  get(ifIndex: number): OwnedLink | undefined {
    const owned = this.#owned.get(ifIndex);
    return owned?.round === this.#round ? owned : undefined;
  }

  /** We are making or deleting it. */
  isExpected(ifIndex: number): boolean {
    return this.#expected.has(ifIndex);
  }

  /** From now on the link is ours, and deletions of it are somebody else's. */
  own(link: KnownLink, owner: LinkOwner): void {
    const { ifIndex } = link;
    const isGone = this.#expected.get(ifIndex)?.isGone === true;
    if (this.#expected.size > 0) this.#expected.delete(ifIndex);
    if (this.#vanished.size > 0) this.#vanished.delete(ifIndex);
    if (isGone) owner.forget(link);
    else this.#take(ifIndex, link, owner);
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
    const owned = this.get(ifIndex);
    const vanished = this.#vanished.get(ifIndex);
    this.#owned.delete(ifIndex);
    this.#vanished.delete(ifIndex);
    // What vanished is forgotten already.
    owned?.owner.forget(owned.link);
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
   *
   * Most come again: their places in the index are kept until {@link applyRecorded}.
   */
  supersede(isThere: (ifIndex: number) => boolean): void {
    this.#expected.clear();
    this.#vanished.clear();
    for (const [ifIndex, owned] of this.#owned) {
      if (owned.round === this.#round && !isThere(ifIndex)) this.#vanished.set(ifIndex, owned);
    }
    this.#round += 1;
  }

  /** Forgets what went since {@link record}. */
  applyRecorded(): void {
    for (const [ifIndex, { round }] of this.#owned) {
      if (round !== this.#round) this.#owned.delete(ifIndex);
    }
    const gone = this.#recorded ?? [];
    this.#recorded = undefined;
    for (const ifIndex of gone) this.noteGone(ifIndex);
  }

  #take(ifIndex: number, link: KnownLink, owner: LinkOwner): void {
    const kept = this.#owned.get(ifIndex);
    if (kept === undefined) {
      this.#owned.set(ifIndex, { link, owner, round: this.#round });
      return;
    }
    kept.link = link;
    kept.owner = owner;
    kept.round = this.#round;
  }
}
