/** What a soak measures, and what of it must not grow. */
import { readFileSync, readdirSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import { median } from './figures';

/** One look at what could grow. */
export interface Sample {
  /** Seconds since the load began. */
  readonly at: number;
  /** MiB. */
  readonly rss: number;
  readonly heap: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly links: number;
  /** MiB that the kernel has for its own objects and cannot free: everybody's, not only ours. */
  readonly slab: number;
}

export interface Figures {
  readonly samples: readonly Sample[];
  /** Milliseconds of each call, in the order in which they ended, by what was called. */
  readonly latencies: ReadonlyMap<string, readonly number[]>;
  readonly operations: number;
  /** Errors that nobody expected. */
  readonly errors: readonly string[];
  /** Seconds of processor time of this process, of the time that passed. */
  readonly cpu: number;
  readonly seconds: number;
}

const MIB = 2 ** 20;
/** Heaps breathe; a leak of 100 bytes for each call would be more within the hour. */
const MOST_RSS_GROWTH = 48;
const MOST_DESCRIPTOR_GROWTH = 8;
/** Others are on the machine too: what is ours to find is a leak, which grows on. */
const MOST_SLAB_GROWTH = 96;
/** Medians of the last and the first fifth, on a machine where others come and go. */
const MOST_SLOWER = 4;
const ENOUGH = 20;

export function takeSample(began: number, links: number): Sample {
  const { rss } = process.memoryUsage();
  return {
    at: Math.round((performance.now() - began) / 1000),
    rss: rss / MIB,
    heap: getHeapStatistics().used_heap_size / MIB,
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    links,
    slab: readSlab(),
  };
}

function readSlab(): number {
  const kib = /^SUnreclaim:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** What grew, or became slower; nothing where all is well. */
export function judgeFigures({ samples, latencies, errors }: Figures): string[] {
  const problems = [...errors];
  const { first, last } = ends(samples);
  const grew = (what: keyof Sample, most: number): void => {
    const before = median(first.map((sample) => sample[what]));
    const after = median(last.map((sample) => sample[what]));
    if (after - before > most) {
      problems.push(`${what} grew from ${before.toFixed(1)} to ${after.toFixed(1)}`);
    }
  };
  grew('rss', MOST_RSS_GROWTH);
  grew('descriptors', MOST_DESCRIPTOR_GROWTH);
  grew('threads', MOST_DESCRIPTOR_GROWTH);
  grew('slab', MOST_SLAB_GROWTH);
  grew('links', 0);
  for (const [name, times] of latencies) {
    const parts = ends(times);
    if (parts.first.length < ENOUGH) continue;
    const [before, after] = [median(parts.first), median(parts.last)];
    if (after > before * MOST_SLOWER) {
      problems.push(`${name} took ${before.toFixed(1)} ms, in the end ${after.toFixed(1)} ms`);
    }
  }
  return problems;
}

export function describeFigures(figures: Figures): string {
  const { samples, latencies, operations, cpu, seconds } = figures;
  const { first, last } = ends(samples);
  const names = ['rss', 'heap', 'descriptors', 'threads', 'links', 'slab'] as const;
  const grown = names.map((name) => {
    const [before, after] = [first, last].map((part) => median(part.map((one) => one[name])));
    return `${name} ${before?.toFixed(1) ?? ''} -> ${after?.toFixed(1) ?? ''}`;
  });
  const slower = [...latencies].map(([name, times]) => {
    const parts = ends(times);
    const [before, after] = [median(parts.first), median(parts.last)];
    return `${name} ${before.toFixed(1)} -> ${after.toFixed(1)} ms (${String(times.length)})`;
  });
  const load = `${String(operations)} operations in ${seconds.toFixed(0)} s, ${((100 * cpu) / seconds).toFixed(0)} % of one processor`;
  return ['soak: ' + load, `  ${grown.join(', ')}`, `  ${slower.join(', ')}`].join('\n');
}

/** The first fifth after a fifth of warming up, and the last one. */
function ends<T>(values: readonly T[]): {
  readonly first: readonly T[];
  readonly last: readonly T[];
} {
  const fifth = Math.max(1, Math.floor(values.length / 5));
  return { first: values.slice(fifth, 2 * fifth), last: values.slice(-fifth) };
}
