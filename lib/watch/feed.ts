// A reader that has gone away must not make the queue grow without end.
const LONGEST_QUEUE = 10_000;

/**
 * Events for one reader, kept in order between two reads. It begins when it is made, and it ends at
 * any time, also while a read is waiting: a generator function could do neither.
 */
export class Feed<E> implements AsyncGenerator<E, void, undefined> {
  readonly #queue: E[] = [];
  readonly #reads: ((result: IteratorResult<E, void>) => void)[] = [];
  readonly #overflow: E;
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: () => void;
  readonly #end = (): void => {
    this.end();
  };
  // A reader waits for the kernel: the process must stay for it.
  #alive: NodeJS.Timeout | undefined;
  #isOver = false;

  /**
   * @param overflow - Stands for everything where the reader is too far behind.
   * @param signal - Ends it.
   * @param onEnd - Called once, when it ends; not where it is over from the start.
   */
  constructor(overflow: E, signal: AbortSignal | undefined, onEnd: () => void) {
    this.#overflow = overflow;
    this.#signal = signal;
    this.#onEnd = onEnd;
    this.#isOver = signal?.aborted === true;
    signal?.addEventListener('abort', this.#end, { once: true });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  push(event: E): void {
    if (this.#isOver) return;
    const read = this.#reads.shift();
    if (read !== undefined) {
      this.#rest();
      read({ done: false, value: event });
      return;
    }
    if (this.#queue.length >= LONGEST_QUEUE) this.#queue.splice(0, Infinity, this.#overflow);
    else this.#queue.push(event);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#queue.length = 0;
    this.#signal?.removeEventListener('abort', this.#end);
    for (const read of this.#reads.splice(0)) read({ done: true, value: undefined });
    this.#rest();
    this.#onEnd();
  }

  next(): Promise<IteratorResult<E, void>> {
    const event = this.#queue.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    this.#alive ??= setInterval(() => undefined, 2 ** 30);
    return new Promise((resolve) => this.#reads.push(resolve));
  }

  return(): Promise<IteratorResult<E, void>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: Error): Promise<IteratorResult<E, void>> {
    this.end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #rest(): void {
    if (this.#reads.length > 0) return;
    clearInterval(this.#alive);
    this.#alive = undefined;
  }
}
