/**
 * What comes from outside in C++: netlink messages, nf_tables, plans, and what `snnet-cni` reads. libFuzzer
 * under the address and undefined sanitizers, some seconds for each target of test/fuzz.
 */
import { join } from 'node:path';
import { budget } from '../support/budget';
import { PACKAGE_ROOT } from '../support/child';
import { needs } from '../support/reasons';
import { run } from '../support/run';

const SECONDS = budget('fuzz-seconds', { short: 3, long: 600 });
/** For the first target that needs it, most of native/ is compiled. */
const TO_BUILD_MS = 300_000;
const SCRIPT = join(PACKAGE_ROOT, 'scripts', 'fuzz.mjs');

const TARGETS = ['rtnl', 'nft', 'answers', 'plan', 'json', 'cni-request', 'cni-daemon'];

const it = needs('clang');

for (const target of TARGETS) {
  const timeoutMs = SECONDS * 1000 + TO_BUILD_MS;
  it(
    `${target}: nothing crashes, leaks, hangs or breaks a promise`,
    async () => {
      const argv = [process.execPath, SCRIPT, target, '--seconds', String(SECONDS)];
      const { status, stdout, stderr } = await run(argv, { check: false, timeoutMs });
      expect({ status, output: status === 0 ? '' : stdout + stderr }).toEqual({
        status: 0,
        output: '',
      });
      console.log(stdout.trim());
    },
    timeoutMs + 10_000,
  );
}

it('no target is forgotten', async () => {
  const { stdout } = await run([process.execPath, SCRIPT, '--list']);
  expect(stdout.trim().split('\n').sort()).toEqual([...TARGETS].sort());
});
