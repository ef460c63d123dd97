import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { resolve as resolvePath } from 'node:path';
import type { Namespace } from './namespaces';
import { collect, patience, until } from './run';

/** The package's directory: children start there, so that `./dist/...` can be required. */
export const PACKAGE_ROOT = resolvePath(__dirname, '..', '..', '..');

export interface ChildOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly execArgv?: readonly string[];
  /** Runs in this namespace instead of the present one. */
  readonly ns?: Namespace;
  /** Milliseconds until the child is killed. */
  readonly timeoutMs?: number;
}

export interface ChildResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What the child passed to `process.send`, in order. */
  readonly messages: readonly unknown[];
  readonly timedOut: boolean;
}

/** Node's script to run: a file, or the text itself (CommonJS, `require` is there). */
export type Script = { readonly file: string } | { readonly code: string };

/** A node process of its own: for exit codes, crashes, and what only an end of process shows. */
export class NodeChild implements AsyncDisposable {
  readonly finished: Promise<ChildResult>;
  readonly #process: ChildProcess;
  readonly #messages: unknown[] = [];
  #stdout: () => string = () => '';

  constructor(script: Script, options: ChildOptions = {}) {
    const node = [process.execPath, ...(options.execArgv ?? [])];
    const what = 'file' in script ? [script.file] : ['-e', script.code, '--'];
    const enter = options.ns === undefined ? [] : ['nsenter', `--net=${options.ns.path}`];
    const [command = '', ...args] = [...enter, ...node, ...what, ...(options.args ?? [])];
    this.#process = spawn(command, args, {
      cwd: PACKAGE_ROOT,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#process.on('message', (message) => this.#messages.push(message));
    this.finished = this.#watch(options.timeoutMs ?? 20_000 * patience);
    // A caller that only kills the child does not look at the result.
    this.finished.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get isRunning(): boolean {
    return this.#running();
  }

  /** What it has said so far. */
  get stdout(): string {
    return this.#stdout();
  }

  get messages(): readonly unknown[] {
    return this.#messages;
  }

  send(message: object): void {
    this.#process.send(message);
  }

  /** Resolves with the first `count` messages; rejects if the child ends or stays silent. */
  async waitForMessages(count: number, timeoutMs = 10_000 * patience): Promise<readonly unknown[]> {
    const enough = (): boolean => this.#messages.length >= count;
    await until(() => enough() || !this.#running(), timeoutMs);
    if (enough()) return this.#messages.slice(0, count);
    const { stderr, status, signal } = await this.kill();
    throw new Error(
      `the child said ${this.#messages.length} of ${count} (${signal ?? status})\n${stderr}`,
    );
  }

  /** Ends the child as a power cut would: SIGKILL, nothing of its own runs any more. */
  kill(): Promise<ChildResult> {
    if (this.#running()) this.#process.kill('SIGKILL');
    return this.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  #watch(timeoutMs: number): Promise<ChildResult> {
    const stdout = collect(this.#process.stdout ?? process.stdin);
    this.#stdout = stdout;
    const stderr = collect(this.#process.stderr ?? process.stdin);
    return new Promise((resolve, reject) => {
      let timedOut = false;
      const timer = setTimeout(() => {
        timedOut = true;
        this.#process.kill('SIGKILL');
      }, timeoutMs);
      this.#process.once('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      this.#process.once('close', (status, signal) => {
        clearTimeout(timer);
        const messages = this.#messages;
        resolve({ status, signal, stdout: stdout(), stderr: stderr(), messages, timedOut });
      });
    });
  }
}

/** Runs a script to its end; never rejects because of its status. */
export async function runChild(script: Script, options?: ChildOptions): Promise<ChildResult> {
  await using child = new NodeChild(script, options);
  return await child.finished;
}
