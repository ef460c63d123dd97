import { Abandonment } from './abandonment';
import type { Call } from './call';

/**
 * Work that several equal calls wait for together. It goes on while anybody waits; when the last one
 * has given up, it is told, and what was done nevertheless is undone.
 */
export class SharedWork<T> {
  readonly #abandonment = new Abandonment();
  readonly #result: Promise<T>;
  #waiters = 0;
  #isSettled = false;
  #isClaimed = false;
  readonly #ended: Promise<void>;

  /**
   * @param run - Begins at once.
   * @param undo - Gets what `run` made where nobody is left to take it.
   */
  constructor(
    run: (abandoned: Abandonment) => Promise<T>,
    undo: (made: T) => Promise<void> | void = () => undefined,
  ) {
    this.#result = this.#perform(run, undo);
    // Who waits hears of a failure; when nobody does any more, it is nobody's.
    const end = (): void => undefined;
    this.#ended = this.#result.then(end, end);
  }

  async #perform(
    run: (abandoned: Abandonment) => Promise<T>,
    undo: (made: T) => Promise<void> | void,
  ): Promise<T> {
    const abandonment = this.#abandonment;
    try {
      const made = await run(abandonment);
      if (abandonment.isAbandoned) await undo(made);
      abandonment.check();
      return made;
    } finally {
      // In the same turn as the look at the signal: who gives up later finds it settled.
      this.#isSettled = true;
    }
  }

  /** Nobody waits any more: whoever comes now must not join, but wait until it has ended. */
  get isAbandoned(): boolean {
    return this.#abandonment.isAbandoned;
  }

  /** Waits for the result until the call gives up; one that is there counts even then. */
  async join(call: Call): Promise<T> {
    this.#waiters += 1;
    try {
      return await call.until(this.#result);
    } catch (error) {
      if (!this.#isSettled) throw error;
      return await this.#result;
    } finally {
      this.#waiters -= 1;
      if (this.#waiters === 0 && !this.#isSettled) this.#abandonment.abandon();
    }
  }

  /** True for the first who asks: what was made is handed over once. */
  claim(): boolean {
    const isFirst = !this.#isClaimed;
    this.#isClaimed = true;
    return isFirst;
  }

  /** Resolves when the work is over, however it went. */
  ended(): Promise<void> {
    return this.#ended;
  }
}
