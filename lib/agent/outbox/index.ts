export { Launcher } from './launcher';
export type { LauncherOptionsInput } from './launcher';
export { Ledger, MOST_REMOVALS } from './ledger';
export type { ExpectedNetwork, Reconciled } from './ledger';
export type { OutboxOptionsInput } from './options';
export { TenantEventOutbox } from './outbox';
export type { FollowOptions } from './outbox';
export type { OutboxEvent, Tunnel, TunnelOwner, TunnelRecord } from './tunnel';
