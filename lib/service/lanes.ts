/** Work that must not overlap with other work of the same name: one after the other, in order. */
export class Lanes {
  readonly #ends = new Map<string, Promise<unknown>>();

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#ends.get(name);
    const mine = before === undefined ? work() : before.then(work);
    const end = mine.catch(() => undefined);
    this.#ends.set(name, end);
    try {
      return await mine;
    } finally {
      if (this.#ends.get(name) === end) this.#ends.delete(name);
    }
  }
}
