import type { DriverContext } from './drivers';
import { isUsed } from './liveness';
import type { Change, EndpointRecord, PoolRecord } from './registry';

/** What docker asks for in parts is asked for within this time, even if we were down in between. */
const SETTLED_MS = 120_000;

/** What a look at the kernel found that docker has no use for any more. */
export interface ReconcileReport {
  readonly endpoints: number;
  readonly pools: number;
}

/**
 * Forgets what docker gave up while nobody listened: it tells once, and never again. Networks stay, for
 * nothing but docker knows of their end, and docker is never asked: it may be waiting for us to start.
 */
export async function reconcile(context: DriverContext): Promise<ReconcileReport> {
  const { registry, finder } = context;
  const view = await finder.look();
  const isSettled = (record: EndpointRecord | PoolRecord): boolean =>
    Math.abs(Date.now() - record.createdAt) > SETTLED_MS;
  const endpoints = [...registry.endpoints].filter(
    ([, record]) =>
      !registry.networks.has(record.networkId) ||
      (isSettled(record) && !isUsed(registry, record, view)),
  );
  const subnets = new Set([...registry.networks.values()].map(({ subnet }) => subnet));
  const pools = [...registry.pools].filter(
    ([, record]) => !subnets.has(record.subnet) && isSettled(record),
  );
  await registry.commit([
    ...endpoints.map(([key]): Change => ({ op: 'delete', table: 'endpoints', key })),
    ...pools.map(([key]): Change => ({ op: 'delete', table: 'pools', key })),
  ]);
  return { endpoints: endpoints.length, pools: pools.length };
}
