import type { Logger } from '../model';
import { within } from './patience';
import type { AuditEvent } from './types';

/** What is not delivered within this time is tried again. */
const PATIENCE_MS = 10_000;
/** Each is a concentrator that keeps a tunnel which leads nowhere; more of them nobody will ever catch up with. */
const MOST_WAITING = 10_000;

interface Waiting {
  readonly scope: string;
  readonly event: AuditEvent;
}

/** Hands out events, and keeps those that nobody took. */
export class Deliveries {
  readonly #deliver: ((event: AuditEvent) => unknown) | undefined;
  readonly #logger: Logger;
  #waiting: readonly Waiting[] = [];

  constructor(deliver: ((event: AuditEvent) => unknown) | undefined, logger: Logger) {
    this.#deliver = deliver;
    this.#logger = logger;
  }

  /** How many could not be delivered yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  add(scope: string, event: AuditEvent): void {
    if (this.#deliver === undefined) return;
    this.#waiting = [...this.#waiting, { scope, event }].slice(-MOST_WAITING);
  }

  /** Drops what is no longer true: the subnet has a tunnel again, and its concentrator was told of that one. */
  dropAllOf(scopesWithTunnel: ReadonlySet<string>): void {
    this.#waiting = this.#waiting.filter(({ scope }) => !scopesWithTunnel.has(scope));
  }

  async send(): Promise<void> {
    const outcomes = await Promise.all(
      this.#waiting.map(async (waiting) => ((await this.#isDelivered(waiting)) ? [] : [waiting])),
    );
    this.#waiting = outcomes.flat();
  }

  async #isDelivered({ event }: Waiting): Promise<boolean> {
    try {
      await within(PATIENCE_MS, () => this.#deliver?.(event));
      return true;
    } catch (error) {
      const { kind, tenantId, subnetId, cnciIp } = event;
      this.#logger.warn('an event could not be delivered', {
        ...{ kind, tenantId, subnetId, cnciIp, error },
      });
      return false;
    }
  }
}
