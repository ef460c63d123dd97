import { APIError } from '../errors';
import { Abandonment, Call, Gate } from '../host';
import type { CallOptions } from '../model';

/** Lets calls in one after the other; who gives up while waiting has changed nothing. */
export class Turns {
  readonly #timeoutMs: number;
  readonly #gate = new Gate(1);
  #closing: Promise<void> | undefined;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  async take<T>(operation: string, options: CallOptions, body: () => Promise<T>): Promise<T> {
    this.refuseIfClosed(operation);
    const call = new Call(operation, options, this.#timeoutMs);
    try {
      const leave = this.#gate.tryEnter() ?? (await this.#enter(call));
      try {
        call.check();
        return await body();
      } finally {
        leave();
      }
    } catch (error) {
      const isNameless = error instanceof APIError && error.operation === undefined;
      throw isNameless ? error.withDetails({ operation }) : error;
    } finally {
      call.finish();
    }
  }

  /** Waits for who is at work, refuses who comes now. */
  close(last: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#gate.enter().then(last);
    return this.#closing;
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  async #enter(call: Call): Promise<() => void> {
    const waiting = new Abandonment();
    const place = this.#gate.enter(waiting);
    try {
      return await call.until(place);
    } catch (error) {
      waiting.abandon();
      // It may have been given just then.
      place.then(
        (leave) => {
          leave();
        },
        () => undefined,
      );
      throw error;
    }
  }

  /** Throws `SNNET_HANDLE_CLOSED` once closing has begun. */
  refuseIfClosed(operation: string): void {
    if (this.#closing !== undefined) throw new APIError('SNNET_HANDLE_CLOSED', { operation });
  }
}
