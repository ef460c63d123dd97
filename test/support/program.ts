/** A program from its start to its end. */
import { spawn } from 'node:child_process';

/** Plain data: it may come from another process. */
export interface Program {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Written to standard input. */
  readonly input: string;
  /** Milliseconds until it is killed. */
  readonly timeoutMs: number;
}

/** What is left of it. */
export interface Ended {
  readonly argv: readonly string[];
  /** `null` when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/**
 * Runs a program to its end, without a shell; rejects if it cannot be started.
 *
 * @param abandoned - Kills it.
 */
export function runProgram(program: Program, abandoned?: AbortSignal): Promise<Ended> {
  const { argv, env, cwd, input, timeoutMs } = program;
  const [command = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: 'pipe' });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    let timedOut = false;
    const kill = (): void => {
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, timeoutMs);
    abandoned?.addEventListener('abort', kill);
    // A program that ends without reading its input is no failure of the caller's.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      resolve({ argv, status, signal, stdout: stdout(), stderr: stderr(), timedOut });
    });
  });
}

/** Gathers what a stream carries; the function that comes back tells what arrived so far. */
export function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => (text += chunk));
  return () => text;
}
