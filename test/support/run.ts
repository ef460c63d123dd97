import type { Ended } from './program';
import { start } from './starter';

export { collect } from './program';

/** What is left of a finished program. */
export type RunResult = Omit<Ended, 'timedOut'>;

export interface RunOptions {
  /** Written to standard input, which is empty otherwise. */
  readonly input?: string;
  /** `false`: a status other than 0 is returned and not thrown. */
  readonly check?: boolean;
  /** Milliseconds until the program is killed and the run rejects. */
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A guest kernel is 10 to 30 times slower than its host, a sanitizer some: time limits grow with it. */
export const patience =
  process.env['SNNET_GUEST'] === undefined && process.env['SNNET_SANITIZER'] === undefined ? 1 : 4;

/**
 * Runs what follows as nobody, without any right but to read files: the project may lie where only root
 * may look, such as in root's home.
 */
export const AS_NOBODY: readonly string[] = [
  'setpriv',
  '--reuid=65534',
  '--regid=65534',
  '--clear-groups',
  '--inh-caps=-all,+dac_read_search',
  '--ambient-caps=-all,+dac_read_search',
  '--bounding-set=-all,+dac_read_search',
];

/** What a program inherits. The sanitizer is for node alone: in every `ip` it would cost a tenth of a second. */
export function environmentOf(argv: readonly string[]): NodeJS.ProcessEnv {
  if (
    process.env['SNNET_SANITIZER'] === undefined ||
    argv.some((word) => word.includes(process.execPath))
  ) {
    return process.env;
  }
  const { LD_PRELOAD: _, ...rest } = process.env;
  return rest;
}

/** A program ended otherwise than the caller expects. */
export class RunError extends Error {
  readonly result: RunResult;

  constructor(result: RunResult, why: string) {
    super(`${result.argv.join(' ')}: ${why}\n${result.stderr}${result.stdout}`.trimEnd());
    this.name = 'RunError';
    this.result = result;
  }
}

/** Runs a program to its end, without a shell; rejects if it fails, unless told otherwise. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  if (argv.length === 0) throw new TypeError('run: an empty command');
  const { check = true, timeoutMs = 10_000 * patience, input = '' } = options;
  const env = { ...environmentOf(argv), ...options.env };
  const cwd = options.cwd ?? process.cwd();
  const { timedOut, ...result } = await start({ argv, env, cwd, input, timeoutMs });
  if (timedOut) throw new RunError(result, `did not end within ${timeoutMs} ms`);
  if (check && result.status !== 0) {
    throw new RunError(result, `ended with ${String(result.signal ?? result.status)}`);
  }
  return result;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks again and again until the answer is true or the time is up; tells which. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    if (await condition()) return true;
    if (Date.now() >= deadline) return false;
    await sleep(pause);
  }
}
