import { refuse, tryParseIpv4, tryParseIpv4Cidr, withOperation } from '../../model';
import type { Ipv4Cidr } from '../../model';
import type { NodeTopology, SubnetTopology } from '../../compute-node';
import type { StoreChange } from '../../store';
import { digestOf, laneOf, ownerKey, parseOutboxEvent, tunnelKey, tunnelOf } from './tunnel';
import type { OutboxEvent, Tunnel, TunnelOwner, TunnelRecord } from './tunnel';

/** Tables of the store. */
export const TUNNELS = 'tunnels';
export const NETWORKS = 'networks';
export const TABLES = [TUNNELS, NETWORKS] as const;

/** Removals that nobody could be told of; beyond them the oldest are forgotten. A tunnel is never. */
export const MOST_REMOVALS = 10_000;

/** What a look at the kernel came to. */
export interface Reconciled {
  /** Tunnels that are there and had not been told of. */
  readonly added: readonly Tunnel[];
  /** Tunnels that were told of and are not there any more. */
  readonly removed: readonly Tunnel[];
  /** Subnets with a tunnel of which nobody remembers the network. */
  readonly unknown: readonly SubnetTopology[];
}

/** A network that was announced before the kernel had its tunnel. */
export interface ExpectedNetwork extends TunnelOwner {
  readonly subnet: Ipv4Cidr;
}

/**
 * What the concentrators have to know, and what they were told: one record for each tunnel. Of what was to
 * be said of a tunnel only the last counts; the order of what is said about one subnet to one concentrator
 * is kept. Pure: whatever changes is given back as changes of the store.
 */
export class Ledger {
  readonly #records = new Map<string, TunnelRecord>();
  /** Keys of what was not delivered, in order: the map's own. */
  readonly #pending = new Set<string>();
  readonly #networks = new Map<string, Ipv4Cidr>();
  readonly #expected = new Map<string, number>();
  readonly #byOwner = new Map<string, Set<string>>();
  readonly #newId: () => string;
  #order = 0;
  #removals = 0;

  /** @param newId - Gives every message an id of its own. */
  constructor(newId: () => string) {
    this.#newId = newId;
  }

  /** What was in the store. */
  load(records: Iterable<TunnelRecord>, networks: Iterable<readonly [string, Ipv4Cidr]>): void {
    for (const [owner, subnet] of networks) this.#networks.set(owner, subnet);
    for (const record of [...records].sort((left, right) => left.order - right.order)) {
      this.#order = Math.max(this.#order, record.order);
      this.#keep(tunnelKey(record), record);
    }
  }

  /** How much is still to be said. */
  get pending(): number {
    return this.#pending.size;
  }

  /** What is to be said, in order; of each subnet and concentrator only the first. */
  *next(): Generator<{
    readonly key: string;
    readonly lane: string;
    readonly record: TunnelRecord;
  }> {
    const lanes = new Set<string>();
    for (const key of this.#pending) {
      const record = this.#records.get(key);
      if (record === undefined) continue;
      const lane = laneOf(record);
      if (lanes.has(lane)) continue;
      lanes.add(lane);
      yield { key, lane, record };
    }
  }

  get(key: string): TunnelRecord | undefined {
    return this.#records.get(key);
  }

  /**
   * A network whose tunnel may be about to be made, until {@link settle}: whoever dies in between finds it
   * remembered.
   */
  expect(network: ExpectedNetwork): readonly StoreChange[] {
    const key = ownerKey(network);
    this.#expected.set(key, (this.#expected.get(key) ?? 0) + 1);
    return this.#remember(network);
  }

