import { withMethods } from '../model';

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

/** Checks for the methods. */
export const parseStoreProvider = withMethods<StoreProvider>(
  'open',
  'rebuild',
  'get',
  'add',
  'delete',
  'transaction',
  'close',
);
