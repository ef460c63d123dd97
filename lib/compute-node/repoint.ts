import { APIError } from '../errors';
import type { Call, Host } from '../host';
import type { RepointConfig, TunnelKind } from '../model';
import { makePlan } from '../plan';
import type { Plan } from '../plan';
import type { KnownLink } from '../topology';
import type { TunnelEvent } from './events';
import { planMove, scopeAt } from './plan-repoint';
import type { MovedSubnet, Subnet, SubnetTable } from './subnet';

const OPERATION = 'repointConcentrator';
const CODES = { 'tunnel-add': 2, 'tunnel-del': 4 } as const;

/** What a concentrator's address must be told: the one before, and the one that comes. */
export interface RepointEvent {
  readonly kind: TunnelEvent['kind'];
  /** The number that goes on the wire: 2 for add, 4 for del. */
  readonly code: TunnelEvent['code'];
  readonly cnciIp: string;
  readonly cnIp: string;
  /** The subnet's identity: `<tenant>_<subnet>_<concentrator>_<concentrator IP>`. */
  readonly scope: string;
  /** Absent where ids with `_` make the identity ambiguous; the same for the next two. */
  readonly tenantId?: string;
  readonly subnetId?: string;
  readonly concId?: string;
  /** CIDR; absent where this process found the subnet after a restart. */
  readonly subnet?: string;
  readonly subnetKey?: number;
  readonly cnId: string;
  readonly tunnel: TunnelKind;
}

/** What `repointConcentrator` did. */
export interface RepointReport {
  /** Subnets whose tunnel leads elsewhere now, by their new identity. */
  readonly moved: readonly { readonly subnet: string; readonly tunnel?: string }[];
  /** To be delivered: `tunnel-del` to the former address, `tunnel-add` to the new one. */
  readonly events: readonly RepointEvent[];
}

/** Lets tunnels lead to another address of their concentrator, without taking them down. */
export class Repointer {
  readonly #host: Host;
  readonly #subnets: SubnetTable;

  constructor(host: Host, subnets: SubnetTable) {
    this.#host = host;
    this.#subnets = subnets;
  }

  /** What `run` would do now. */
  plan(config: RepointConfig): Plan {
    return this.#planOf(this.#moves(config));
  }

  /** The caller sees to it that it is alone. */
  async run(config: RepointConfig, call: Call): Promise<RepointReport> {
    const moves = this.#moves(config);
    call.check();
    const links = moves.flatMap(({ subnet }) => linksOf(subnet));
    this.#subnets.links.expect(links);
    try {
      if (moves.length > 0) await this.#host.kernel.run(this.#planOf(moves));
    } catch (error) {
      // As before: what somebody else does to them is news again.
      for (const { subnet } of moves) this.#subnets.own(subnet);
      throw error;
    }
    const events = moves.flatMap((move) => this.#eventsOf(move, config));
    for (const move of moves) this.#subnets.move(move);
    return Object.freeze({
      moved: Object.freeze(
        moves.map(({ scope, tunnel }) =>
          Object.freeze({
            subnet: scope.text,
            ...(tunnel !== undefined && { tunnel: tunnel.linkName }),
          }),
        ),
      ),
      events: Object.freeze(events),
    });
  }

  #planOf(moves: readonly MovedSubnet[]): Plan {
    return makePlan(
      OPERATION,
      moves.flatMap(({ steps }) => steps),
    );
  }

  #moves(config: RepointConfig): MovedSubnet[] {
    const moves: MovedSubnet[] = [];
    for (const subnet of this.#subnets.all()) {
      const { concIp } = subnet.scope;
      if (!isMeant(subnet, config)) continue;
      if (concIp === config.from) this.#checkIsFree(subnet, config);
      const move = planMove(this.#host, subnet, config.to);
      // One that is there already counts if it was interrupted on its way.
      if (concIp === config.from || move.steps.length > 0) moves.push(move);
    }
    return moves;
  }

  /** Refuses what the kernel, or a rebuild, could not tell from another subnet. */
  #checkIsFree(subnet: Subnet, { to }: RepointConfig): void {
    const { text } = scopeAt(subnet.scope, to);
    const same = this.#subnets.get(text);
    const sharers = subnet.key === undefined ? [] : [...this.#subnets.withKey(subnet.key)];
    const twin = sharers.find(
      (other) =>
        other !== subnet &&
        other.scope.concIp === to &&
        subnet.tunnel?.kind !== 'vxlan' &&
        other.tunnel?.kind === subnet.tunnel?.kind,
    );
    const other = same ?? twin;
    if (other === undefined) return;
    throw new APIError('SNNET_TUNNEL_TAKEN', {
      operation: OPERATION,
      field: 'to',
      value: to,
      object: { subnet: subnet.scope.text },
      detail: `subnet ${other.scope.text} is there already${same === undefined ? ' with the same key' : ''}`,
    });
  }

  #eventsOf(move: MovedSubnet, { from, to }: RepointConfig): RepointEvent[] {
    const { scope, tunnel, subnet } = move;
    const config = [...subnet.vnics.values()].find((entry) => entry.config)?.config;
    const about = {
      cnIp: tunnel?.local ?? this.#host.computeLink.address,
      ...(scope.ids !== undefined && scope.ids),
      ...(config !== undefined && { subnet: config.subnet }),
      ...(subnet.key !== undefined && { subnetKey: subnet.key }),
      cnId: this.#host.options.id,
      tunnel: tunnel?.kind ?? this.#host.mode,
    };
    const event = (kind: TunnelEvent['kind'], cnciIp: RepointConfig['to']): RepointEvent =>
      Object.freeze({
        kind,
        code: CODES[kind],
        cnciIp,
        scope: scopeAt(scope, cnciIp).text,
        ...about,
      });
    // The new one first: its end must be there for what arrives.
    return [event('tunnel-add', to), event('tunnel-del', from)];
  }
}

function isMeant({ scope: { ids, concIp } }: Subnet, config: RepointConfig): boolean {
  const { from, to, concId = ids?.concId, tenantId = ids?.tenantId } = config;
  if (concIp !== from && concIp !== to) return false;
  return ids?.concId === concId && ids?.tenantId === tenantId;
}

function linksOf({ bridge, tunnel, vnics }: Subnet): KnownLink[] {
  const known = [...vnics.values()].map((entry) => entry.known);
  return [bridge, tunnel, ...known].filter((link) => link !== undefined);
}
