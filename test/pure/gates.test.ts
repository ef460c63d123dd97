/** Each rule of the gates for TypeScript, words and the tarball is shown a file that breaks it. */
import { join } from 'node:path';

import { run } from '../support/run';
import { GateTree, ROOT } from './gate-tree';

const MINUTES_2 = 120_000;
const lines = (count: number, line: string): string => `${line}\n`.repeat(count);

const GOOD = `/** Twice as much. */
export function double(value: number): number {
  return value * 2;
}
`;

const BAD_FOR_ESLINT: Readonly<Record<string, string>> = {
  '@typescript-eslint/no-explicit-any': 'export const x: any = 1;\n',
  '@typescript-eslint/no-floating-promises': 'Promise.resolve(1);\n',
  '@typescript-eslint/no-misused-promises': '[1].forEach(async () => Promise.resolve());\n',
  '@typescript-eslint/no-non-null-assertion': 'export const f = (x?: string): string => x!;\n',
  '@typescript-eslint/consistent-type-imports':
    "import { Stats } from 'node:fs';\nexport type X = Stats;\n",
  '@typescript-eslint/explicit-module-boundary-types': 'export function f() {\n  return 1;\n}\n',
  '@typescript-eslint/switch-exhaustiveness-check':
    "export function f(x: 'a' | 'b'): void {\n  switch (x) {\n    case 'a':\n      break;\n  }\n}\n",
  '@typescript-eslint/no-unsafe-assignment': "export const x: string = JSON.parse('1');\n",
  '@typescript-eslint/await-thenable': 'export const f = async (): Promise<number> => await 1;\n',
  '@typescript-eslint/no-unused-vars': 'const unused = 1;\n',
  'max-lines': lines(401, 'void 0;'),
  'max-lines-per-function': `export function f(): void {\n${lines(50, '  void 0;')}}\n`,
  'max-params':
    'export const f = (...[a]: number[]) => a;\nexport function g(a: 1, b: 1, c: 1, d: 1, e: 1): void {}\n',
  complexity: `export function f(x: number): void {\n${lines(12, '  if (x > 1) void x;')}}\n`,
  'max-depth':
    'export function f(x: number): void {\n  while (x) { while (x) { while (x) { while (x) { break; } } } }\n}\n',
  eqeqeq: 'export const f = (x: unknown): boolean => x == 1;\n',
  'no-console': "console.log('x');\n",
  'no-warning-comments': '// TODO later\n',
  'no-restricted-syntax': "process.dlopen(module, 'x');\n",
  'no-restricted-imports': "import { x } from '#lib/model/x';\nexport const y: unknown = x;\n",
};

const fileOf = (rule: string): string => `lib/model/${rule.replace(/[@/]/g, '-')}.ts`;

interface EslintReport {
  readonly filePath: string;
  readonly messages: readonly { readonly ruleId: string | null; readonly message: string }[];
}

describe('eslint', () => {
  let reports: readonly EslintReport[] = [];
  let status: number | null = 0;

  beforeAll(async () => {
    const bad = Object.entries(BAD_FOR_ESLINT).map(([rule, text]) => [fileOf(rule), text]);
    using tree = new GateTree({
      ...(Object.fromEntries(bad) as Record<string, string>),
      'lib/model/good.ts': GOOD,
      'lib/cli/good.ts': "console.log('x');\n",
      'examples/inside.ts': "import { x } from '../lib/model/x';\nexport const y: unknown = x;\n",
    });
    const result = await tree.runTool('eslint', '--format', 'json', '.');
    status = result.status;
    reports = JSON.parse(result.stdout) as EslintReport[];
  }, MINUTES_2);

  const rulesIn = (file: string): readonly (string | null)[] =>
    reports
      .find(({ filePath }) => filePath.endsWith(`/${file}`))
      ?.messages.map(({ ruleId, message }) => ruleId ?? message) ?? ['not looked at'];

  test('fails as a whole when any file is bad', () => {
    expect(status).toBe(1);
  });

  test.each(Object.keys(BAD_FOR_ESLINT))('refuses a file that breaks %s', (rule) => {
    expect(rulesIn(fileOf(rule))).toContain(rule);
  });

  test('refuses an example that imports what no user can', () => {
    expect(rulesIn('examples/inside.ts')).toContain('no-restricted-imports');
  });

  test('has nothing to say about a good file, nor about a command that prints', () => {
    expect(rulesIn('lib/model/good.ts')).toEqual([]);
    expect(rulesIn('lib/cli/good.ts')).toEqual([]);
  });
});

