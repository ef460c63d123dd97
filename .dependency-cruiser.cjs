// @ts-check
'use strict';

/** A folder imports from the floors below its own, and nothing else. */
const FLOORS = [
  ['errors', 'observe'],
  ['model'],
  ['alias', 'plan'],
  ['kernel', 'files'],
  ['topology'],
  ['device', 'draw', 'ruleset', 'dhcp', 'store'],
  ['host'],
  ['watch'],
  ['compute-node', 'cnci', 'firewall'],
  ['service'],
  ['docker', 'cni', 'agent', 'metrics'],
  ['audit'],
  ['cli'],
];

/** Folders whose functions only compute: a test of them needs no kernel, no files and no privileges. */
const PURE = 'errors|model|alias|plan|topology|device|draw|ruleset';

/** What Node brings that touches nothing outside the process. */
const HARMLESS =
  'assert|assert/strict|async_hooks|buffer|crypto|diagnostics_channel|events|path|perf_hooks|string_decoder|timers|timers/promises|url|util|util/types';

/** @param {string[]} folders */
const inside = (folders) => `^lib/(${folders.join('|')})/`;

const upwards = FLOORS.map((floor, level) => ({
  name: `floor-${String(level)}`,
  comment: `lib/{${floor.join(',')}} stand on floor ${String(level)} and import from the floors below it only (see ARCHITECTURE.md).`,
  severity: 'error',
  from: { path: inside(floor) },
  to: { path: ['^lib/[^/]+$', inside(FLOORS.slice(level).flat())], pathNot: '^lib/$1/' },
}));

const doors = [
  {
    name: 'folder-without-floor',
    comment: 'A new folder of lib needs its floor in .dependency-cruiser.cjs.',
    severity: 'error',
    from: { path: '^lib/[^/]+/', pathNot: inside(FLOORS.flat()) },
    to: {},
  },
  {
    name: 'only-the-index',
    comment: "What is inside a folder is its own: import the folder's index.ts.",
    severity: 'error',
    from: { path: '^lib/([^/]+)(/|$)' },
    to: { path: '^lib/[^/]+/', pathNot: ['^lib/$1/', '^lib/[^/]+/index\\.ts$'] },
  },
  {
    name: 'no-circles',
    comment: 'Type-only imports count: two files that need each other are one, or lack a third.',
    severity: 'error',
    from: {},
    to: { circular: true },
  },
  {
    name: 'addon-has-one-door',
    comment: 'Only lib/kernel/native.ts loads the addon.',
    severity: 'error',
    from: { path: '^lib/', pathNot: '^lib/kernel/native\\.ts$' },
    to: { path: ['\\.node$', 'node-gyp-build'] },
  },
  {
    name: 'pure-folders-do-no-io',
    comment:
      'This folder only computes; what touches files, sockets or processes belongs to lib/kernel or above.',
    severity: 'error',
    from: { path: `^lib/(${PURE})/` },
    to: { dependencyTypes: ['core'], pathNot: `^(node:)?(${HARMLESS})$` },
  },
  {
    name: 'no-other-programs',
    comment: 'dnsmasq is the only program that the library starts.',
    severity: 'error',
    from: { path: '^lib/', pathNot: '^lib/(dhcp|cli)/' },
    to: { path: '^(node:)?child_process$' },
  },
];

const supply = [
  {
    name: 'no-undeclared-packages',
    comment: 'Users get what "dependencies" lists, not what happens to lie in node_modules.',
    severity: 'error',
    from: { path: '^lib/' },
    to: {
      dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'],
      dependencyTypesNot: ['type-only'],
      pathNot: '\\.node$',
    },
  },
  {
    name: 'no-unresolvable',
    comment: 'Nothing is found under this name.',
    severity: 'error',
    from: { path: '^lib/' },
    to: { couldNotResolve: true, pathNot: '\\.node$' },
  },
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [...upwards, ...doors, ...supply],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.lint.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json', '.node'],
      // Some packages say where they begin only there.
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'default'],
    },
  },
};
