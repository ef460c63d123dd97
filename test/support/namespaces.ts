import { randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { run } from './run';

/** A network namespace that exists under a name, as `ip netns` keeps it. */
export interface Namespace {
  /** As `ip -n` and `ip netns exec` want it. */
  readonly name: string;
  /** A file that can be opened and entered. */
  readonly path: string;
}

const DIRECTORY = '/run/netns';
const OURS = /^snt-(\d+)-/;

/** The name carries the process, so that a later run can tell abandoned namespaces from busy ones. */
export function inventName(label: string): string {
  return `snt-${process.pid}-${randomBytes(3).toString('hex')}-${label}`;
}

export async function createNamespace(name: string): Promise<Namespace> {
  await run(['ip', 'netns', 'add', name]);
  await run(['ip', '-n', name, 'link', 'set', 'lo', 'up']);
  return { name, path: `${DIRECTORY}/${name}` };
}

/** Removes the names; a namespace itself lives on as long as a process or a descriptor holds it. */
export async function removeNamespaces(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const input = names.map((name) => `netns delete ${name}\n`).join('');
  await run(['ip', '-force', '-batch', '-'], { input });
}

export function listNamespaces(): string[] {
  try {
    return readdirSync(DIRECTORY);
  } catch {
    return [];
  }
}

/** What the kernel calls the namespace: the same inode wherever it is seen. */
export function identityOf(ns: Namespace): string {
  return `net:[${statSync(ns.path).ino}]`;
}

/** Process numbers by the namespace they live in; this process counts by its main thread. */
export function processesByNamespace(): Map<string, number[]> {
  return groupBy(numbersIn('/proc'), (pid) => `/proc/${pid}/ns/net`);
}

/** Threads of this process by namespace: a handle that was not closed is a thread left behind. */
export function threadsByNamespace(): Map<string, number[]> {
  return groupBy(numbersIn('/proc/self/task'), (tid) => `/proc/self/task/${tid}/ns/net`);
}

/** Kills whatever lives in these namespaces, this process excepted. */
export function killProcessesIn(identities: ReadonlySet<string>): void {
  for (const [identity, pids] of processesByNamespace()) {
    if (!identities.has(identity)) continue;
    for (const pid of pids) if (pid !== process.pid) killQuietly(pid);
  }
}

/** Removes the namespaces of earlier runs that died before they could do it themselves. */
export async function sweepAbandonedNamespaces(): Promise<string[]> {
  const abandoned = listNamespaces().filter((name) => {
    const pid = OURS.exec(name)?.[1];
    return pid !== undefined && !isAlive(Number(pid));
  });
  const identities = abandoned.map((name) => identityOf({ name, path: `${DIRECTORY}/${name}` }));
  killProcessesIn(new Set(identities));
  await removeNamespaces(abandoned);
  return abandoned;
}

function numbersIn(directory: string): number[] {
  return readdirSync(directory).map(Number).filter(Number.isInteger);
}

function groupBy(numbers: readonly number[], link: (n: number) => string): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const number of numbers) {
    const identity = readLinkQuietly(link(number));
    if (identity === undefined) continue;
    const group = groups.get(identity);
    if (group === undefined) groups.set(identity, [number]);
    else group.push(number);
  }
  return groups;
}

/** Processes come and go while they are listed, and not all may be looked at. */
function readLinkQuietly(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Of processes that are seen in a list: each may have ended since. */
export function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself meanwhile.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
