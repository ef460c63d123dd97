import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { CommandFailure } from '../failure';

/** Inside: the number of the process that the user started. */
const INSIDE = 'SNNET_DEMO_INSIDE';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Where the servers keep their files: under /run, which is the demo's own, and goes with it. */
export const STATE_DIR = `/run/snnet-demo-${process.env[INSIDE] ?? 'none'}`;

/** Whether this process is the one that {@link runInPrivate} started. */
export function isInPrivate(): boolean {
  return process.env[INSIDE] !== undefined;
}

/**
 * Runs this program anew with networks, mounts and processes of its own, where even a demonstration
 * that is killed leaves nothing; without root inside a user namespace in which this user is root.
 */
export async function runInPrivate(): Promise<number> {
  const isRoot = process.getuid?.() === 0;
  const flags = [
    '--net',
    '--mount',
    '--pid',
    '--mount-proc',
    '--kill-child',
    ...(isRoot ? [] : ['--user', '--map-root-user']),
  ];
  const tried = spawnSync('unshare', [...flags, 'true'], { encoding: 'utf8' });
  if (tried.status !== 0) {
    const why = tried.error?.message ?? tried.stderr.trim();
    // In a chroot a directory that is no mount point is as good as no root at all.
    const remedy = isRoot ? 'run it outside of this container or chroot' : 'run it as root';
    throw new CommandFailure(
      `the demo needs namespaces of its own, and they are not to be had here (${why}): ${remedy}`,
    );
  }
  const argv = [...flags, process.execPath, ...process.argv.slice(1)];
  const child = spawn('unshare', argv, {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: {
      ...process.env,
      // Where the PATH of an ordinary user does not lead.
      PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
      [INSIDE]: String(process.pid),
    },
  });
  // Told, not signalled: between the two stands `unshare`, which passes no signal on.
  const pass = (signal: NodeJS.Signals): void => {
    if (child.connected) child.send(signal);
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

/** Hears of the signals that the outer process gets, and of its end, which counts as SIGHUP. */
export function onSignalFromOutside(listener: (signal: NodeJS.Signals) => void): void {
  process.on('message', listener);
  process.once('disconnect', () => {
    listener('SIGHUP');
  });
  // It keeps nobody here who has nothing else to do.
  process.channel?.unref();
}

/** `ip netns` keeps its names under /run: they are nobody else's business. */
export function hideRun(): void {
  const mount = ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run'];
  const { status, stderr } = spawnSync('mount', mount, { encoding: 'utf8' });
  if (status !== 0) throw new CommandFailure(`/run cannot be made private: ${stderr.trim()}`);
  mkdirSync('/run/netns');
}
