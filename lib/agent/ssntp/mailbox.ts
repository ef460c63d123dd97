/** Events that wait for their reader; beyond these, senders are made to wait. */
const HIGH_WATER = 256;
const LOW_WATER = 64;

interface Read<E> {
  readonly resolve: (result: IteratorResult<E, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Events in order, for one reader. Nothing is dropped: who fills it is told to stop, and called again
 * when there is room.
 */
export class Mailbox<E> implements AsyncIterableIterator<E, undefined> {
  readonly #queue: E[] = [];
  readonly #reads: Read<E>[] = [];
  readonly #stopped = new Set<() => void>();
  #isOver = false;
  #error: unknown;

  get isFull(): boolean {
    return this.#queue.length >= HIGH_WATER;
  }

  push(event: E): void {
    if (this.#isOver) return;
    const read = this.#reads.shift();
    if (read === undefined) this.#queue.push(event);
    else read.resolve({ done: false, value: event });
  }

  /** Calls once as soon as there is room, or nobody will read any more. */
  whenRoom(callback: () => void): void {
    this.#stopped.add(callback);
  }

  /** What waits is still read; then comes the error, or the end. */
  end(error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    for (const read of this.#reads.splice(0)) this.#finish(read);
    this.#tellRoom();
  }

  next(): Promise<IteratorResult<E, undefined>> {
    const event = this.#queue.shift();
    if (event !== undefined) {
      if (this.#queue.length <= LOW_WATER) this.#tellRoom();
      return Promise.resolve({ done: false, value: event });
    }
    return new Promise((resolve, reject) => {
      if (this.#isOver) this.#finish({ resolve, reject });
      else this.#reads.push({ resolve, reject });
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The error comes once; after it, the end. */
  #finish(read: Read<E>): void {
    const error = this.#error;
    this.#error = undefined;
    if (error === undefined) read.resolve({ done: true, value: undefined });
    else read.reject(error);
  }

  #tellRoom(): void {
    const stopped = [...this.#stopped];
    this.#stopped.clear();
    for (const callback of stopped) callback();
  }
}
