import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { CommandFailure } from '../failure';

const INSIDE = 'SNNET_DEMO_INSIDE';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Whether this process is the one that {@link runInPrivate} started. */
export function isInPrivate(): boolean {
  return process.env[INSIDE] !== undefined;
}

/**
 * Runs this program anew with networks and mounts of its own, where even a demonstration that is
 * killed leaves nothing; without root inside a user namespace in which this user is root.
 */
export async function runInPrivate(): Promise<number> {
  const flags = [
    '--net',
    '--mount',
    ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  ];
  if (spawnSync('unshare', [...flags, 'true'], { stdio: 'ignore' }).status !== 0) {
    throw new CommandFailure(
      'the demo needs namespaces of its own (unshare ' +
        flags.join(' ') +
        '), and they are not permitted here: run it as root',
    );
  }
  const argv = [...flags, process.execPath, ...process.argv.slice(1)];
  const child = spawn('unshare', argv, {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  const pass = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  for (const name of SIGNALS) process.on(name, pass);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status) => {
        resolve(status ?? 1);
      });
    });
  } finally {
    for (const name of SIGNALS) process.off(name, pass);
  }
}

/** `ip netns` keeps its names under /run: they are nobody else's business. */
export function hideRun(): void {
  const mount = ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run'];
  const { status, stderr } = spawnSync('mount', mount, { encoding: 'utf8' });
  if (status !== 0) throw new CommandFailure(`/run cannot be made private: ${stderr.trim()}`);
  mkdirSync('/run/netns');
}
