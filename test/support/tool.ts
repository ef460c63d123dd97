import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';
import { collect, environmentOf, patience, until } from './run';

export interface ToolOptions {
  /** The tool is ready as soon as its output (either stream) matches this. */
  readonly ready?: RegExp;
  readonly timeoutMs?: number;
}

/** A program that runs until it is stopped. */
export class Tool implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #stdout: () => string;
  readonly #stderr: () => string;
  readonly #ended: Promise<void>;
  #failure: Error | undefined;

  private constructor(argv: readonly [string, ...string[]]) {
    const [command, ...args] = argv;
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environmentOf([command, ...args]),
    });
    this.#stdout = collect(this.#child.stdout);
    this.#stderr = collect(this.#child.stderr);
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', (error) => {
        this.#failure = error;
        resolve();
      });
    });
  }

  /** Starts the program and waits until it is ready; rejects if it ends before or takes too long. */
  static async start(argv: readonly string[], options: ToolOptions = {}): Promise<Tool> {
    const [command, ...args] = argv;
    if (command === undefined) throw new TypeError('Tool.start: an empty command');
    const { ready, timeoutMs = 10_000 * patience } = options;
    const tool = new Tool([command, ...args]);
    if (ready === undefined) return tool;
    const isReady = (): boolean => ready.test(tool.stdout) || ready.test(tool.stderr);
    await until(() => isReady() || !tool.running, timeoutMs);
    if (isReady()) return tool;
    const why = tool.running ? `not ready after ${timeoutMs} ms` : 'ended before it was ready';
    await tool.stop();
    throw new Error(`${argv.join(' ')}: ${why}\n${tool.stderr}${tool.stdout}`);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get stdout(): string {
    return this.#stdout();
  }

  get stderr(): string {
    return this.#stderr();
  }

  get running(): boolean {
    return (
      this.#failure === undefined &&
      this.#child.exitCode === null &&
      this.#child.signalCode === null
    );
  }

  /** Asks the program to end (SIGTERM), insists after two seconds; resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.running) this.#child.kill('SIGTERM');
    const insist = setTimeout(() => this.#child.kill('SIGKILL'), 2000 * patience);
    await this.#ended;
    clearTimeout(insist);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
