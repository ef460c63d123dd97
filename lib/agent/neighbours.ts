import type { Cnci } from '../cnci';
import { isLibsnnetError } from '../errors';
import type { Logger } from '../model';
import type { Lanes } from '../service';
import type { DesiredState } from './desired-state';
import type { RefreshRequest } from './messages';
import { isOvertaken } from './records';
import type { Order, Wish } from './records';
import { refusing } from './refusal';
import type { Retries } from './retries';

export interface NeighbourSettings {
  readonly cnci: Cnci;
  readonly desired: DesiredState;
  readonly lanes: Lanes;
  readonly retries: Retries;
  readonly logger: Logger;
  /** False: the list is only remembered. */
  readonly network: boolean;
  /** Given when the agent ends. */
  readonly signal: AbortSignal;
}

type NeighbourWish = Wish<RefreshRequest>;

const NAME = 'neighbours';
const TIMEOUT_MS = 60_000;

/** Who the tenant's concentrators are: each list replaces the one before. */
export class NeighbourWishes {
  readonly #settings: NeighbourSettings;

  constructor(settings: NeighbourSettings) {
    this.#settings = settings;
  }

  /** Resolves when the mesh is so. A list that contradicts itself, or lacks this concentrator, is refused. */
  async handle(request: RefreshRequest, order: Order | undefined): Promise<void> {
    const { lanes, desired, logger, cnci, network, signal } = this.#settings;
    await lanes.run(NAME, async () => {
      if (isOvertaken(order, desired.neighbours)) {
        logger.info('a message was overtaken, and is passed over', { kind: request.kind });
        return;
      }
      if (network) await refusing(() => cnci.plan('updateNeighbors', request.cncis));
      const wish: NeighbourWish = { request, isSettled: false, ...(order && { order }) };
      await desired.remember(wish, signal);
      await this.#make(wish);
    });
  }

  async adopt(): Promise<void> {
    const { desired, lanes } = this.#settings;
    const wish = desired.neighbours;
    if (wish !== undefined) await lanes.run(NAME, () => this.#make(wish)).catch(() => undefined);
  }

  async #make(wish: NeighbourWish): Promise<void> {
    const { cnci, desired, retries, logger, network } = this.#settings;
    try {
      if (network) {
        const { isChanged, added, changed, removed } = await cnci.updateNeighbors(
          wish.request.cncis,
          { timeoutMs: TIMEOUT_MS },
        );
        logger.info('neighbours', { isChanged, added, changed, removed });
      }
      if (!wish.isSettled) await desired.commit({ put: [{ ...wish, isSettled: true }] });
      retries.forget(NAME);
    } catch (error) {
      if (!isLibsnnetError(error) || error.code === 'SNNET_HANDLE_CLOSED') throw error;
      logger.error('the neighbours could not be done, and are tried again', { why: error.message });
      retries.later(NAME, () => void this.#again(wish).catch(() => undefined));
      throw error;
    }
  }

  async #again(wish: NeighbourWish): Promise<void> {
    const { lanes, desired } = this.#settings;
    await lanes.run(NAME, async () => {
      if (desired.neighbours === wish) await this.#make(wish);
    });
  }
}
