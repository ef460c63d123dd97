import type { Logger } from '../../model';
import type { AgentRequestKind } from '../messages';
import type { TransportListener } from '../transport';
import { backOffMs, pause } from '../waiting';
import { laneOf } from './lanes';
import { Latch } from './latch';

/** A request as the server delivers it: once, or again. */
export interface Arrival {
  /** Which count of messages the sequence belongs to. */
  readonly count: string;
  readonly sequence: number;
  /** How often the server has delivered it, this time included. */
  readonly deliveries: number;
  readonly subject: string;
  readonly kind: AgentRequestKind | undefined;
  readonly payload: string;
  /** Where it is acknowledged. */
  readonly reply: string;
}

/** What can be said of a request to the server, over one connection. */
export interface Link {
  /** Resolves when the server has taken it. */
  acknowledge(reply: string): Promise<void>;
  /** It is still being worked on. */
  keep(reply: string): void;
  /** It was not begun: others may have it. */
  release(reply: string): void;
  /** Puts a copy aside. */
  bury(arrival: Arrival, reason: string): Promise<void>;
}

interface Held {
  /** As it came last. */
  arrival: Arrival;
  readonly lane: string;
  state: 'waiting' | 'working' | 'finished';
  failures: number;
  /** The server does not know it any more. */
  isForgotten: boolean;
  isAcknowledged: boolean;
}

export interface InHandOptions {
  readonly mostAttempts: number;
  readonly logger: Logger;
}

const LONGEST_PAUSE_MS = 30_000;
const CLOSING_MS = 10_000;
/** What was delivered so often may be what makes its agent die: nothing else is begun meanwhile. */
const SUSPECT = 3;
const MOST_REMEMBERED = 4096;

/**
 * The requests that the server has delivered and that are not acknowledged. They outlive the connection
 * that they came by.
 *
 * A request begins when every earlier one of its lane has been executed *and the server has confirmed the
 * acknowledgement*: the server never has an earlier one to deliver again after a later one was executed.
 * What the server had delivered before, to a connection or a process that is gone, comes again only after a
 * time, and later ones come first; so nothing begins after {@link attach} until all of that is here again,
 * which {@link begin} says.
 */
export class InHand {
  readonly #listener: Pick<TransportListener, 'request'>;
  readonly #options: InHandOptions;
  readonly #held = new Map<string, Held>();
  readonly #open = new Latch<Link>();
  readonly #closing = new AbortController();
  readonly #closed = new AbortController();
  /** What was acknowledged last: a server may have sent it again just before. */
  readonly #done = new Set<string>();
  #link: Link | undefined;
  #count = '';
  #culprit: Held | undefined;
  #onChange: () => void = () => undefined;

  constructor(listener: Pick<TransportListener, 'request'>, options: InHandOptions) {
    this.#listener = listener;
    this.#options = options;
  }

  /** Of the present count. */
  get size(): number {
    return this.#present().length;
  }

