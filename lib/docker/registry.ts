import { describeType } from '../errors';
import { identityKey } from '../topology';
import type { Ipv4Address, Ipv4Cidr, Logger } from '../model';
import type { StoreChange, StoreProvider } from '../store';

/** A network of docker's: a tenant's subnet. */
export interface NetworkRecord {
  /** Alias of the subnet's bridge. */
  readonly bridge: string;
  readonly subnet: Ipv4Cidr;
  readonly gateway?: Ipv4Address;
  /** Without a way out: docker sets no default route. */
  readonly isInternal: boolean;
}

/** A container's place on a network: a VNIC that somebody made before. */
export interface EndpointRecord {
  readonly networkId: string;
  /** Alias of the VNIC. */
  readonly vnic: string;
  readonly address: Ipv4Address;
  /** The host's end. */
  readonly linkName: string;
  readonly ifIndex: number;
  /** The container's end. */
  readonly interfaceName: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** A subnet that docker asked for; several may be of the same addresses, for tenants do not share any. */
export interface PoolRecord {
  readonly subnet: Ipv4Cidr;
  readonly createdAt: number;
}

/**
 * An address that docker holds. Not in the store: who really has it, its endpoint says and the kernel, and
 * a write to the disk costs as much as all else that is done for a container.
 */
export interface HeldAddress {
  readonly poolId: string;
  readonly address: Ipv4Address;
  readonly isGateway: boolean;
  /** By `performance.now()`. */
  readonly heldSince: number;
}

interface Records {
  readonly networks: NetworkRecord;
  readonly endpoints: EndpointRecord;
  readonly pools: PoolRecord;
}
type TableName = keyof Records;

/** One change of what docker was told. */
export type Change =
  | { [T in TableName]: RecordAddition<T> }[TableName]
  | { readonly op: 'delete'; readonly table: TableName; readonly key: string };

interface RecordAddition<T extends TableName> {
  readonly op: 'add';
  readonly table: T;
  readonly key: string;
  readonly value: Records[T];
}

/** What a record must have, and of what type, to be taken for one. */
const FIELDS: Readonly<Record<TableName, Readonly<Record<string, string>>>> = {
  networks: { bridge: 'string', subnet: 'string', isInternal: 'boolean' },
  endpoints: {
    networkId: 'string',
    vnic: 'string',
    address: 'string',
    linkName: 'string',
    ifIndex: 'number',
    interfaceName: 'string',
    createdAt: 'number',
  },
  pools: { subnet: 'string', createdAt: 'number' },
};
const TABLES = Object.keys(FIELDS) as TableName[];

/**
 * What docker was told and will ask about: the store's tables, and maps of them in memory. A change
 * is in the store before anybody is answered.
 */
export class Registry {
  readonly networks = new Map<string, NetworkRecord>();
  readonly endpoints = new Map<string, EndpointRecord>();
  readonly pools = new Map<string, PoolRecord>();
  /** By {@link addressKey}. */
  readonly addresses = new Map<string, HeldAddress>();
  readonly #store: StoreProvider;
  readonly #logger: Logger;
  /** When this process made them; those of earlier processes are not in it. */
  readonly #births = new WeakMap<object, number>();

  constructor(store: StoreProvider, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Reads what earlier processes left. */
  async open(): Promise<void> {
    await this.#store.open(TABLES);
    for (const table of TABLES) {
      const map = this.#map(table);
      map.clear();
      for (const [key, value] of await this.#store.rebuild(table)) {
        if (isRecord(table, value)) map.set(key, Object.freeze(value));
        else this.#logger.error('a record of the store is not understood', { table, key });
      }
    }
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  /** Makes the changes, all or none, and resolves when no crash can undo them. */
  async commit(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    const undo = changes.map((change) => this.#apply(change));
    try {
      await this.#store.transaction(changes satisfies readonly StoreChange[]);
    } catch (error) {
      for (const revert of undo.reverse()) revert();
      throw error;
    }
  }

  /** Milliseconds since this process made a record; for what it found, longer than anything. */
  ageOf(record: object): number {
    const birth = this.#births.get(record);
    return birth === undefined ? Number.POSITIVE_INFINITY : performance.now() - birth;
  }

  /** Who has a VNIC, as far as docker said. */
  endpointOf(vnic: string): readonly [id: string, record: EndpointRecord] | undefined {
    const key = identityKey(vnic);
    return [...this.endpoints].find(([, record]) => identityKey(record.vnic) === key);
  }

  endpointsIn(networkId: string): string[] {
    const all = [...this.endpoints];
    return all.filter(([, record]) => record.networkId === networkId).map(([id]) => id);
  }

  #apply(change: Change): () => void {
    const map = this.#map(change.table);
    const { key } = change;
    const before = map.get(key);
    const after = change.op === 'add' ? Object.freeze(change.value) : undefined;
    if (after === undefined) map.delete(key);
    else map.set(key, after);
    if (after !== undefined) this.#births.set(after, performance.now());
    return () => {
      // Somebody else's change since then stays.
      if (map.get(key) !== after) return;
      if (before === undefined) map.delete(key);
      else map.set(key, before);
    };
  }

  #map(table: TableName): Map<string, object> {
    return this[table];
  }
}

/** Key of an address: one pool holds it once. */
export function addressKey(poolId: string, address: string): string {
  return `${poolId} ${address}`;
}

function isRecord(table: TableName, value: unknown): value is object {
  if (describeType(value) !== 'object') return false;
  const fields = Object.entries(FIELDS[table]);
  return fields.every(([name, type]) => typeof (value as Record<string, unknown>)[name] === type);
}
