import type { Readable, Writable } from 'node:stream';

import { CniFailure } from './failure';
import { decodeFrontFrame, encodeDaemonFrame, FrameReader } from './frame';
import type { CniRequest, DaemonFrame, FrontFrame } from './frame';
import { refusal } from './plugin';
import type { CniHandler, CniOutcome } from './plugin';

/** Until the request has come. */
const REQUEST_MS = 10_000;
/** The front gives an IPAM plugin at most ten minutes. */
const ADDRESS_MS = 660_000;
const NO_REQUEST = { config: '' };

export interface ConversationOptions {
  /** Told of what nobody else hears of. */
  readonly onError: (error: unknown) => void;
}

/**
 * One request of the front and the answer to it, over any pair of streams. A front that goes away before
 * it has the answer has failed for its runtime: what was begun for it is aborted, what was done undone.
 */
export class Conversation {
  /** Fulfilled when it is over; never rejects. */
  readonly finished: Promise<void>;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #handler: CniHandler;
  readonly #options: ConversationOptions;
  readonly #reader = new FrameReader();
  readonly #gone = new AbortController();
  #finish: () => void = () => undefined;
  #request: CniRequest | undefined;
  #state: 'silent' | 'working' | 'wants-address' | 'over' = 'silent';
  #timer: NodeJS.Timeout;

  constructor(
    streams: { readonly input: Readable; readonly output: Writable },
    handler: CniHandler,
    options: ConversationOptions,
  ) {
    this.#input = streams.input;
    this.#output = streams.output;
    this.#handler = handler;
    this.#options = options;
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#timer = this.#giveUpAfter(REQUEST_MS);
    const leave = (): void => this.#leave();
    this.#input.on('data', (bytes: Buffer) => this.#read(bytes));
    for (const event of ['end', 'close', 'error']) this.#input.on(event, leave);
    this.#output.on('error', leave);
    this.#output.on('close', leave);
  }

  /** Whether nothing is being done for it: it can be left without harm. */
  get isIdle(): boolean {
    return this.#state !== 'working';
  }

  /** Breaks off. */
  drop(): void {
    this.#leave();
  }

  #read(bytes: Buffer): void {
    if (this.#state === 'over') return;
    try {
      for (const frame of this.#reader.read(bytes)) this.#take(decodeFrontFrame(frame));
    } catch (error) {
      void this.#answer(refusal(error, this.#request ?? NO_REQUEST));
    }
  }

  #take(frame: FrontFrame): void {
    clearTimeout(this.#timer);
    if (frame.kind === 'request' && this.#state === 'silent') {
      this.#request = frame.request;
      void this.#work(frame.request, undefined);
    } else if (frame.kind === 'address' && this.#state === 'wants-address' && this.#request) {
      void this.#work(this.#request, frame.given);
    } else {
      throw new CniFailure('io', `snnet-cni sent a frame out of turn (${frame.kind})`);
    }
  }

  async #work(request: CniRequest, given: string | undefined): Promise<void> {
    this.#state = 'working';
    const { signal } = this.#gone;
    const outcome = await this.#handler(request, given, signal).catch((error: unknown) =>
      refusal(error, request),
    );
    await this.#answer(outcome);
  }

  async #answer(outcome: CniOutcome): Promise<void> {
    if (outcome.kind === 'wants-address') {
      this.#state = 'wants-address';
      this.#timer = this.#giveUpAfter(ADDRESS_MS);
      if (this.#gone.signal.aborted || !(await this.#write(outcome))) this.#end();
      return;
    }
    const { kind, status, text, undo } = outcome;
    const isHeard = !this.#gone.signal.aborted && (await this.#write({ kind, status, text }));
    if (!isHeard) await undo?.().catch(this.#options.onError);
    this.#end();
  }

  /** Whether it was taken. */
  #write(frame: DaemonFrame): Promise<boolean> {
    return new Promise((resolve) => {
      this.#output.write(encodeDaemonFrame(frame), (error) =>
        resolve(error === undefined || error === null),
      );
    });
  }

  #giveUpAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#leave(), ms);
  }

  /** The front has gone, or is to be left. What is at work for it ends by itself, soon. */
  #leave(): void {
    if (this.#state === 'over') return;
    this.#gone.abort();
    if (this.#state !== 'working') this.#end();
  }

  #end(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    clearTimeout(this.#timer);
    // Whoever does not close at the other end is not waited for.
    this.#output.end(() => {
      this.#input.destroy();
    });
    this.#finish();
  }
}
