import type { Cnci, CnciTopology } from '../cnci';
import { APIError, isLibsnnetError } from '../errors';
import type { Logger, RemoteSubnetConfigInput } from '../model';
import type { Lanes } from '../service';
import type { DesiredState } from './desired-state';
import { isLive } from './desired-state';
import type { Forwards } from './forwards';
import { subnetKeyOf } from './messages';
import type { TenantEvent } from './messages';
import { isOvertaken, keyOf, replacedBy, settled } from './records';
import type { Order, Wish } from './records';
import { refusing } from './refusal';
import type { Retries } from './retries';

export interface SubnetSettings {
  readonly cnci: Cnci;
  readonly desired: DesiredState;
  readonly lanes: Lanes;
  readonly retries: Retries;
  readonly logger: Logger;
  /** Absent: nothing is done, only remembered. */
  readonly forwards: Forwards | undefined;
  /** `of-subnet`: no other key than the one that the original computes. */
  readonly subnetKeys: 'any' | 'of-subnet';
  /** Given when the agent ends. */
  readonly signal: AbortSignal;
}

type SubnetWish = Wish<TenantEvent>;

/** Two hundred may wait for each other, and for as many programs to start. */
const TIMEOUT_MS = 60_000;

/** What launchers tell of their tunnels, done at this end: one after the other for each subnet. */
export class SubnetWishes {
  readonly #settings: SubnetSettings;

  constructor(settings: SubnetSettings) {
    this.#settings = settings;
  }

  /** Resolves when it is so in the kernel. What will never be possible is refused, and not remembered. */
  async handle(event: TenantEvent, order: Order | undefined): Promise<void> {
    await refusing(() => this.#checkKey(event));
    const { lanes, desired, logger, signal } = this.#settings;
    await lanes.run(laneOf(event), async () => {
      const former = desired.subnets.get(keyOf(event));
      if (isOvertaken(order, former)) {
        logger.info('a message was overtaken, and is passed over', describe(event));
        return;
      }
      const wish: SubnetWish = {
        request: event,
        isSettled: false,
        ...(order && { order }),
        ...replacedBy(event, former, isReplaced),
      };
      await refusing(() => this.#checkPlan(wish));
      await desired.remember(wish, signal);
      await this.#make(wish);
    });
  }

  /** Makes the kernel as it was wished before a restart; touches nothing that is so already. */
  async adopt(): Promise<void> {
    const { desired, cnci, logger } = this.#settings;
    const topology = cnci.topology();
    const standing = tunnelsOf(topology);
    const wishes = [...desired.subnets.values()];
    for (const stranger of strangers(standing, wishes)) {
      logger.warn('there is a tunnel that nobody asked for; it is left alone', { stranger });
    }
    const outcomes = await Promise.allSettled(
      wishes
        .filter((wish) => isLive(wish.request) || !wish.isSettled)
        .map((wish) =>
          this.#settings.lanes.run(laneOf(wish.request), () =>
            this.#readopt(wish, standing.get(tunnelKey(wish.request))),
          ),
        ),
    );
    const failed = outcomes.filter(({ status }) => status === 'rejected').length;
    logger.info('subnets adopted', { wishes: wishes.length, failed });
  }

  async #readopt(wish: SubnetWish, standing: Standing | undefined): Promise<void> {
    const { request } = wish;
    const isThere =
      standing?.isServed === true &&
      standing.key === request.subnetKey &&
      (request.tunnel === undefined || request.tunnel === standing.kind);
    if (!isLive(request) || !isThere || wish.replaced !== undefined) {
      await this.#make(wish);
      return;
    }
    await this.#attempt(wish, async () => {
      await this.#settings.forwards?.open({
        subnet: request.tenantSubnet,
        bridge: standing.bridge,
      });
      await this.#settle(wish);
    });
  }

  async #make(wish: SubnetWish): Promise<void> {
    await this.#attempt(wish, async () => {
      const { request, replaced = [] } = wish;
      if (this.#settings.forwards !== undefined) {
        for (const former of replaced) await this.#removeUnlessWished(former);
        await (isLive(request) ? this.#add(request) : this.#removeUnlessWished(request));
      }
      await this.#settle(wish);
    });
  }

  /** What fails is done again later: whoever asked may ask only once. */
  async #attempt(wish: SubnetWish, body: () => Promise<void>): Promise<void> {
    const { retries, logger } = this.#settings;
    const name = `subnet ${keyOf(wish.request)}`;
    try {
      await body();
      retries.forget(name);
    } catch (error) {
      if (isLibsnnetError(error, 'SNNET_HANDLE_CLOSED')) throw error;
      const why = error instanceof Error ? error.message : String(error);
      logger.error('a subnet could not be done, and is tried again', {
        ...describe(wish.request),
        why,
      });
      retries.later(name, () => void this.#again(wish).catch(() => undefined));
      throw error;
    }
  }

  async #again(wish: SubnetWish): Promise<void> {
    const { lanes, desired } = this.#settings;
    await lanes.run(laneOf(wish.request), async () => {
      // What was wished since then has its own attempts.
      if (desired.subnets.get(keyOf(wish.request)) === wish) await this.#make(wish);
    });
  }

  async #add(event: TenantEvent): Promise<void> {
    const { cnci, forwards, logger } = this.#settings;
    const { bridge, tunnel, created } = await cnci.addRemoteSubnet(configOf(event), {
      timeoutMs: TIMEOUT_MS,
    });
    await forwards?.open({ subnet: event.tenantSubnet, bridge });
    logger.info('tunnel added', { ...describe(event), bridge, tunnel, isNew: created.tunnel });
  }

  async #removeUnlessWished(event: TenantEvent): Promise<void> {
    const { cnci, desired, logger } = this.#settings;
    const key = tunnelKey(event);
    const isWished = [...desired.subnets.values()].some(
      ({ request }) =>
        isLive(request) && tunnelKey(request) === key && !isSameTunnelOf(request, event),
    );
    if (isWished) return;
    const { removed } = await cnci.delRemoteSubnet(configOf(event), { timeoutMs: TIMEOUT_MS });
    logger.info('tunnel removed', { ...describe(event), wasThere: removed });
  }

  async #settle(wish: SubnetWish): Promise<void> {
    const { desired } = this.#settings;
    // What is to be there is looked at after every start in any case.
    if (isLive(wish.request) && wish.replaced === undefined) return;
    const isKept = isLive(wish.request) || wish.order !== undefined;
    await desired.commit(isKept ? { put: [settled(wish)] } : { drop: [wish] });
  }

  #checkKey({ kind, tenantSubnet, subnetKey }: TenantEvent): void {
    if (this.#settings.subnetKeys === 'any' || kind === 'tenant-removed') return;
    const expected = subnetKeyOf(tenantSubnet);
    if (expected === subnetKey) return;
    throw new APIError('SNNET_INPUT_INVALID', {
      operation: 'handle',
      field: 'subnet_key',
      value: subnetKey,
      expected: `${String(expected)}, the key of ${tenantSubnet}`,
    });
  }

  /** Throws what the concentrator would refuse whenever it is asked. */
  #checkPlan({ request, replaced }: SubnetWish): void {
    if (!isLive(request) || this.#settings.forwards === undefined) return;
    // What it replaces goes first.
    if (replaced !== undefined) return;
    this.#settings.cnci.plan('addRemoteSubnet', configOf(request));
  }
}

