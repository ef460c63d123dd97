/**
 * Runs test/guest and test/kernel under other kernels, one boot each:
 * `node scripts/test-guest.mjs [6.1] [6.12] [-- JEST-ARGUMENT...]`.
 *
 * The guests run what is compiled; `npm run test:guest` compiles first.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { add, countRun, format, JEST, ROOT } from './suites.mjs';

export const KERNELS = ['6.1', '6.12'];
const TIMEOUT_SECONDS = 1200;

const SUITES = { SNNET_SUITES: 'guest,kernel' };
/** All files as one, which is loaded once; where some are chosen, each by itself. */
const TOGETHER = { env: { ...SUITES, SNNET_TOGETHER: '1' }, seconds: TIMEOUT_SECONDS };
const CHOSEN = { env: SUITES, seconds: TIMEOUT_SECONDS };

/** @param run - Other suites for as long as they take. */
export async function testGuests(
  kernels,
  jestArgs = [],
  run = jestArgs.length > 0 ? CHOSEN : TOGETHER,
) {
  if (process.arch !== 'x64') {
    console.log('guests run on x86_64 machines only: not run');
    return { passed: 0, failed: process.env.CI ? 1 : 0, skipped: 1 };
  }
  // A guest keeps one processor busy. Two at once on two processors: 38 s against 53 s in turn.
  const parallel = availableParallelism() >= kernels.length;
  const runs = [];
  for (const kernel of kernels) {
    const before = runs.at(-1);
    if (!parallel) await before;
    runs.push(testGuest(kernel, jestArgs, run, parallel ? before : undefined));
  }
  return add(await Promise.all(runs));
}

function testGuest(kernel, jestArgs, { env, seconds }, turn) {
  const bed = join(ROOT, 'test', 'guest', 'run-in-guest');
  // To compile what runs once costs an emulated processor more than to interpret it: 6 % less without.
  const node = [process.execPath, '--no-expose-wasm', '--jitless'];
  return countRun(`guest-${kernel}`, [bed, ...node, JEST, '--runInBand', ...jestArgs], {
    env: {
      GUEST_KERNEL: kernel,
      GUEST_PROJECT: ROOT,
      GUEST_TIMEOUT: String(seconds),
      SNNET_GUEST: kernel,
      ...env,
    },
    // The bed kills its guest itself; this is for a bed that hangs (downloading a kernel).
    timeoutMs: (seconds + 300) * 1000,
    turn,
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const words = process.argv.slice(2);
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  const kernels = words.slice(0, end);
  const counts = await testGuests(kernels.length > 0 ? kernels : KERNELS, words.slice(end + 1));
  console.log(format(counts));
  process.exitCode = counts.failed > 0 ? 1 : 0;
}
