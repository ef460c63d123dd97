export { LmdbStore } from './lmdb-store';
export type { LmdbStoreOptions } from './lmdb-store';
export { parseStoreProvider } from './provider';
export type { StoreChange, StoreProvider } from './provider';
