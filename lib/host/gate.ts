import type { Abandonment } from './abandonment';

/** Lets at most so many calls work at a time; the others wait in the order they came. */
export class Gate {
  readonly #limit: number;
  #working = 0;
  readonly #waiting = new Set<() => void>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Waits for a place.
   *
   * @param abandoned - Leaves the queue when it comes; the promise then rejects with its reason.
   * @returns What gives the place back; calling it twice does no harm.
   */
  async enter(abandoned?: Abandonment): Promise<() => void> {
    abandoned?.check();
    const leave = this.tryEnter();
    if (leave !== undefined) return leave;
    await this.#wait(abandoned?.signal);
    return this.#wayOut();
  }

  /** Takes a place where there is one: for who would rather not wait a turn of the microtasks for it. */
  tryEnter(): (() => void) | undefined {
    if (this.#working === this.#limit) return undefined;
    this.#working += 1;
    return this.#wayOut();
  }

  #wayOut(): () => void {
    let isOut = false;
    return () => {
      if (isOut) return;
      isOut = true;
      this.#leave();
    };
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const abort = (): void => {
        this.#waiting.delete(enter);
        // The reason is the caller's own; it goes back as it came.
        reject(signal?.reason as Error);
      };
      this.#waiting.add(enter);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  // The place goes straight to who waits longest.
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#working -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