/** The file that breaks the rule, and what it says. Each has a folder or a name of its own. */
const BAD_FOR_FLOORS: Readonly<Record<string, readonly [file: string, text: string]>> = {
  'floor-0': ['lib/errors/up.ts', "import '../model';\n"],
  'floor-1': ['lib/model/up.ts', "import '../plan';\n"],
  'floor-2': ['lib/alias/sideways.ts', "import '../plan';\n"],
  'floor-3': ['lib/kernel/up.ts', "import '../topology';\n"],
  'floor-4': ['lib/topology/up.ts', "import '../device';\n"],
  'floor-5': ['lib/device/up.ts', "import '../compute-node';\n"],
  'floor-6': ['lib/host/up.ts', "import '../compute-node';\n"],
  'floor-7': ['lib/watch/up.ts', "import '../compute-node';\n"],
  'floor-8': ['lib/compute-node/up.ts', "import '../cli';\n"],
  'floor-9': ['lib/service/up.ts', "import '../cli';\n"],
  'floor-10': ['lib/agent/up.ts', "import '../cli';\n"],
  'floor-11': ['lib/audit/up.ts', "import '../cli';\n"],
  'floor-12': ['lib/cli/root.ts', "import '..';\n"],
  'folder-without-floor': ['lib/misc/index.ts', "import '../model';\n"],
  'only-the-index': ['lib/plan/inside.ts', "import '../model/good';\n"],
  'no-circles': [
    'lib/plan/circle.ts',
    "import type { B } from './circle-other';\nexport type A = B;\n",
  ],
  'addon-has-one-door': ['lib/topology/addon.ts', "import 'node-gyp-build';\n"],
  'pure-folders-do-no-io': ['lib/device/reads.ts', "import 'node:fs';\n"],
  'no-other-programs': ['lib/kernel/starts.ts', "import 'node:child_process';\n"],
  'no-undeclared-packages': ['lib/kernel/undeclared.ts', "import 'prettier';\n"],
  'no-unresolvable': ['lib/kernel/nowhere.ts', "import './nothing-here';\n"],
};

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string };
  /** A circle is told once, from any of its files. */
  readonly cycle?: readonly { readonly name: string }[];
}
interface CruiseReport {
  readonly summary: { readonly violations: readonly Violation[] };
}

describe('dependency-cruiser', () => {
  const broken = new Map<string, string[]>();

  beforeAll(async () => {
    const index = 'export const here = 1;\n';
    const folders = ['model', 'plan', 'topology', 'device', 'compute-node', 'cli'];
    using tree = new GateTree({
      ...Object.fromEntries(folders.map((folder) => [`lib/${folder}/index.ts`, index])),
      ...Object.fromEntries(Object.values(BAD_FOR_FLOORS)),
      'lib/index.ts': "export { here } from './model';\n",
      'lib/model/good.ts': GOOD,
      'lib/plan/circle-other.ts': "import type { A } from './circle';\nexport type B = A | 1;\n",
      'lib/device/good.ts':
        "import '../model';\nimport { inspect } from 'node:util';\nvoid inspect;\n",
      'lib/kernel/native.ts': "import 'node-gyp-build';\nimport 'node:fs';\nimport 'uuid';\n",
    });
    const config = join(ROOT, '.dependency-cruiser.cjs');
    const args = ['--config', config, '--output-type', 'json', 'lib'];
    const { stdout } = await tree.runTool('depcruise', ...args);
    for (const { from, rule, cycle = [] } of (JSON.parse(stdout) as CruiseReport).summary
      .violations) {
      for (const file of [from, ...cycle.map(({ name }) => name)]) {
        broken.set(file, [...(broken.get(file) ?? []), rule.name]);
      }
    }
  }, MINUTES_2);

  test.each(Object.entries(BAD_FOR_FLOORS))('%s refuses %s', (rule, [file]) => {
    expect(broken.get(file)).toContain(rule);
  });

  test('lets a folder use lower floors, and the one door load the addon', () => {
    expect(broken.get('lib/index.ts')).toBeUndefined();
    expect(broken.get('lib/device/good.ts')).toBeUndefined();
    expect(broken.get('lib/kernel/native.ts')).toBeUndefined();
  });

  test('ends with a status of its own when a rule is broken', async () => {
    using tree = new GateTree({ 'lib/errors/index.ts': "import 'node:fs';\n" });
    const config = join(ROOT, '.dependency-cruiser.cjs');
    const { status, stdout } = await tree.runTool('depcruise', '--config', config, 'lib');
    expect(status).toBeGreaterThan(0);
    expect(stdout).toContain('pure-folders-do-no-io');
  });
});

