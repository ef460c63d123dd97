/** A value that comes and goes, and those who wait for it. */
export class Latch<T> {
  #value: T | undefined;
  #waiting: ((value: T | undefined) => void)[] = [];
  #isOver = false;

  get value(): T | undefined {
    return this.#value;
  }

  set(value: T): void {
    if (this.#isOver) return;
    this.#value = value;
    this.#tell(value);
  }

  clear(): void {
    this.#value = undefined;
  }

  /** Nobody waits any more. */
  end(): void {
    this.#isOver = true;
    this.#value = undefined;
    this.#tell(undefined);
  }

  /** The value, as soon as there is one; nothing where none will come. */
  async get(): Promise<T | undefined> {
    if (this.#value !== undefined || this.#isOver) return this.#value;
    return await new Promise((resolve) => this.#waiting.push(resolve));
  }

  #tell(value: T | undefined): void {
    for (const resolve of this.#waiting.splice(0)) resolve(value);
  }
}
