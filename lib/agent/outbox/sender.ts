import type { Logger } from '../../model';
import { backOffMs } from '../waiting';
import type { TunnelRecord } from './tunnel';

/** Something to be said. */
export interface Message {
  readonly key: string;
  /** Messages of one lane go one after the other. */
  readonly lane: string;
  readonly record: TunnelRecord;
}

export interface SenderOptions {
  /** What is to be said, in order; of each lane the first. */
  readonly messages: () => Iterable<Message>;
  /** Resolves when the message was taken over. */
  readonly send: (message: Message) => Promise<void>;
  /** Told of each that was. Never rejects. */
  readonly onSent: (message: Message) => Promise<void>;
  readonly logger: Logger;
}

const MOST_AT_ONCE = 32;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Says what there is to say until it is taken over. After a failure it tries with one message at a time,
 * and the longer it fails the less often: it may be the message, or the whole transport.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #busy = new Map<string, Promise<void>>();
  /** Lanes whose first message failed: how often, and when it is tried again. */
  readonly #failed = new Map<string, { readonly failures: number; readonly dueMs: number }>();
  #failures = 0;
  #pausedUntilMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** There may be something to say. */
  wake(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const now = performance.now();
    const isPaused = now < this.#pausedUntilMs;
    const nextMs = isPaused ? this.#pausedUntilMs : this.#sendWhatIsDue(now);
    if (nextMs === Infinity) return;
    this.#timer = setTimeout(() => this.wake(), Math.max(nextMs - now, 1));
  }

  /** Does not wait any longer after what failed. */
  hurry(): void {
    this.#failures = 0;
    this.#pausedUntilMs = 0;
    this.#failed.clear();
    this.wake();
  }

  /** Begins nothing any more. */
  stop(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Resolves when nothing is at work; it does not wait for what has not begun. */
  async idle(): Promise<void> {
    await Promise.all(this.#busy.values());
  }

  /** When something is due that is not yet. */
  #sendWhatIsDue(now: number): number {
    let nextMs = Infinity;
    const most = this.#failures === 0 ? MOST_AT_ONCE : 1;
    for (const message of this.#options.messages()) {
      if (this.#busy.size >= most) break;
      if (this.#busy.has(message.lane)) continue;
      const { dueMs = 0 } = this.#failed.get(message.lane) ?? {};
      if (dueMs > now) nextMs = Math.min(nextMs, dueMs);
      else this.#busy.set(message.lane, this.#send(message));
    }
    return nextMs;
  }

  async #send(message: Message): Promise<void> {
    const { lane } = message;
    try {
      // In a turn of its own: whoever begins it notes it first.
      await Promise.resolve();
      await this.#options.send(message);
      await this.#options.onSent(message);
      this.#failures = 0;
      this.#failed.delete(lane);
    } catch (error) {
      this.#noteFailure(message, error);
    } finally {
      this.#busy.delete(lane);
      this.wake();
    }
  }

  #noteFailure({ lane, record }: Message, error: unknown): void {
    const failures = (this.#failed.get(lane)?.failures ?? 0) + 1;
    const now = performance.now();
    // Those that were on their way when the first one failed are no further failures.
    if (now >= this.#pausedUntilMs) {
      this.#pausedUntilMs = now + backOffMs(this.#failures, LONGEST_PAUSE_MS);
      this.#failures += 1;
    }
    this.#failed.set(lane, { failures, dueMs: now + backOffMs(failures - 1, LONGEST_PAUSE_MS) });
    if (this.#isClosed) return;
    const { state, subnet, concId, concIp } = record;
    this.#options.logger.warn('a concentrator could not be told of a tunnel, and will be later', {
      ...{ state, subnet, concId, concIp, failures, error },
    });
  }
}
