import { refuse } from '../model';

/** One change of a store. Adding replaces what is there; deleting what is not there is no error. */
export type StoreChange =
  | {
      readonly op: 'add';
      readonly table: string;
      readonly key: string;
      /** Whatever JSON can carry. */
      readonly value: unknown;
    }
  | { readonly op: 'delete'; readonly table: string; readonly key: string };

/**
 * What keeps the little that the kernel cannot know: tables of JSON values by key. Bring your own to
 * keep it elsewhere.
 *
 * What has resolved has to survive the end of the process at any instant, and of the machine; a
 * transaction is there as a whole or not at all. Changes take effect in the order of the calls.
 * Nobody else writes to the tables while they are open.
 */
export interface StoreProvider {
  /** Opens the store, and makes it and the tables where they are not there yet. */
  open(tables: readonly string[]): Promise<void>;
  /** A whole table: what a map in memory is rebuilt from after a restart. A damaged row has no value. */
  rebuild(table: string): Promise<ReadonlyMap<string, unknown>>;
  /** Resolves with nothing where there is no such key. */
  get(table: string, key: string): Promise<unknown>;
  add(table: string, key: string, value: unknown): Promise<void>;
  delete(table: string, key: string): Promise<void>;
  /** Several changes, all or none. */
  transaction(changes: readonly StoreChange[]): Promise<void>;
  /** Lets go. It may be opened again. */
  close(): Promise<void>;
}

const METHODS: readonly (keyof StoreProvider)[] = [
  'open',
  'rebuild',
  'get',
  'add',
  'delete',
  'transaction',
  'close',
];

/** Checks for the methods; the object itself is kept, since they may live on a prototype. */
export function parseStoreProvider(value: unknown, field: string): StoreProvider {
  return isProvider(value)
    ? value
    : refuse(value, field, `an object with the methods ${METHODS.join(', ')}`);
}

function isProvider(value: unknown): value is StoreProvider {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const candidate = value as Partial<Record<string, unknown>>;
    return METHODS.every((method) => typeof candidate[method] === 'function');
  } catch {
    return false;
  }
}
