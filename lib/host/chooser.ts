import { randomFillSync } from 'node:crypto';

import type { Chooser } from '../device';
import { APIError } from '../errors';
import { IndexAllocator } from '../kernel';
import type { LinkRow } from '../kernel';
import { randomLinkName } from '../model';
import type { LinkPrefix } from '../model';

const TRIES = 64;

/** Chooses names, indexes and MACs by chance, avoiding what a dump showed. */
export class RandomChooser implements Chooser {
  readonly #indexes = new IndexAllocator();
  #names: ReadonlySet<string> = new Set();
  #unread: { readonly indexes: readonly number[]; readonly names: readonly string[] } | undefined;

  /** Takes note of what is there; of the rows themselves it keeps nothing. */
  seed(links: readonly LinkRow[]): void {
    this.#unread = {
      indexes: links.map((link) => link.ifindex),
      names: links.map((link) => link.ifname),
    };
  }

  // Only when something is to be chosen: who reads thousands of links often makes none.
  #read(): void {
    if (this.#unread === undefined) return;
    this.#indexes.seed(this.#unread.indexes);
    this.#names = new Set(this.#unread.names);
    this.#unread = undefined;
  }

  ifname(prefix: LinkPrefix): string {
    this.#read();
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const name = randomLinkName(prefix, random32());
      if (!this.#names.has(name)) return name;
    }
    throw new APIError('SNNET_NAME_EXHAUSTED', { detail: `no free link name ${prefix}…` });
  }

  ifindex(): number {
    this.#read();
    return this.#indexes.next(random32);
  }

  mac(): string {
    const low = random32();
    const high = random32();
    // Locally administered, unicast (IEEE 802).
    const bytes = [(high & 0xfc) | 0x02, high >> 8, low, low >> 8, low >> 16, low >> 24];
    return bytes.map((byte) => (byte & 0xff).toString(16).padStart(2, '0')).join(':');
  }
}

// Asking the system for each number by itself would cost more than all planning.
const pool = new Uint32Array(256);
let used = pool.length;

function random32(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return pool[used++] ?? 0;
}