  /** The tunnel was made, or was not. */
  settle(owner: TunnelOwner): void {
    const key = ownerKey(owner);
    const left = (this.#expected.get(key) ?? 1) - 1;
    if (left === 0) this.#expected.delete(key);
    else this.#expected.set(key, left);
  }

  #remember({ subnet, ...owner }: ExpectedNetwork): readonly StoreChange[] {
    const key = ownerKey(owner);
    if (this.#networks.get(key) === subnet) return [];
    this.#networks.set(key, subnet);
    return [{ op: 'add', table: NETWORKS, key: digestOf(key), value: [key, subnet] }];
  }

  /**
   * What is to be said has changed.
   *
   * @throws {@link APIError} `SNNET_INPUT_…`: the network among them, where nobody remembers it.
   */
  note(event: OutboxEvent, operation: string): readonly StoreChange[] {
    const parsed = parseOutboxEvent(event, operation);
    const subnet = parsed.subnet ?? this.#networkOf(parsed);
    if (subnet === undefined) {
      const expected = 'the network, which nobody here was told';
      return withOperation(operation, () => refuse(undefined, 'subnet', expected));
    }
    const tunnel = tunnelOf(parsed, subnet);
    return parsed.kind === 'tunnel-add' ? this.#add(tunnel) : this.#remove(tunnel);
  }

  /** The transport took it over; without effect where there is something newer to say. */
  deliver(key: string, messageId: string): readonly StoreChange[] {
    const record = this.#records.get(key);
    if (record?.messageId !== messageId) return [];
    if (record.state === 'added') return this.#set({ ...record, isDelivered: true });
    return this.#forget(key, record);
  }

  /** Says everything again that is there. */
  repeat(): readonly StoreChange[] {
    const added = [...this.#records.values()].filter(({ state }) => state === 'added');
    return added.flatMap((record) => this.#add(record));
  }

  /** Compares with what the kernel has, and notes what has to be said for it. */
  reconcile(topology: Pick<NodeTopology, 'subnets'>): {
    readonly result: Reconciled;
    readonly changes: readonly StoreChange[];
  } {
    const { tunnels, unknown, halves } = this.#look(topology.subnets);
    // With the bridge there, a tunnel that is missing is being made, or repaired.
    const removed = [...this.#records].flatMap(([key, record]) => {
      const isGone = record.state === 'added' && !tunnels.has(key) && !halves.has(ownerKey(record));
      return isGone ? [record] : [];
    });
    const added = [...tunnels.values()].filter((tunnel) => !this.#isSaid(tunnel));
    const owners = new Set([...halves, ...[...tunnels.values()].map(ownerKey)]);
    const changes = [
      ...removed.flatMap((tunnel) => this.#remove(tunnel)),
      ...added.flatMap((tunnel) => this.#add(tunnel)),
      ...[...this.#networks.keys()].flatMap((owner) =>
        owners.has(owner) ? [] : this.#forgetNetwork(owner),
      ),
    ];
    return { result: Object.freeze({ added, removed, unknown }), changes };
  }

  /** The tunnels that are there, and subnets with half of what they need. */
  #look(subnets: readonly SubnetTopology[]): {
    readonly tunnels: ReadonlyMap<string, Tunnel>;
    readonly unknown: readonly SubnetTopology[];
    readonly halves: ReadonlySet<string>;
  } {
    const tunnels = new Map<string, Tunnel>();
    const unknown: SubnetTopology[] = [];
    const halves = new Set<string>();
    for (const subnet of subnets) {
      const { ids, tunnel } = subnet;
      const known = ids === undefined ? undefined : this.#tunnelThere(subnet, ids);
      if (known !== undefined) tunnels.set(tunnelKey(known), known);
      else if (tunnel !== undefined) unknown.push(subnet);
      if (ids !== undefined && known === undefined) halves.add(ownerKey(ids));
    }
    return { tunnels, unknown, halves };
  }

  #add(tunnel: Tunnel): readonly StoreChange[] {
    const { tenantId, subnetId, concId, subnet, subnetKey, cnIp, kind, concIp } = tunnel;
    const facts = { tenantId, subnetId, concId, subnet, subnetKey, cnIp, kind, concIp };
    const key = tunnelKey(facts);
    // Of one subnet there is one tunnel to one address: whatever else was there is gone.
    const replaced = this.#recordsOf(tunnel).filter(
      (other) => other.state === 'added' && other.concIp === concIp && tunnelKey(other) !== key,
    );
    return [
      ...replaced.flatMap((other) => this.#remove(other)),
      ...this.#remember({ tenantId, subnetId, concId, subnet }),
      ...this.#set({ ...facts, ...this.#saying('added') }),
    ];
  }

  #remove(tunnel: Tunnel): readonly StoreChange[] {
    const known = this.#records.get(tunnelKey(tunnel));
    // The concentrator has moved, and knows of the tunnel to where it is now.
    if (known?.state === 'added' && known.concIp !== tunnel.concIp) return [];
    const { tenantId, subnetId, concId, subnet, subnetKey, cnIp, kind, concIp } = tunnel;
    const facts = { tenantId, subnetId, concId, subnet, subnetKey, cnIp, kind, concIp };
    return [...this.#set({ ...facts, ...this.#saying('removed') }), ...this.#limit()];
  }

  #saying(
    state: TunnelRecord['state'],
  ): Pick<TunnelRecord, 'state' | 'isDelivered' | 'order' | 'messageId'> {
    this.#order += 1;
    return { state, isDelivered: false, order: this.#order, messageId: this.#newId() };
  }

  #set(record: TunnelRecord): readonly StoreChange[] {
    const key = tunnelKey(record);
    this.#keep(key, record);
    return [{ op: 'add', table: TUNNELS, key, value: record }];
  }

  #keep(key: string, record: TunnelRecord): void {
    this.#release(key);
    this.#records.set(key, Object.freeze(record));
    if (!record.isDelivered) this.#pending.add(key);
    if (record.state === 'removed') this.#removals += 1;
    const owner = ownerKey(record);
    const same = this.#byOwner.get(owner) ?? new Set();
    this.#byOwner.set(owner, same.add(key));
  }

  #release(key: string): void {
    const before = this.#records.get(key);
    if (before?.state === 'removed') this.#removals -= 1;
    this.#pending.delete(key);
    this.#records.delete(key);
  }

