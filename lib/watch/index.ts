export type { DriftCause, DriftEvent, GaveUpEvent, ResyncEvent, WatchEvent } from './events';
export { Feed } from './feed';
export { Healer } from './healer';
export type { HealSource, Mended } from './healer';
export { LinkIndex } from './link-index';
export type { LinkOwner, OwnedLink } from './link-index';
export { Watcher } from './watcher';
export type { WatchedHost } from './watcher';