describe('tsc and prettier', () => {
  test('tsc refuses what strictness forbids and nothing else', async () => {
    using tree = new GateTree({
      'lib/model/good.ts': GOOD,
      'lib/model/index-access.ts': 'export const f = (list: string[]): string => list[0];\n',
      'lib/model/optional.ts': 'export const x: { a?: string } = { a: undefined };\n',
    });
    const { status, stdout } = await tree.runTool('tsc', '-p', 'tsconfig.lint.json');
    expect(status).toBeGreaterThan(0);
    expect(stdout).toMatch(/index-access\.ts.*TS2322/);
    expect(stdout).toMatch(/optional\.ts.*TS2375/);
    expect(stdout).not.toContain('good.ts');
  });

  test('prettier refuses another style and takes ours', async () => {
    using tree = new GateTree({ 'good.ts': GOOD, 'bad.ts': 'export const x = "y"\n' });
    const args = ['--config', join(ROOT, '.prettierrc.json'), '--check'];
    expect((await tree.runTool('prettier', ...args, 'good.ts')).status).toBe(0);
    const bad = await tree.runTool('prettier', ...args, 'bad.ts');
    expect(bad.status).toBe(1);
    expect(bad.stderr).toContain('bad.ts');
  });
});

describe('the gate of the words', () => {
  test('refuses names of files that are not there, and links to nothing', async () => {
    using tree = new GateTree({
      'ARCHITECTURE.md': 'See `lib/model/good.ts`, `lib/gone/gone.ts` and [this](docs/gone.md).\n',
      'lib/model/good.ts': GOOD,
    });
    const { status, stderr } = await tree.runGate('docs.mjs');
    expect(status).toBe(1);
    expect(stderr.trim().split('\n')).toEqual([
      'ARCHITECTURE.md: architecture-names: there is no lib/gone/gone.ts',
      'ARCHITECTURE.md: links: nothing at docs/gone.md',
    ]);
  });

  test('refuses a page of errors that is not what the table says', async () => {
    using tree = new GateTree({ 'docs/errors.md': 'old\n' });
    tree.copy('scripts/make-error-docs.mjs');
    tree.copy('dist/errors');
    const { status, stderr } = await tree.runGate('docs.mjs');
    expect(status).toBe(1);
    expect(stderr).toContain('docs/errors.md: errors:');
  });

  test('accepts a page whose files and links are there', async () => {
    using tree = new GateTree({
      'ARCHITECTURE.md': 'See `lib/model/good.ts`, `lib/model/` and [this](lib/model/good.ts).\n',
      'lib/model/good.ts': GOOD,
    });
    expect(await tree.runGate('docs.mjs')).toMatchObject({ status: 0, stderr: '' });
  });
});

describe('the gate of the tarball', () => {
  test('names what is missing, what is too much, and where the manifest lies', async () => {
    using tree = new GateTree({
      'package.json': JSON.stringify({
        name: 'gates',
        version: '1.0.0',
        main: './dist/index.js',
        types: './dist/nowhere.d.ts',
        files: ['dist', 'test'],
      }),
      'dist/index.js': 'exports.x = 1;\n',
      'test/x.js': 'exports.x = 1;\n',
    });
    const { status, stderr } = await tree.runGate('package.mjs');
    expect(status).toBe(1);
    expect(stderr).toContain('package-lacks: LICENSE');
    expect(stderr).toContain('package-carries: test/x.js');
    expect(stderr).toMatch(/FILE_DOES_NOT_EXIST.*types/);
  });
});

test('the runner refuses a gate that does not exist', async () => {
  const script = join(ROOT, 'scripts', 'lint', 'index.mjs');
  const result = await run([process.execPath, script, 'nonsense'], { check: false });
  expect(result).toMatchObject({ status: 2 });
  expect(result.stderr).toContain('no such gate: nonsense');
});
