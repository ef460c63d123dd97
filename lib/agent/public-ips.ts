import { isLibsnnetError } from '../errors';
import type { Firewall } from '../firewall';
import type { FirewallAction, Logger, PublicIpInput } from '../model';
import type { Lanes } from '../service';
import { isLive } from './desired-state';
import type { DesiredState } from './desired-state';
import type { AgentReport, PublicIpFailure, PublicIpRequest, PublicIpTexts } from './messages';
import { isOvertaken, keyOf, replacedBy, settled } from './records';
import type { Order, Wish } from './records';
import { Refusal } from './refusal';
import type { Reports } from './reports';
import type { Retries } from './retries';

export interface PublicIpSettings {
  readonly desired: DesiredState;
  readonly lanes: Lanes;
  readonly retries: Retries;
  readonly reports: Reports;
  readonly logger: Logger;
  /** Absent: no address can be assigned, and none is. */
  readonly firewall: Firewall | undefined;
  readonly externalDevice: string;
  /** Given when the agent ends. */
  readonly signal: AbortSignal;
}

type PublicIpWish = Wish<PublicIpRequest>;

const OPERATION = 'publicIpAccess';
const TIMEOUT_MS = 60_000;

/** Addresses of the outside for workloads: one after the other for each address, and each with an answer. */
export class PublicIpWishes {
  readonly #settings: PublicIpSettings;

  constructor(settings: PublicIpSettings) {
    this.#settings = settings;
  }

