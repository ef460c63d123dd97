import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { run, type RunResult } from '../support/run';

/** The package, seen from dist-test/test/package. */
export const ROOT = join(__dirname, '..', '..', '..');

const NPM_TIMEOUT_MS = 280_000;
const ALWAYS_PACKED = ['package.json', 'README.md', 'LICENSE'];
const QUIET = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--no-save'];

/** A project of somebody else, with the packed package installed; gone when it is disposed of. */
export class Project implements Disposable {
  readonly #scratch = mkdtempSync(join(tmpdir(), 'snnet-package-'));
  readonly path = join(this.#scratch, 'project');

  /** Packs what is built, as publishing would, and installs it with install scripts forbidden. */
  static async open(): Promise<Project> {
    const project = new Project();
    try {
      const tarball = await project.#pack();
      project.write('package.json', '{ "name": "consumer", "private": true }\n');
      await run(['npm', 'install', ...QUIET, tarball], project.#inProject(NPM_TIMEOUT_MS));
      return project;
    } catch (error) {
      project[Symbol.dispose]();
      throw error;
    }
  }

  /** The installed package. */
  get installed(): string {
    return join(this.path, 'node_modules', 'libsnnet');
  }

  write(file: string, text: string): string {
    const path = join(this.path, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Types that a strict project has beside ours; taken from here, as they are big. */
  linkTypes(): void {
    mkdirSync(join(this.path, 'node_modules', '@types'), { recursive: true });
    for (const name of ['@types/node', 'undici-types']) {
      symlinkSync(join(ROOT, 'node_modules', name), join(this.path, 'node_modules', name));
    }
  }

  run(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
    return run(argv, { ...this.#inProject(NPM_TIMEOUT_MS), env, check: false });
  }

  [Symbol.dispose](): void {
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  #inProject(timeoutMs: number): { cwd: string; timeoutMs: number } {
    return { cwd: this.path, timeoutMs };
  }

  /** In a copy: packing in the tree itself would build under the feet of the other tests. */
  async #pack(): Promise<string> {
    const stage = join(this.#scratch, 'stage');
    for (const entry of [...ALWAYS_PACKED, ...packedEntries()]) {
      const from = join(ROOT, entry);
      if (existsSync(from)) cpSync(from, join(stage, entry), { recursive: true });
    }
    const script = join(ROOT, 'scripts', 'prebuild-package.mjs');
    await run([process.execPath, script, '--out', join(stage, 'prebuilds')]);
    const args = ['--ignore-scripts', '--json', '--pack-destination', this.#scratch];
    const { stdout } = await run(['npm', 'pack', ...args], { cwd: stage, timeoutMs: 60_000 });
    const [report] = JSON.parse(stdout) as [{ filename: string }];
    return join(this.#scratch, report.filename);
  }
}

/** The manifest's own list, without what it takes back and what is made anew. */
function packedEntries(): string[] {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    files: string[];
  };
  return manifest.files
    .filter((entry) => !entry.startsWith('!') && entry !== 'prebuilds')
    .map((entry) => entry.replace(/\/\*\.\w+$/, ''));
}

/** A node of that major version, or the newest: this one, or the one that its npm package carries. */
export async function nodeBinary(major: number | 'latest'): Promise<string> {
  if (process.versions.node.startsWith(`${String(major)}.`)) return process.execPath;
  const name = `node-linux-${process.arch}`;
  const home = join(ROOT, '.cache', 'node', String(major));
  const binary = join(home, 'node_modules', name, 'bin', 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), '{ "private": true }\n');
  const install = ['npm', 'install', ...QUIET, `${name}@${String(major)}`];
  await run(install, { cwd: home, timeoutMs: NPM_TIMEOUT_MS });
  return binary;
}
