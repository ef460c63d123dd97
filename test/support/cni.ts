/** The program that container runtimes run, as they run it. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { PACKAGE_ROOT } from './child';
import { collect, patience } from './run';

/** `SNNET_CNI_FRONT` names another, for a build with sanitizers. */
export const FRONT =
  process.env['SNNET_CNI_FRONT'] ?? join(PACKAGE_ROOT, 'build', 'Release', 'snnet-cni');

export interface CniCall {
  readonly command: string;
  readonly containerId?: string;
  readonly netns?: string;
  readonly ifname?: string;
  readonly args?: string;
  /** `CNI_PATH`. */
  readonly path?: string;
  readonly config: object | string;
}

export interface CniReply {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What it printed, if anything. */
  readonly result: unknown;
}

/** Runs one command to its end. */
export function callCni(call: CniCall, timeoutMs = 30_000 * patience): Promise<CniReply> {
  return spawnCni(call, timeoutMs).reply;
}

/** The same, for those who want to do something to it meanwhile. */
export function spawnCni(
  call: CniCall,
  timeoutMs = 30_000 * patience,
): { readonly reply: Promise<CniReply>; readonly kill: () => void } {
  const { command, containerId = '', netns = '', ifname = 'eth0', args = '', path = '' } = call;
  const env = {
    PATH: process.env['PATH'] ?? '',
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: ifname,
    CNI_ARGS: args,
    CNI_PATH: path,
  };
  const child = spawn(FRONT, [], { env, cwd: '/', stdio: 'pipe' });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  child.stdin.on('error', () => undefined);
  child.stdin.end(typeof call.config === 'string' ? call.config : JSON.stringify(call.config));
  const kill = (): void => void child.kill('SIGKILL');
  const timer = setTimeout(kill, timeoutMs);
  const reply = new Promise<CniReply>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      clearTimeout(timer);
      const text = stdout();
      const result: unknown = text === '' ? undefined : JSON.parse(text);
      resolve({ status, stdout: text, stderr: stderr(), result });
    });
  });
  return { reply, kill };
}
