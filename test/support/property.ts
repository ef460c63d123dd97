import * as fc from 'fast-check';

const inCi = process.env['CI'] !== undefined && process.env['CI'] !== '';
const seed = Number(process.env['SNNET_SEED'] ?? Date.now() % 0x7fff_ffff);

/**
 * Checks a property on many invented inputs: bounded in time, longer in CI. A failure prints its
 * seed; `SNNET_SEED=<seed>` repeats it.
 */
export async function checkProperty<Inputs>(
  property: fc.IProperty<Inputs> | fc.IAsyncProperty<Inputs>,
  options: { readonly runs?: number } = {},
): Promise<void> {
  const runs = options.runs ?? 200;
  await fc.assert(property as fc.IAsyncProperty<Inputs>, {
    seed,
    numRuns: inCi ? runs * 5 : runs,
    interruptAfterTimeLimit: inCi ? 10_000 : 2000,
  });
}
