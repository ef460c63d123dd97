/** When something without a workload goes: what holds for every history of a host. */
import * as fc from 'fast-check';
import { judge } from '#lib/audit/judgement';
import type { Marks, Verdict } from '#lib/audit/judgement';
import { checkProperty } from '../../support/property';

const NAMES = ['a', 'b', 'c', 'd'];

/** What became of one VNIC in one round. */
type Fate =
  | 'absent'
  | 'alive'
  | 'stale'
  /** It came after the VNICs were listed, and its workload with it. */
  | 'comes-between'
  /** Its workload ended after the VNICs were listed. */
  | 'dies-between'
  /** Somebody removed it after the VNICs were listed; its workload had gone before. */
  | 'goes-between';

interface Round {
  readonly afterMs: number;
  readonly fates: readonly Fate[];
}

const anyFate = fc.constantFrom<Fate>(
  'absent',
  'alive',
  'stale',
  'stale',
  'stale',
  'comes-between',
  'dies-between',
  'goes-between',
);
const anyRound: fc.Arbitrary<Round> = fc.record({
  afterMs: fc.oneof(fc.constant(0), fc.nat(100), fc.nat(2000)),
  fates: fc.array(anyFate, { minLength: NAMES.length, maxLength: NAMES.length }),
});
const anyHistory = fc.record({
  graceMs: fc.oneof(fc.constant(0), fc.nat(1000), fc.nat(10_000)),
  rounds: fc.array(anyRound, { maxLength: 30 }),
});

const LISTED: readonly Fate[] = ['alive', 'stale', 'dies-between', 'goes-between'];
const ALIVE: readonly Fate[] = ['alive', 'comes-between'];

interface Judged extends Verdict {
  readonly atMs: number;
  readonly fates: ReadonlyMap<string, Fate>;
}

/** What the audit does with a history, in which nothing is ever removed. */
function judgeAll({ graceMs, rounds }: { graceMs: number; rounds: readonly Round[] }): Judged[] {
  let marks: Marks = new Map();
  let atMs = 5000;
  return rounds.map(({ afterMs, fates }) => {
    atMs += afterMs;
    const fateOf = new Map(NAMES.map((name, index) => [name, fates[index] as Fate]));
    const having = (list: readonly Fate[]) =>
      NAMES.filter((name) => list.includes(fateOf.get(name) as Fate));
    const look = { atMs, seen: having(LISTED), alive: new Set(having(ALIVE)) };
    const verdict = judge(marks, look, graceMs);
    marks = verdict.marks;
    return { ...verdict, atMs, fates: fateOf };
  });
}

const isStale = (fate: Fate | undefined): boolean =>
  fate !== undefined && LISTED.includes(fate) && !ALIVE.includes(fate);

test('what has a workload, is not there, or came after the listing, never goes', async () => {
  await checkProperty(
    fc.property(anyHistory, (history) => {
      for (const { due, fates } of judgeAll(history)) {
        for (const name of due) expect(isStale(fates.get(name))).toBe(true);
      }
    }),
  );
});

test('what goes was stale in this round and the one before, without a break for the grace period', async () => {
  await checkProperty(
    fc.property(anyHistory, (history) => {
      const judged = judgeAll(history);
      judged.forEach(({ due, atMs }, round) => {
        for (const name of NAMES) {
          let first = round;
          while (first >= 0 && isStale(judged[first]?.fates.get(name))) first -= 1;
          const sightings = round - first;
          const sinceMs = judged[first + 1]?.atMs ?? Infinity;
          const isDue = sightings >= 2 && atMs - sinceMs >= history.graceMs;
          expect([name, round, due.includes(name)]).toEqual([name, round, isDue]);
        }
      });
    }),
  );
});

test('what is marked is what is stale now, and what was marked and is not is called resolved', async () => {
  await checkProperty(
    fc.property(anyHistory, (history) => {
      let before: readonly string[] = [];
      for (const { marks, resolved, fates, atMs } of judgeAll(history)) {
        const stale = NAMES.filter((name) => isStale(fates.get(name)));
        expect([...marks.keys()]).toEqual(stale);
        expect([...resolved]).toEqual(before.filter((name) => !stale.includes(name)));
        for (const { firstSeenMs, sightings } of marks.values()) {
          expect(firstSeenMs).toBeLessThanOrEqual(atMs);
          expect(sightings).toBeGreaterThan(0);
        }
        before = stale;
      }
    }),
  );
});

test('two that are listed under one name are one', () => {
  const look = { atMs: 0, seen: ['x', 'x'], alive: new Set<string>() };
  const { marks, due } = judge(new Map(), look, 0);
  expect(marks.get('x')).toEqual({ firstSeenMs: 0, sightings: 1 });
  expect(due).toEqual([]);
});
