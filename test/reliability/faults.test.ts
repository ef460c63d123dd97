/**
 * Each step of each operation fails with each error that the kernel can give there, or is done while its
 * answer gets lost: everything is as before, the error names step and cause, and the same call succeeds
 * when it is made again.
 *
 * `SNNET_FAULTS=5000` tries so many, `SNNET_SEED=7` the same ones again, `SNNET_FAULT='createCnciVnic
 * (vxlan)'` all of one operation.
 */
import { budget } from '../support/budget';
import { has } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import { Trial } from './faults/trial';
import { randomFrom, shuffle } from './kills/choice';
import { OPERATIONS } from './operations/index';
import type { Operation } from './operations/index';

const SLOTS = 3;
const seed = Number(process.env['SNNET_SEED'] ?? Date.now() % 0x7fff_ffff);
const only = process.env['SNNET_FAULT'];

/** Takes operations off the list until it is empty; says how many faults there were. */
async function work(
  box: Sandbox,
  operations: Operation[],
  most: number,
  troubles: string[],
): Promise<number> {
  let count = 0;
  const random = randomFrom(seed);
  for (let next = operations.pop(); next !== undefined; next = operations.pop()) {
    await using trial = await Trial.open(box, next);
    const targets = shuffle(trial.targets, random).slice(0, most);
    count += targets.length;
    const trouble = await trial.run(targets);
    if (trouble !== undefined)
      troubles.push([`${next.name}: ${trouble.target}`, ...trouble.problems].join('\n'));
  }
  return count;
}

test('whatever step fails, for whatever reason, everything is as before and can be tried again', async () => {
  await using box = await Sandbox.open();
  const operations = OPERATIONS.filter(
    ({ name, needs }) => (only ?? name) === name && needs.every((need) => has(need)),
  );
  const amount = budget('faults', { short: 400, long: 50_000 });
  const most = only === undefined ? Math.ceil(amount / operations.length) : Infinity;
  const begin = Date.now();
  const left = [...operations];
  const troubles: string[] = [];
  const counts = await Promise.all(
    Array.from({ length: SLOTS }, () => work(box, left, most, troubles)),
  );
  const count = counts.reduce((sum, part) => sum + part, 0);
  const seconds = Math.round((Date.now() - begin) / 1000);
  console.log(`seed ${seed}: ${count} faults in ${operations.length} operations in ${seconds} s`);
  expect(troubles).toEqual([]);
}, 3_600_000);
