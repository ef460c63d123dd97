import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The programs that the demonstration shows itself by. The library starts none of them: what is done
 * with `ip` here is the part of a container runtime and of whoever lays the cables.
 */

const PACKAGES = {
  ip: 'iproute2',
  ping: 'iputils-ping',
  dnsmasq: 'dnsmasq-base',
  busybox: 'busybox-static',
  nft: 'nftables',
} as const;

/** Packages, as Debian names them, that the demonstration lacks. */
export function missingPackages(): string[] {
  const path = (process.env['PATH'] ?? '').split(delimiter);
  return Object.entries(PACKAGES)
    .filter(([program]) => !path.some((directory) => existsSync(join(directory, program))))
    .map(([, name]) => name);
}

const running = new Set<ChildProcess>();

export interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

/** Runs a program to its end, without a shell. It hears nothing of a Ctrl-C: the demo decides. */
export function run(argv: readonly string[], input = ''): Promise<Outcome> {
  const [command = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('error', (error) => {
      running.delete(child);
      reject(new Error(`${command} cannot be run: ${error.message}`));
    });
    child.once('close', (status) => {
      running.delete(child);
      resolve({ status, output });
    });
  });
}

/** Ends what runs now: a client may ask for long where nobody answers any more. */
export function endPrograms(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Runs `ip`, which has to succeed. */
export async function ip(...args: readonly string[]): Promise<string> {
  return await mustSucceed(['ip', ...args]);
}

/** Several commands of `ip` at once, in one namespace or in none. */
export async function ipBatch(netns: string | undefined, lines: readonly string[]): Promise<void> {
  const where = netns === undefined ? [] : ['-n', netns];
  await mustSucceed(['ip', ...where, '-batch', '-'], `${lines.join('\n')}\n`);
}

/** Runs a program in a namespace, whatever its status. */
export function runIn(netns: string, argv: readonly string[]): Promise<Outcome> {
  return run(['ip', 'netns', 'exec', netns, ...argv]);
}

async function mustSucceed(argv: readonly string[], input?: string): Promise<string> {
  const { status, output } = await run(argv, input);
  if (status === 0) return output;
  throw new Error(`${argv.join(' ')} failed: ${output.trim()}`);
}
