/**
 * Runs the tests on a bare clone: `node scripts/test.mjs [SUITE...] [-- JEST-ARGUMENT...]`, where a
 * suite is a directory of test/; `guest` stands for the guest kernels. Default: all of them.
 *
 * The last line is `N passed, N failed, N skipped`, over the host and the guests.
 *
 * Without root, the suites of the host run inside a user namespace with a network of its own.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';
import { add, countRun, format, JEST } from './suites.mjs';
import { KERNELS, testGuests } from './test-guest.mjs';

const HOST_SUITES = ['pure', 'addon', 'kernel', 'reliability', 'system', 'package'];
const HOST_TIMEOUT_MS = 25 * 60 * 1000;
const SELF = fileURLToPath(import.meta.url);
const PRIVATE = ['--user', '--map-root-user', '--net', '--mount'];

function testHost(suites, jestArgs) {
  return countRun('host', [...enterPrivileges(), process.execPath, ...jestRun(jestArgs)], {
    env: { SNNET_SUITES: suites.join(',') },
    timeoutMs: HOST_TIMEOUT_MS,
  });
}

function jestRun(jestArgs) {
  return process.getuid() === 0 ? [JEST, ...jestArgs] : [SELF, '--inside', ...jestArgs];
}

/** What the tests do needs root, or a namespace in which this user is root. */
function enterPrivileges() {
  if (process.getuid() === 0) {
    if (spawnSync('unshare', ['--net', 'true']).status === 0) return [];
    throw new Error(
      'this root may not make network namespaces: it needs CAP_SYS_ADMIN and CAP_NET_ADMIN',
    );
  }
  if (spawnSync('unshare', [...PRIVATE, 'true']).status !== 0) {
    throw new Error('not root, and user namespaces are not permitted here: run the tests as root');
  }
  console.log(`not root: the suites of the host run inside unshare ${PRIVATE.join(' ')}`);
  return ['unshare', ...PRIVATE];
}

/** Inside the user namespace: /run is made private, as `ip netns` keeps its names there. */
function runInside(jestArgs) {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run']);
  mkdirSync('/run/netns');
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  return spawnSync(process.execPath, [JEST, ...jestArgs], { stdio: 'inherit' }).status ?? 1;
}

async function testAll(words) {
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  const chosen = words.slice(0, end);
  const jestArgs = words.slice(end + 1);
  const unknown = chosen.filter((suite) => suite !== 'guest' && !HOST_SUITES.includes(suite));
  if (unknown.length > 0) throw new Error(`no such suite: ${unknown.join(' ')}`);
  bootstrap('test');
  const all = chosen.length === 0;
  const suites = all ? HOST_SUITES : chosen.filter((suite) => suite !== 'guest');
  const counts = [];
  if (suites.length > 0) counts.push(await testHost(suites, jestArgs));
  if (all || chosen.includes('guest')) counts.push(await testGuests(KERNELS, jestArgs));
  return add(counts);
}

const words = process.argv.slice(2);
if (words[0] === '--inside') {
  process.exitCode = runInside(words.slice(1));
} else {
  const counts = await testAll(words).catch((error) => {
    console.error(`test: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  });
  process.exitCode = counts.failed > 0 ? 1 : 0;
  console.log(format(counts));
}
