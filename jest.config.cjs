/**
 * Jest runs what tsc compiled: no transform, so the same files run fast inside guest kernels too.
 * SNNET_SUITES names the directories under test/ to run; inside a guest SNNET_GUEST is its kernel.
 */
'use strict';
const { existsSync, readdirSync } = require('node:fs');
const { join } = require('node:path');

const HOST_SUITES = ['pure', 'addon', 'kernel', 'reliability', 'system', 'package'];
const GUEST_SUITES = ['guest', 'kernel'];

const guest = process.env.SNNET_GUEST;
const chosen = process.env.SNNET_SUITES?.split(',') ?? (guest ? GUEST_SUITES : HOST_SUITES);
const compiled = join(__dirname, 'dist-test', 'test');
const roots = chosen.map((suite) => join(compiled, suite)).filter((path) => existsSync(path));

// What does not depend on the kernel's version, and takes an emulated processor minutes: the host runs
// it. `path` takes DHCP, the firewall and the mesh through every kernel.
const TOO_SLOW_FOR_GUESTS = [
  'kernel/firewall.*',
  'kernel/dhcp.*',
  'kernel/cnci-dhcp',
  'kernel/nft.*',
  'kernel/deletion',
  'kernel/mesh-vxlan',
  'kernel/original-costs',
  // An emulator in the emulator.
  'kernel/vm',
  'kernel/compute-node-calls',
  'kernel/compute-node-races',
  'kernel/original-bugs',
  'kernel/sandbox',
  'kernel/watching',
  'kernel/cni.*',
  'kernel/audit',
  'kernel/agent.*',
  'kernel/launcher',
  'kernel/liveness',
];

const forHost = TOO_SLOW_FOR_GUESTS.map((name) => `test/${name}\\.test\\.js$`);

/** What a guest runs as one file, test/guest/together.ts. */
const together =
  process.env.SNNET_TOGETHER === undefined
    ? []
    : roots
        .flatMap((root) => readdirSync(root).map((name) => join(root, name)))
        .filter((path) => path.endsWith('.test.js'))
        .filter((path) => !forHost.some((pattern) => new RegExp(pattern).test(path)));

module.exports = {
  rootDir: __dirname,
  roots: roots.length > 0 ? roots : [compiled],
  testMatch: [together.length > 0 ? '**/guest/together.js' : '**/*.test.js'],
  globals: { snnetTogether: together },
  testPathIgnorePatterns: guest ? forHost : ['/node_modules/'],
  testEnvironment: 'node',
  transform: {},
  watchman: false,
  // Jest's own choice is one directory of /tmp per user number; inside a user namespace that is
  // root's. A guest has a /tmp of its own.
  ...(guest ? {} : { cacheDirectory: join(__dirname, 'node_modules', '.cache', 'jest') }),
  // Every kernel test has namespaces of its own. Two processors keep three workers busy, since a third of
  // the time is waiting: for programs, for the kernel, for the clock. A guest has one processor.
  maxWorkers: guest ? 1 : 3,
  // Starting a program costs the more, the larger the process that starts it; some tests start thousands.
  workerIdleMemoryLimit: '400MB',
  testTimeout: guest || process.env.SNNET_SANITIZER ? 120_000 : 30_000,
  globalSetup: join(compiled, 'support', 'jest-global-setup.js'),
  globalTeardown: join(compiled, 'support', 'jest-global-teardown.js'),
  setupFilesAfterEnv: [join(compiled, 'support', 'jest-setup.js')],
  testSequencer: join(compiled, 'support', 'longest-first.js'),
  reporters: ['default', join(compiled, 'support', 'summary-reporter.js')],
};
