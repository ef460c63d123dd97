/**
 * When something without a workload is due to go. Pure: whoever calls it brings what was seen, what is
 * alive, and the time.
 */

/** What is known of something that was seen without a workload, without a break. */
export interface Mark {
  /** When it was seen so first, by a clock that only goes forward. */
  readonly firstSeenMs: number;
  /** How often it was seen so. */
  readonly sightings: number;
}

export type Marks = ReadonlyMap<string, Mark>;

/** One look at the world: what is there was listed first, then what is alive. */
export interface Look {
  /** When what is there was listed. */
  readonly atMs: number;
  readonly seen: Iterable<string>;
  /** What was listed and has a workload. */
  readonly alive: ReadonlySet<string>;
}

export interface Verdict {
  /** Of everything that is stale now. */
  readonly marks: Marks;
  /** What is to go now. */
  readonly due: readonly string[];
  /** What was stale and is not any more: it has a workload, or it is gone. */
  readonly resolved: readonly string[];
}

/** Who is seen once may have been looked at in a bad moment. */
const FEWEST_SIGHTINGS = 2;

/**
 * Marks what is stale, and says which of it was stale in at least two looks and for the grace period.
 * What is not among `seen` is never due: a VNIC that comes after the listing has its workload to come.
 */
export function judge(before: Marks, look: Look, graceMs: number): Verdict {
  const marks = new Map<string, Mark>();
  const due: string[] = [];
  for (const key of look.seen) {
    if (look.alive.has(key) || marks.has(key)) continue;
    const { firstSeenMs, sightings } = before.get(key) ?? { firstSeenMs: look.atMs, sightings: 0 };
    const mark = { firstSeenMs, sightings: sightings + 1 };
    marks.set(key, mark);
    if (mark.sightings >= FEWEST_SIGHTINGS && look.atMs - firstSeenMs >= graceMs) due.push(key);
  }
  const resolved = [...before.keys()].filter((key) => !marks.has(key));
  return { marks, due, resolved };
}
