// Far above what the kernel hands out by itself, which counts up from 1; the largest is 2^31 - 1.
const LOWEST = 0x1000_0000;
const HIGHEST = 0x7fff_fff0;

/**
 * Chooses interface indexes for links to come. Random, in a range that the kernel's own numbering
 * doesn't reach, and never one that is known to be taken; the executor looks once more before it
 * sends.
 */
export class IndexAllocator {
  #taken: ReadonlySet<number> = new Set();

  /** Takes note of the indexes of a dump. */
  seed(indexes: Iterable<number>): void {
    this.#taken = new Set(indexes);
  }

  /** @param random32 - Gives an unsigned 32-bit number by chance. */
  next(random32: () => number): number {
    for (;;) {
      const index = LOWEST + (random32() % (HIGHEST - LOWEST));
      if (!this.#taken.has(index)) return index;
    }
  }
}
