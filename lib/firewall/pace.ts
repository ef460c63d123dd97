const FREE = 3;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
const CALM_MS = 10_000;

/**
 * Says how long to wait before something is put right once more: at first not at all, then longer and
 * longer, so that two programs which undo each other's work do nothing worse. It never ends: what is not
 * filtered is open.
 */
export class Pace {
  #count = 0;
  #last = -Infinity;

  /** It was put right, or that failed. */
  note(now = performance.now()): void {
    if (now - this.#last > CALM_MS) this.#count = 0;
    this.#count += 1;
    this.#last = now;
  }

  /** Milliseconds. */
  pause(now = performance.now()): number {
    if (this.#count < FREE || now - this.#last > CALM_MS) return 0;
    return Math.min(FIRST_PAUSE_MS * 2 ** (this.#count - FREE), LONGEST_PAUSE_MS);
  }
}