  /**
   * A connection is there. What was executed meanwhile is acknowledged before anything else; from then on,
   * until {@link begin}, everything in hand is something that the server waits for.
   */
  async attach(link: Link, count: string): Promise<void> {
    this.#link = link;
    if (count !== this.#count) this.#forget();
    this.#count = count;
    for (const held of this.#present()) {
      if (held.state !== 'finished') continue;
      await link.acknowledge(held.arrival.reply);
      held.isAcknowledged = true;
      this.#finish(held);
    }
    this.keepAll();
  }

  /** The connection is gone. */
  detach(): void {
    this.#link = undefined;
    this.#open.clear();
    this.#onChange();
  }

  /** Everything that the server had delivered before is here: what waits may begin. */
  begin(): void {
    if (this.#link === undefined) return;
    const [first] = this.#present();
    const isCulprit =
      first?.state === 'waiting' && first.arrival.deliveries > this.#options.mostAttempts;
    // Everything before it is done; so whatever the agent died of, it was this.
    this.#culprit = isCulprit ? first : undefined;
    this.#open.set(this.#link);
    this.#pump();
  }

  take(arrival: Arrival): void {
    const key = keyOf(arrival);
    const known = this.#held.get(key);
    if (known !== undefined) {
      known.arrival = arrival;
      return;
    }
    if (this.#done.has(key)) {
      void this.#link?.acknowledge(arrival.reply).catch(() => undefined);
      return;
    }
    const { kind, payload } = arrival;
    const lane = kind === undefined ? 'unknown' : laneOf(kind, payload);
    const held: Held = {
      ...{ arrival, lane, state: 'waiting', failures: 0 },
      ...{ isForgotten: false, isAcknowledged: false },
    };
    this.#held.set(key, held);
    this.#onChange();
    this.#pump();
  }

  /** Tells the server that everything in hand is being worked on. */
  keepAll(): void {
    for (const { arrival } of this.#present()) this.#link?.keep(arrival.reply);
  }

  /** Resolves with the next arrival, or when the connection is gone, or after a time. */
  async change(ms: number): Promise<void> {
    const changed = new AbortController();
    this.#onChange = () => changed.abort();
    await pause(ms, changed.signal);
  }

  /** Begins nothing any more, gives back what has not begun, and waits for the rest. */
  async close(): Promise<void> {
    this.#closing.abort();
    const deadline = AbortSignal.timeout(CLOSING_MS);
    // What is done may be acknowledged, whatever is still to come.
    if (this.#link !== undefined) this.#open.set(this.#link);
    this.keepAll();
    const isBusy = (): boolean => [...this.#held.values()].some(({ state }) => state !== 'waiting');
    while (isBusy() && this.#link !== undefined && !deadline.aborted) await this.change(100);
    for (const { arrival } of this.#present()) this.#link?.release(arrival.reply);
    this.#held.clear();
    this.#open.end();
    this.#closed.abort();
  }

  /** What may begin, in order. */
  #pump(): void {
    if (this.#open.value === undefined || this.#closing.signal.aborted) return;
    const all = [...this.#held.values()].sort(byPlace);
    const isCautious = all.some(({ arrival }) => arrival.deliveries >= SUSPECT);
    const busy = new Set<string>();
    for (const held of all) {
      const isFree = isCautious ? busy.size === 0 : !busy.has(held.lane);
      busy.add(held.lane);
      if (held.state !== 'waiting' || !isFree) continue;
      held.state = 'working';
      void this.#work(held);
    }
  }

  async #work(held: Held): Promise<void> {
    const { logger } = this.#options;
    const reason = await this.#execute(held);
    if (reason === 'not now') {
      held.state = 'waiting';
      this.#onChange();
      return;
    }
    if (reason !== undefined) {
      const { subject, sequence } = held.arrival;
      logger.error('a request is put aside', { subject, sequence, reason });
      if (!(await this.#persist(held, (link) => link.bury(held.arrival, reason)))) return;
    }
    held.state = 'finished';
    this.#onChange();
    const isDone = await this.#persist(held, (link) => link.acknowledge(held.arrival.reply));
    if (!isDone) return;
    this.#finish(held);
    this.#pump();
  }

  /** Nothing where it was done; otherwise why it is to be put aside. */
  async #execute(held: Held): Promise<string | undefined> {
    const { kind, payload, sequence, count, deliveries } = held.arrival;
    if (kind === undefined) return 'nobody knows what it asks for';
    if (held === this.#culprit) return `delivered ${String(deliveries)} times`;
    for (;;) {
      try {
        const answer = await this.#listener.request({ kind, payload, sequence, count });
        return answer === 'done' ? undefined : 'refused';
      } catch (error) {
        held.failures += 1;
        const message = error instanceof Error ? error.message : String(error);
        if (held.failures >= this.#options.mostAttempts) return `failed too often: ${message}`;
        this.#options.logger.warn('a request failed, and is tried again', {
          kind,
          sequence,
          error,
        });
      }
      await pause(backOffMs(held.failures, LONGEST_PAUSE_MS), this.#closing.signal);
      if (this.#closing.signal.aborted) return 'not now';
    }
  }

  /** Until the server has taken it, over whichever connection; false where there is nobody left to tell. */
  async #persist(held: Held, tell: (link: Link) => Promise<void>): Promise<boolean> {
    for (let failures = 0; ; failures += 1) {
      const link = await this.#open.get();
      if (held.isAcknowledged) return false;
      if (link === undefined || held.isForgotten) {
        this.#drop(held);
        return false;
      }
      try {
        await tell(link);
        return true;
      } catch (error) {
        const { subject, sequence } = held.arrival;
        if (this.#link === link) {
          const fields = { subject, sequence, error };
          this.#options.logger.warn('the server does not take it that a request is done', fields);
        }
        await pause(backOffMs(failures, LONGEST_PAUSE_MS), this.#closed.signal);
      }
    }
  }

  #present(): Held[] {
    const all = [...this.#held.values()];
    return all.filter(({ arrival }) => arrival.count === this.#count).sort(byPlace);
  }

  /** The stream or the consumer was made anew: what has not begun comes again by itself. */
  #forget(): void {
    for (const held of this.#held.values()) {
      held.isForgotten = true;
      if (held.state === 'waiting') this.#drop(held);
    }
  }

  #finish(held: Held): void {
    this.#drop(held);
    this.#done.add(keyOf(held.arrival));
    const [oldest] = this.#done;
    if (oldest !== undefined && this.#done.size > MOST_REMEMBERED) this.#done.delete(oldest);
  }

  #drop(held: Held): void {
    this.#held.delete(keyOf(held.arrival));
    if (this.#culprit === held) this.#culprit = undefined;
    this.#onChange();
  }
}

function keyOf({ count, sequence }: Arrival): string {
  return `${count} ${String(sequence)}`;
}

/** What is left of an earlier count is older than everything. */
function byPlace(left: Held, right: Held): number {
  return (
    Number(right.isForgotten) - Number(left.isForgotten) ||
    left.arrival.sequence - right.arrival.sequence
  );
}
