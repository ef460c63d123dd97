/** Which kills there are to be: every instant of every operation, then others by chance. */
import type { Operation } from '../operations/index';
import type { Moment } from './process';
import type { Kill, Reference } from './slot';

/** Of what an operation takes: so that some come when it is just over. */
const LONGER = 1.2;

/** Numbers from 0 to 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Each instant of an operation at which a kill is of use. */
export function instantsOf(operation: Operation, reference: Reference): Kill[] {
  return reference.instants.flatMap(({ kind }, instant): Kill[] => {
    const isOfUse = kind === 'whole' || (kind === 'cut' && operation.survivesCuts);
    return isOfUse ? [{ operation, reference, moment: { instant } }] : [];
  });
}

/**
 * Each instant once, and the rest at random moments; fewer than there are instants: some of them. In a
 * random order, from its end.
 */
export function chooseKills(
  references: ReadonlyMap<Operation, Reference>,
  options: { readonly amount: number; readonly seed: number; readonly moment?: Moment | undefined },
): Kill[] {
  const random = randomFrom(options.seed);
  const all = [...references];
  const { moment } = options;
  if (moment !== undefined) {
    const times = Array.from({ length: 'instant' in moment ? 1 : options.amount });
    return all.flatMap(([operation, reference]) =>
      times.map(() => ({ operation, reference, moment })),
    );
  }
  const instants = all.flatMap(([operation, reference]) => instantsOf(operation, reference));
  const kills = shuffle(instants, random).slice(0, options.amount);
  while (kills.length < options.amount) {
    const [operation, reference] = all[Math.floor(random() * all.length)]!;
    const microseconds = Math.floor(random() * reference.microseconds * LONGER);
    kills.push({ operation, reference, moment: { microseconds } });
  }
  return shuffle(kills, random);
}

/** A kill as the environment can ask for it. */
export function labelOf({ operation, moment }: Kill): string {
  const when = 'instant' in moment ? String(moment.instant) : `${moment.microseconds}us`;
  return `${operation.name} @${when}`;
}

/** What {@link labelOf} wrote; without a moment, all of the operation. */
export function parseKill(label: string): {
  readonly name: string;
  readonly moment: Moment | undefined;
} {
  const [, name = label, number, unit] = /^(.*?)(?: @(\d+)(us)?)?$/.exec(label) ?? [];
  if (number === undefined) return { name, moment: undefined };
  const at = Number(number);
  return { name, moment: unit === undefined ? { instant: at } : { microseconds: at } };
}

/** In another order. */
export function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
  }
  return shuffled;
}
