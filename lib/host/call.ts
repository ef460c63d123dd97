import { APIError } from '../errors';
import type { CallOptions } from '../model';

/**
 * One call of the API: knows when its caller has given up, by signal or by deadline. The deadline
 * bounds the whole call, waiting included.
 */
export class Call {
  readonly operation: string;
  /** Those who wait at the moment: told when the caller gives up. */
  readonly #waiting = new Set<(error: APIError) => void>();
  #error: APIError | undefined;
  readonly #timeoutMs: number;
  readonly #deadline: number;
  /** Only for who waits: most calls of a firewall never do. */
  #timer: NodeJS.Timeout | undefined;
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
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#deadline = performance.now() + this.#timeoutMs;
    if (this.#signal?.aborted === true) this.#onAbort();
    else this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Throws when the caller has given up. */
  check(): void {
    if (performance.now() >= this.#deadline) this.#endLate();
    if (this.#error !== undefined) throw this.#error;
  }

  /** What `work` gives, unless the caller gives up first; `work` itself goes on. */
  until<T>(work: Promise<T>): Promise<T> {
    // Whole milliseconds: timers of one length are cheap together.
    this.#timer ??= setTimeout(
      () => {
        this.#endLate();
      },
      Math.ceil(this.#deadline - performance.now()),
    );
    return new Promise<T>((resolve, reject) => {
      this.check();
      this.#waiting.add(reject);
      work.then(
        (result) => {
          this.#waiting.delete(reject);
          resolve(result);
        },
        (error: unknown) => {
          this.#waiting.delete(reject);
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what the work threw goes on as it is
          reject(error);
        },
      );
    });
  }

  /** Must be called when the call ends, however it does. */
  finish(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  #endLate(): void {
    const detail = `it took more than ${String(this.#timeoutMs)} ms`;
    this.#end(new APIError('SNNET_CALL_TIMEOUT', { operation: this.operation, detail }));
  }

  #end(error: APIError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    for (const giveUp of this.#waiting) giveUp(error);
  }
}
