import { APIError } from '../errors';
import type { CallOptions } from '../model';

/**
 * One call of the API: knows when its caller has given up, by signal or by deadline. The deadline
 * bounds the whole call, waiting included.
 */
export class Call {
  readonly operation: string;
  readonly #over: Promise<never>;
  #error: APIError | undefined;
  #giveUp: ((error: APIError) => void) | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => {
    this.#end(
      new APIError('SNNET_CALL_ABORTED', {
        operation: this.operation,
        cause: this.#signal?.reason as unknown,
      }),
    );
  };

  constructor(operation: string, options: CallOptions, defaultTimeoutMs: number) {
    this.operation = operation;
    this.#signal = options.signal;
    this.#over = new Promise<never>((_resolve, reject) => {
      this.#giveUp = reject;
    });
    // Nobody may be listening at the moment.
    this.#over.catch(() => undefined);
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#timer = setTimeout(() => {
      const detail = `it took more than ${String(timeoutMs)} ms`;
      this.#end(new APIError('SNNET_CALL_TIMEOUT', { operation, detail }));
    }, timeoutMs);
    if (this.#signal?.aborted === true) this.#onAbort();
    else this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Throws when the caller has given up. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** What `work` gives, unless the caller gives up first; `work` itself goes on. */
  async until<T>(work: Promise<T>): Promise<T> {
    this.check();
    return Promise.race([work, this.#over]);
  }

  /** Must be called when the call ends, however it does. */
  finish(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  #end(error: APIError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#giveUp?.(error);
  }
}
