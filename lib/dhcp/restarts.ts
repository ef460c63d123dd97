const LONGEST_PAUSE_MS = 30_000;
const FIRST_PAUSE_MS = 100;
/** Who has lived this long is thought to be well: its next death counts as the first. */
const HEALTHY_MS = 10_000;

/** Says when a server that died is started again: the first time at once, then after longer and longer. */
export class Restarts {
  readonly #restart: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #startedAt = 0;

  constructor(restart: () => Promise<void>) {
    this.#restart = restart;
  }

  /** Takes note that the server runs. */
  started(now = performance.now()): void {
    this.#startedAt = now;
  }

  /** Plans the next start; what was planned before holds. */
  schedule(now = performance.now()): void {
    if (this.#timer !== undefined) return;
    if (now - this.#startedAt >= HEALTHY_MS) this.#failures = 0;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#restart();
    }, pauseAfter(this.#failures));
    // A process that has nothing else to do may end: the next one finds the dead server.
    this.#timer.unref();
    this.#failures += 1;
  }

  /** Forgets what was planned. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** How long to wait after so many failures in a row, in milliseconds. */
export function pauseAfter(failures: number): number {
  return failures === 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
}