  #forget(key: string, record: TunnelRecord): readonly StoreChange[] {
    this.#release(key);
    const owner = ownerKey(record);
    const same = this.#byOwner.get(owner);
    same?.delete(key);
    if (same?.size === 0) this.#byOwner.delete(owner);
    return [{ op: 'delete', table: TUNNELS, key }, ...this.#forgetNetwork(owner)];
  }

  /** Nobody will ask for it. */
  #forgetNetwork(owner: string): readonly StoreChange[] {
    if (this.#byOwner.has(owner) || this.#expected.has(owner)) return [];
    if (!this.#networks.delete(owner)) return [];
    return [{ op: 'delete', table: NETWORKS, key: digestOf(owner) }];
  }

  #limit(): readonly StoreChange[] {
    if (this.#removals <= MOST_REMOVALS) return [];
    for (const key of this.#pending) {
      const record = this.#records.get(key);
      if (record?.state === 'removed') return this.#forget(key, record);
    }
    return [];
  }

  #recordsOf(owner: TunnelOwner): TunnelRecord[] {
    const keys = this.#byOwner.get(ownerKey(owner)) ?? [];
    return [...keys].flatMap((key) => this.#records.get(key) ?? []);
  }

  #networkOf(owner: TunnelOwner): Ipv4Cidr | undefined {
    const [last] = this.#recordsOf(owner).sort((left, right) => right.order - left.order);
    return this.#networks.get(ownerKey(owner)) ?? last?.subnet;
  }

  #tunnelThere({ tunnel, concIp }: SubnetTopology, owner: TunnelOwner): Tunnel | undefined {
    // Ciao's launchers call a subnet by its network.
    const subnet = this.#networkOf(owner) ?? tryParseIpv4Cidr(owner.subnetId);
    const cnIp = tryParseIpv4(tunnel?.local ?? '');
    const address = tryParseIpv4(concIp);
    if (tunnel?.key === undefined || !subnet || !cnIp || !address) return undefined;
    const { tenantId, subnetId, concId } = owner;
    return {
      ...{ tenantId, subnetId, concId, subnet, cnIp },
      subnetKey: tunnel.key as Tunnel['subnetKey'],
      kind: tunnel.kind as Tunnel['kind'],
      concIp: address,
    };
  }

  #isSaid(tunnel: Tunnel): boolean {
    const record = this.#records.get(tunnelKey(tunnel));
    return record?.state === 'added' && record.concIp === tunnel.concIp;
  }
}
