/** Runs invented sequences against the real kernel until enough operations have been done. */
import * as fc from 'fast-check';

/** What a sequence came to. */
export interface Outcome {
  readonly operations: number;
}

export interface ModelRun<Sequence> {
  readonly name: string;
  readonly sequences: fc.Arbitrary<Sequence>;
  /** Rejects if the kernel, the library and the model disagree. */
  readonly play: (sequence: Sequence) => Promise<Outcome>;
  readonly operations: number;
  /** Begins no sequence after so long. */
  readonly seconds: number;
}

/** More than ever fit: what ends a run is the number of operations, or the time. */
const MOST_SEQUENCES = 1_000_000;
const SHRINKING_SECONDS = 60;

const seed = Number(process.env['SNNET_SEED'] ?? Date.now() % 0x7fff_ffff);

/**
 * Plays sequences. One that fails is made as short as possible and printed with its seed;
 * `SNNET_SEED=<seed>` begins with the same sequences. A race may need several runs to come again.
 */
export async function checkModel<Sequence>(run: ModelRun<Sequence>): Promise<void> {
  const began = Date.now();
  let operations = 0;
  let sequences = 0;
  let failedAt: number | undefined;
  const isEnough = (): boolean => {
    if (failedAt !== undefined) return Date.now() - failedAt > SHRINKING_SECONDS * 1000;
    return operations >= run.operations || Date.now() - began > run.seconds * 1000;
  };
  const property = fc.asyncProperty(run.sequences, async (sequence) => {
    // Shrinking ends with the shortest that was found.
    if (isEnough()) return;
    try {
      operations += (await run.play(sequence)).operations;
      sequences += 1;
    } catch (error) {
      failedAt ??= Date.now();
      throw error;
    }
  });
  // In parts: what is invented for a run lies in memory until its end.
  for (let part = 0; !isEnough() && part < MOST_SEQUENCES; part += 1) {
    await fc.assert(property, { seed: seed + part, numRuns: 20, endOnFailure: false });
  }
  const took = ((Date.now() - began) / 1000).toFixed(1);
  process.stdout.write(
    `model ${run.name}: ${operations} operations in ${sequences} sequences, ${took} s, seed ${seed}\n`,
  );
}
