/**
 * A dockerd for our own child and for the peer, and what both measure: one container that comes, does
 * nothing, and goes. The clock runs around the same client program.
 */
import { Dockerd, IMAGE } from '../test/support/dockerd';

import { microsecondsSince, type Answer } from './protocol';

/** This child's own namespace: the driver put it there. */
const HERE = { path: '/proc/self/ns/net' };

/** Starts a daemon, runs some containers, and ends it. */
export async function measureRuns(
  n: number,
  options: Parameters<typeof Dockerd.open>[1],
  prepare: (dockerd: Dockerd) => Promise<(i: number) => Promise<void>>,
): Promise<Answer> {
  const us: number[] = [];
  await using dockerd = await Dockerd.open(HERE, options);
  const runOne = await prepare(dockerd);
  // Files come from the disk once.
  await runOne(0);
  for (let i = 1; i <= n; i++) {
    const start = process.hrtime.bigint();
    await runOne(i);
    us.push(microsecondsSince(start));
  }
  return { us, count: us.length };
}

/** A container that ends at once; fails where docker does. */
export async function runContainer(dockerd: Dockerd, place: readonly string[]): Promise<void> {
  await dockerd.docker('run', '--rm', ...place, IMAGE, 'true');
}
