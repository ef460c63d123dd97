/**
 * What comes from outside in JS: aliases, configurations, and what container runtimes, docker and SSNTP
 * peers send. Inputs are mutated for some seconds for each target, those that lead somewhere new more than
 * once: each is taken, or refused with an error of ours. `SNNET_SEED=<seed>` repeats a failure.
 */
import { inspect } from 'node:util';
import { budget, isLongRun } from '../support/budget';
import { TARGETS } from './fuzz-targets';
import type { Target } from './fuzz-target';
import { Dice } from './fuzz-mutate';

const SECONDS = budget('fuzz-seconds', { short: 3, long: 600 });
/** The same in every `npm test`, whose result should say something of the change; others in the long run. */
const SEED = Number(process.env['SNNET_SEED'] ?? (isLongRun() ? Date.now() % 0x7fff_ffff : 1));
const MOST_KEPT = 2000;
/** CPU seconds for one input: some thousand times what the largest takes. */
const SLOWEST = 5;

/** What somebody who pollutes prototypes would have changed. */
function prototypes(): string {
  const watched = [Object, Array, Function, String, Number, Error, Map, Promise];
  const names = watched.map((one) => Object.getOwnPropertyNames(one.prototype).join());
  return [...names, String((Object.prototype as { polluted?: unknown }).polluted)].join(';');
}
const UNTOUCHED = prototypes();

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** How it went, in one word: an input whose word is new is worth mutating further. */
function outcomeOf<Input>(target: Target<Input>, input: Input): string {
  try {
    return `taken: ${target.run(input)}`;
  } catch (error) {
    const refusal = target.refusalOf(error);
    if (refusal !== undefined) return refusal;
    throw error;
  }
}

function tell(input: unknown): string {
  try {
    return inspect(input, { depth: 6, maxStringLength: 2000, maxArrayLength: 2000 });
  } catch {
    return 'something that cannot be shown';
  }
}

/** Mutates until the time is up; gives the number of inputs, and of ways that they went. */
function fuzz<Input>(target: Target<Input>): { inputs: number; outcomes: number } {
  const dice = new Dice(SEED);
  const pool = [...target.seeds];
  const outcomes = new Set<string>();
  const until = Date.now() + SECONDS * 1000;
  let inputs = 0;
  for (; inputs < 1000 || Date.now() < until; ++inputs) {
    let input = inputs < pool.length ? pool[inputs]! : dice.of(pool);
    if (inputs >= target.seeds.length) {
      for (let left = dice.below(5); left >= 0; --left) {
        input = target.mutate(dice, input, dice.of(pool));
      }
    }
    const before = cpuSeconds();
    let outcome: string;
    try {
      outcome = outcomeOf(target, input);
      if (cpuSeconds() - before > SLOWEST) throw new Error('it took too long');
      if (prototypes() !== UNTOUCHED) throw new Error('a prototype was changed');
    } catch (cause) {
      const why = `seed ${SEED}, input ${inputs}: ${tell(input)}\n${tell(cause)}`;
      throw new Error(why, { cause });
    }
    if (!outcomes.has(outcome) && pool.length < MOST_KEPT) pool.push(input);
    outcomes.add(outcome);
  }
  return { inputs, outcomes: outcomes.size };
}

test.each(TARGETS.map((target) => [target.name, target] as const))(
  '%s: taken, or refused with an error of ours',
  (name, target) => {
    const { inputs, outcomes } = fuzz(target);
    console.log(`${name}: ${inputs} inputs in ${SECONDS} s, ${outcomes} outcomes`);
    expect(outcomes).toBeGreaterThan(5);
  },
  SECONDS * 1000 + 60_000,
);
