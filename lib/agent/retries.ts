/** Seconds; the last one goes on. */
const WAITS = [1, 2, 5, 10, 20, 40, 60] as const;
const LONGEST = 60;

/** Work that failed is done again later, ever more seldom, until it succeeds or nobody wants it any more. */
export class Retries {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failures = new Map<string, number>();
  #isClosed = false;

  /** How many things wait to be done again. */
  get size(): number {
    return this.#timers.size;
  }

  /** Calls `again` after a while; one that waits already under this name waits no more. */
  later(name: string, again: () => void): void {
    if (this.#isClosed) return;
    const failures = this.#failures.get(name) ?? 0;
    this.#failures.set(name, failures + 1);
    clearTimeout(this.#timers.get(name));
    const timer = setTimeout(
      () => {
        this.#timers.delete(name);
        again();
      },
      (WAITS[failures] ?? LONGEST) * 1000,
    );
    this.#timers.set(name, timer);
  }

  /** It succeeded, or was given up. */
  forget(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
    this.#failures.delete(name);
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
