import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { run, type RunResult } from '../support/run';

/** The package, seen from dist-test/test/pure. */
export const ROOT = join(__dirname, '..', '..', '..');

const TIMEOUT_MS = 110_000;

/** What every tree of bad files has: the settings of the package, on other sources. */
const SETTINGS: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({
    name: 'gates',
    dependencies: { uuid: '*', 'node-gyp-build': '*' },
    devDependencies: { prettier: '*' },
  }),
  'tsconfig.lint.json': JSON.stringify({
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: { noEmit: true, rootDir: '.' },
    include: ['lib', 'examples'],
  }),
  'eslint.config.mjs': `import { configFor } from '${pathToFileURL(join(ROOT, 'eslint.config.mjs')).href}';
export default configFor(import.meta.dirname);
`,
};

/** A directory with files that a gate must refuse, or accept; gone when it is disposed of. */
export class GateTree implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'snnet-gate-'));

  constructor(files: Readonly<Record<string, string>>) {
    symlinkSync(join(ROOT, 'node_modules'), join(this.path, 'node_modules'));
    this.write(SETTINGS);
    this.write(files);
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [file, text] of Object.entries(files)) {
      const path = join(this.path, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  }

  /** Takes a file or directory of the package along. */
  copy(path: string): void {
    cpSync(join(ROOT, path), join(this.path, path), { recursive: true });
  }

  /** Runs a program of node_modules inside the tree. */
  runTool(name: string, ...args: readonly string[]): Promise<RunResult> {
    const tool = join(ROOT, 'node_modules', '.bin', name);
    return run([tool, ...args], { cwd: this.path, check: false, timeoutMs: TIMEOUT_MS });
  }

  /** Runs a gate of scripts/lint/ over the tree. */
  runGate(name: string): Promise<RunResult> {
    const script = join(ROOT, 'scripts', 'lint', name);
    const argv = [process.execPath, script, '--root', this.path];
    return run(argv, { check: false, timeoutMs: TIMEOUT_MS });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}