interface Standing {
  readonly bridge: string;
  readonly kind: string;
  readonly key: number | undefined;
  readonly isServed: boolean;
}

function tunnelsOf({ subnets }: CnciTopology): ReadonlyMap<string, Standing> {
  const entries = subnets.flatMap(({ subnet, bridge, tunnels, dhcp }) =>
    tunnels.flatMap(({ cnIp, kind, key }): [string, Standing][] =>
      bridge === undefined
        ? []
        : [
            [
              `${subnet} ${cnIp}`,
              { bridge: bridge.linkName, kind, key, isServed: dhcp !== undefined },
            ],
          ],
    ),
  );
  return new Map(entries);
}

function strangers(
  standing: ReadonlyMap<string, Standing>,
  wishes: readonly SubnetWish[],
): readonly string[] {
  const known = wishes.flatMap(({ request, replaced = [] }) => [request, ...replaced]);
  const wished = new Set(known.map(tunnelKey));
  return [...standing.keys()].filter((key) => !wished.has(key));
}

function laneOf({ tenantSubnet }: TenantEvent): string {
  return `subnet ${tenantSubnet}`;
}

function tunnelKey({ tenantSubnet, agentIp }: TenantEvent): string {
  return `${tenantSubnet} ${agentIp}`;
}

function isReplaced(former: TenantEvent, event: TenantEvent): boolean {
  return (
    isLive(former) &&
    (former.agentIp !== event.agentIp ||
      (isLive(event) && (former.subnetKey !== event.subnetKey || former.tunnel !== event.tunnel)))
  );
}

function isSameTunnelOf(wished: TenantEvent, event: TenantEvent): boolean {
  return keyOf(wished) === keyOf(event);
}

function configOf({
  tenantSubnet,
  subnetKey,
  agentIp,
  tunnel,
}: TenantEvent): RemoteSubnetConfigInput {
  return { subnet: tenantSubnet, subnetKey, cnIp: agentIp, ...(tunnel && { mode: tunnel }) };
}

function describe({
  kind,
  tenantSubnet,
  agentIp,
  subnetKey,
}: TenantEvent): Record<string, unknown> {
  return { kind, subnet: tenantSubnet, node: agentIp, key: subnetKey };
}
