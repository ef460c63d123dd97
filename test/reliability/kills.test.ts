/**
 * Killed at any instant: the kernel is as before or as after, or the next process says what is out of
 * order and puts it right; and nothing is left when everything is taken away.
 *
 * `SNNET_KILLS=5000` kills so many times. A failure prints how to repeat it: `SNNET_SEED=7
 * SNNET_KILL='createVnic: a container (vxlan) @3'` kills at the third instant, `@250us` after 250
 * microseconds.
 */
import { budget } from '../support/budget';
import { has, whereabouts } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import { KILLED } from './operations/index';
import type { Operation } from './operations/index';
import { chooseKills, instantsOf, labelOf, parseKill } from './kills/choice';
import { KillFailure, Slot } from './kills/slot';
import type { Kill, Outcome, Reference } from './kills/slot';

// More than processors: a third of the time is waiting for the kernel to let go of links. A guest has one,
// and would wait for processes that load more than it works.
const isGuest = whereabouts() !== 'host';
const SLOTS = isGuest ? 1 : 3;
const MOST_FAILURES = 8;
const TIMEOUT_MS = 4 * 3_600_000;
/** Hours of silence look like a hang. */
const TELL_EVERY = isGuest ? 25 : 1000;
const seed = Number(process.env['SNNET_SEED'] ?? Date.now() % 0x7fff_ffff);
const only = process.env['SNNET_KILL'];

interface Tally {
  readonly outcomes: Record<Outcome, number>;
  readonly failures: string[];
}

async function refer(
  box: Sandbox,
  operations: readonly Operation[],
): Promise<Map<Operation, Reference>> {
  await using slot = await Slot.open(box);
  const references = new Map<Operation, Reference>();
  for (const operation of operations) {
    try {
      references.set(operation, await slot.refer(operation));
    } catch (error) {
      throw new Error(`undisturbed: ${operation.name}`, { cause: error });
    }
  }
  return references;
}

/** Takes kills off the list until it is empty. A place that failed is given up for another. */
async function work(box: Sandbox, kills: Kill[], tally: Tally): Promise<void> {
  while (kills.length > 0 && tally.failures.length < MOST_FAILURES) {
    await using slot = await Slot.open(box);
    for (let kill = kills.pop(); kill !== undefined; kill = kills.pop()) {
      if (kills.length > 0 && kills.length % TELL_EVERY === 0) {
        process.stdout.write(`${kills.length} kills to go, ${tally.failures.length} failed\n`);
      }
      try {
        tally.outcomes[await slot.kill(kill)] += 1;
      } catch (error) {
        const told = error instanceof KillFailure ? error.message : String((error as Error).stack);
        tally.failures.push(`SNNET_SEED=${seed} SNNET_KILL='${labelOf(kill)}'\n${told}`);
        break;
      }
    }
  }
}

test(
  'killed at any instant, nothing is lost, left behind or doubled',
  async () => {
    await using box = await Sandbox.open();
    // A guest is there for the kinds that the host's kernel lacks.
    const possible = KILLED.filter(
      ({ needs }) => needs.every((need) => has(need)) && !(isGuest && needs.includes('vxlan')),
    );
    const wanted = only === undefined ? undefined : parseKill(only);
    const references = await refer(
      box,
      possible.filter(({ name }) => wanted === undefined || name === wanted.name),
    );
    const amount = budget('kills', { short: 1000, long: 10_000 });
    const kills = chooseKills(references, { amount, seed, moment: wanted?.moment });
    const tally: Tally = {
      outcomes: { before: 0, after: 0, repaired: 0, finished: 0 },
      failures: [],
    };
    const count = kills.length;
    const chosen = kills.filter(({ moment }) => 'instant' in moment).length;
    const there = [...references].flatMap((entry) => instantsOf(...entry)).length;
    const begin = Date.now();
    await Promise.all(Array.from({ length: SLOTS }, () => work(box, kills, tally)));
    const seconds = Math.round((Date.now() - begin) / 1000);
    console.log(
      `seed ${seed}: ${count} kills of ${references.size} operations (${chosen} at their ${there} instants) in ${seconds} s: ${JSON.stringify(tally.outcomes)}`,
    );
    expect(tally.failures).toEqual([]);
  },
  TIMEOUT_MS,
);