  /** Resolves when it is done and the answer is in the store. Otherwise the failure is, and it rejects. */
  async handle(request: PublicIpRequest, order: Order | undefined): Promise<void> {
    const { lanes, desired, logger, signal } = this.#settings;
    await lanes.run(`public ip ${request.publicIp}`, async () => {
      const former = desired.publicIps.get(keyOf(request));
      if (isOvertaken(order, former)) {
        logger.info('a message was overtaken, and is passed over', describe(request));
        return;
      }
      await this.#orFail(request, () => this.#check(request));
      const wish: PublicIpWish = {
        request,
        isSettled: false,
        ...(order && { order }),
        ...replacedBy(request, former, isAnothers),
      };
      await desired.remember(wish, signal);
      await this.#orFail(
        request,
        () => this.#change(wish),
        () => this.#takeBack(wish, former),
      );
      await this.#settle(wish);
      logger.info(isLive(request) ? 'public address assigned' : 'public address released', {
        ...describe(request),
      });
    });
  }

  /** What a request for an address is answered that cannot be done, or not even be read. */
  async fail(
    kind: PublicIpRequest['kind'],
    { concentratorUuid, tenantUuid, instanceUuid, publicIp, privateIp, vnicMac }: PublicIpTexts,
    error: unknown,
  ): Promise<void> {
    const texts = { concentratorUuid, tenantUuid, instanceUuid, publicIp, privateIp, vnicMac };
    const why = error instanceof Error ? error.message : String(error);
    this.#settings.logger.error('a public address could not be done', { kind, publicIp, why });
    await this.#settings.reports.add({ report: failureOf(kind, texts) });
  }

  /** Makes the kernel as it was wished before a restart; what nobody was told is told then. */
  async adopt(): Promise<void> {
    const { desired, logger, firewall } = this.#settings;
    const wishes = [...desired.publicIps.values()];
    const live = wishes.filter(({ request }) => isLive(request));
    if (firewall !== undefined) await this.#assignAll(live);
    const unsettled = wishes.filter((wish) => !wish.isSettled && !isLive(wish.request));
    for (const wish of unsettled) await this.#release(wish);
    logger.info('public addresses adopted', { wishes: wishes.length });
  }

  /** All in one transaction; if one cannot be had, each by itself. */
  async #assignAll(wishes: readonly PublicIpWish[]): Promise<void> {
    if (wishes.length === 0) return;
    try {
      await this.#apply(
        'enable',
        wishes.map(({ request }) => this.#inputOf(request)),
      );
      for (const wish of wishes) if (!wish.isSettled) await this.#settle(wish);
    } catch (error) {
      if (!isLibsnnetError(error)) throw error;
      for (const wish of wishes) await this.#assignAgain(wish);
    }
  }

  /** Nobody waits for an answer any more: it is tried until it succeeds, or something else is wished. */
  async #assignAgain(wish: PublicIpWish): Promise<void> {
    const { retries, logger, desired, lanes } = this.#settings;
    const { publicIp } = wish.request;
    const name = `public ip ${publicIp}`;
    try {
      await this.#apply('enable', [this.#inputOf(wish.request)]);
      if (!wish.isSettled) await this.#settle(wish);
      retries.forget(name);
    } catch (error) {
      if (!isLibsnnetError(error) || error.code === 'SNNET_HANDLE_CLOSED') throw error;
      logger.error('a public address could not be restored, and is tried again', {
        publicIp,
        why: error.message,
      });
      retries.later(name, () => {
        void lanes
          .run(name, async () => {
            if (desired.publicIps.get(publicIp) === wish) await this.#assignAgain(wish);
          })
          .catch(() => undefined);
      });
    }
  }

  async #release(wish: PublicIpWish): Promise<void> {
    try {
      await this.#change(wish);
      await this.#settle(wish);
    } catch (error) {
      if (!isLibsnnetError(error)) throw error;
      await this.fail(wish.request.kind, wish.request, error);
    }
  }

  async #check(request: PublicIpRequest): Promise<void> {
    const { firewall } = this.#settings;
    if (!isLive(request)) return;
    if (firewall === undefined) throw new Error('the agent was told to leave the network alone');
    await firewall.plan(OPERATION, 'enable', this.#inputOf(request), { timeoutMs: TIMEOUT_MS });
  }

  /** A failure is final: whoever asked is told of it, and asks again. */
  async #orFail(
    request: PublicIpRequest,
    body: () => Promise<void>,
    takeBack: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    try {
      await body();
    } catch (error) {
      // It is not refused: the next process does it, and tells.
      if (isLibsnnetError(error, 'SNNET_HANDLE_CLOSED')) throw error;
      await takeBack();
      await this.fail(request.kind, request, error);
      throw new Refusal(error);
    }
  }

  async #change({ request, replaced = [request] }: PublicIpWish): Promise<void> {
    if (isLive(request)) {
      await this.#apply('enable', [this.#inputOf(request)]);
      return;
    }
    for (const owner of replaced) await this.#apply('disable', [this.#inputOf(owner)]);
  }

  async #apply(action: FirewallAction, list: readonly PublicIpInput[]): Promise<void> {
    await this.#settings.firewall?.publicIpAccess(action, list, { timeoutMs: TIMEOUT_MS });
  }

  /** The answer and the end of the work are one change: a crash loses neither, or both. */
  async #settle(wish: PublicIpWish): Promise<void> {
    const { reports } = this.#settings;
    const report = successOf(wish.request);
    const isKept = isLive(wish.request) || wish.order !== undefined;
    await reports.add({
      report,
      ...(isKept ? { put: [settled(wish)] } : { drop: [wish] }),
    });
  }

  async #takeBack(wish: PublicIpWish, former: PublicIpWish | undefined): Promise<void> {
    await this.#settings.desired.commit(
      former === undefined ? { drop: [wish] } : { put: [former] },
    );
  }

  #inputOf({ publicIp, privateIp }: PublicIpRequest): PublicIpInput {
    return { publicIp, internalIp: privateIp, externalDevice: this.#settings.externalDevice };
  }
}

/** Whose it was is what counts; whoever takes it away need not know. */
function isAnothers(former: PublicIpRequest, request: PublicIpRequest): boolean {
  return isLive(former) && !isLive(request) && former.privateIp !== request.privateIp;
}

function successOf(request: PublicIpRequest): AgentReport {
  const { concentratorUuid, instanceUuid, publicIp, privateIp } = request;
  const kind = isLive(request) ? 'public-ip-assigned' : 'public-ip-unassigned';
  return { kind, concentratorUuid, instanceUuid, publicIp, privateIp };
}

/** The original gives the same reason for bad input. */
function failureOf(kind: PublicIpRequest['kind'], texts: PublicIpTexts): PublicIpFailure {
  return kind === 'assign-public-ip'
    ? { kind: 'assign-public-ip-failure', ...texts, reason: 'assign_failure' }
    : { kind: 'unassign-public-ip-failure', ...texts, reason: 'release_failure' };
}

function describe({ publicIp, privateIp }: PublicIpRequest): Record<string, unknown> {
  return { publicIp, privateIp };
}
