/**
 * Whether somebody still wants what is being made. An `AbortSignal` says the same, but making one costs
 * more than planning a VNIC, and nearly nobody gives up: so there is one only for who has to listen.
 */
export class Abandonment {
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  get isAbandoned(): boolean {
    return this.#reason !== undefined;
  }

  /** For who waits: fires when it comes. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  /** Throws once nobody wants it. */
  check(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** Nobody wants it any more. */
  abandon(): void {
    this.#reason ??= new Error('nobody waits for it any more');
    this.#controller?.abort(this.#reason);
  }
}
