/** What a daemon gives back when it has nothing to do. */
import { PACKAGE_ROOT } from '../support/child';
import { run } from '../support/run';

const MANY = 1500;

test('memory that the C library holds although it is free goes back to the kernel', async () => {
  const code = `
    const { releaseMemory } = require('./dist/kernel');
    const resident = () => Math.round(process.memoryUsage().rss / 2 ** 20);
    // Small enough to be cut out of the heap, which shrinks by itself only from its end: some are kept.
    const all = Array.from({ length: ${MANY} }, () => Buffer.allocUnsafeSlow(2 ** 15).fill(1));
    for (let n = 0; n < all.length; n += 1) if (n % 50 !== 0) all[n] = undefined;
    gc();
    setTimeout(() => {
      const before = resident();
      releaseMemory();
      console.log(JSON.stringify({ before, after: resident(), kept: all[0][0] }));
    }, 200);`;
  const { stdout } = await run([process.execPath, '--expose-gc', '-e', code], {
    cwd: PACKAGE_ROOT,
  });
  const { before, after } = JSON.parse(stdout) as Record<'before' | 'after', number>;
  expect(before - after).toBeGreaterThan(16);
});
