/**
 * The reliability suite at full length: `npm run test:long [-- TEST...]`, where a test is the name of a
 * file of test/reliability, or `guest`: the other kernels with all that CI leaves to the host, or
 * `guest-kills`: kills with the kinds of tunnels that only they have. One after the other, since some
 * measure latencies; hours in all.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { add, countRun, format, JEST, ROOT } from './suites.mjs';
import { KERNELS, testGuests } from './test-guest.mjs';

const TIMEOUT_MS = 6 * 3600 * 1000;
const SUFFIX = '.test.js';
/** An emulated processor takes some seconds for one. */
const KILLS_IN_A_GUEST = '500';

function testsOf(words) {
  const all = readdirSync(join(ROOT, 'dist-test', 'test', 'reliability'))
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length));
  all.push('guest', 'guest-kills');
  const unknown = words.filter((word) => !all.includes(word));
  if (unknown.length > 0)
    throw new Error(`no such test: ${unknown.join(' ')}; there are ${all.join(' ')}`);
  return words.length > 0 ? words : all;
}

async function testLong(words) {
  bootstrap('test');
  const counts = [];
  for (const test of testsOf(words)) {
    if (test === 'guest') {
      counts.push(await testGuests(KERNELS));
      continue;
    }
    const env = { SNNET_SUITES: 'reliability' };
    if (test === 'guest-kills') {
      const { SNNET_KILLS = KILLS_IN_A_GUEST } = process.env;
      const run = { env: { ...env, SNNET_KILLS }, seconds: TIMEOUT_MS / 1000 };
      counts.push(await testGuests(KERNELS, ['/reliability/kills'], run));
      continue;
    }
    const argv = [process.execPath, JEST, '--runInBand', `/reliability/${test}\\.test\\.js$`];
    counts.push(await countRun(`long-${test}`, argv, { env, timeoutMs: TIMEOUT_MS }));
  }
  return add(counts);
}

process.env.SNNET_LONG = '1';
const counts = await testLong(process.argv.slice(2)).catch((error) => {
  console.error(`test: ${error.message}`);
  return { passed: 0, failed: 1, skipped: 0 };
});
process.exitCode = counts.failed > 0 ? 1 : 0;
console.log(format(counts));
