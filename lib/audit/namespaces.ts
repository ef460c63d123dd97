import { readdir, readFile, readlink } from 'node:fs/promises';

import { APIError } from '../errors';
import { codeOf } from '../files';
import { hiddenProcesses, inodeIn, namespacesMounted, parseMounts } from './mountinfo';
import type { Liveness } from './types';

/** linux/proc_ns.h: PROC_PID_INIT_INO. */
const FIRST_PID_NAMESPACE = 0xeffffffc;
/** linux/capability.h: CAP_SYS_PTRACE. */
const CAP_SYS_PTRACE = 19n;
/** Reads that are on their way at the same time: a host may have ten thousand threads. */
const AT_ONCE = 64;

export interface NamespacesAliveOptions {
  /**
   * This process is in a PID namespace of its own, and so are all workloads. Default: false; then such a
   * process refuses to judge, as it would take what it cannot see for dead.
   */
  readonly trustPidNamespace?: boolean;
}

/**
 * A workload is alive while its network namespace is: while a process or a thread is in it, or it is
 * mounted somewhere, in whatever mount namespace. To look at other users' processes takes
 * `CAP_SYS_PTRACE`; where a process cannot be looked at that might be in one of the namespaces, this throws.
 */
export function namespacesAlive({
  trustPidNamespace = false,
}: NamespacesAliveOptions = {}): Liveness {
  return async (vnics, signal) => {
    if (vnics.length === 0) return [];
    const isFirst = (await ownPidNamespace()) === FIRST_PID_NAMESPACE;
    const search = new Search(new Set(vnics.map(({ netns }) => netns)), isFirst, signal);
    await search.run();
    // Only now somebody would be called dead.
    if (search.missing.size > 0 && !isFirst && !trustPidNamespace) throw cannotSeeOutside();
    return vnics.filter(({ netns }) => !search.missing.has(netns));
  };
}

/** Looks for namespaces where they are found soonest first, and stops with the last. */
class Search {
  /** Those not found yet. */
  readonly missing: Set<number>;
  readonly #signal: AbortSignal;
  /** What cannot be a workload: the host's own init, which some hosts let nobody look at. */
  readonly #host: string | undefined;
  /** Something that could not be looked at. */
  #refused: string | undefined;

  constructor(wanted: Set<number>, isFirst: boolean, signal: AbortSignal) {
    this.missing = wanted;
    this.#host = isFirst ? '/proc/1/' : undefined;
    this.#signal = signal;
  }

  /** Throws where something is missing that it could not have seen. */
  async run(): Promise<void> {
    const pids = await numbersIn('/proc');
    await this.#look(pids.map((pid) => `/proc/${pid}/ns/net`));
    if (this.missing.size === 0) return;
    const mounts = parseMounts(await readFile('/proc/self/mountinfo', 'utf8'));
    this.#find(namespacesMounted(mounts));
    if (this.missing.size > 0) await this.#lookAtThreads(pids);
    if (this.missing.size > 0) await this.#lookAtMounts(pids);
    if (this.missing.size === 0) return;
    const hidden = hiddenProcesses(mounts);
    if (this.#refused !== undefined) throw cannotSee(`${this.#refused} cannot be read`);
    if (hidden !== undefined && !(await seesHidden()))
      throw cannotSee(`/proc is mounted ${hidden}`);
  }

  #find(inodes: Iterable<number>): void {
    for (const inode of inodes) this.missing.delete(inode);
  }

  async #look(links: readonly string[]): Promise<void> {
    for (let start = 0; start < links.length && this.missing.size > 0; start += AT_ONCE) {
      this.#signal.throwIfAborted();
      const names = await Promise.all(
        links.slice(start, start + AT_ONCE).map((link) => this.#tolerant(link, readlink(link))),
      );
      this.#find(names.flatMap((name) => inodeIn(name ?? '', 'net') ?? []));
    }
  }

  /** A process may have sent only one of its threads there, or its first one has ended. */
  async #lookAtThreads(pids: readonly string[]): Promise<void> {
    for (const pid of pids) {
      if (this.missing.size === 0) return;
      const path = `/proc/${pid}/task`;
      const tids = (await this.#tolerant(path, numbersIn(path))) ?? [];
      await this.#look(tids.filter((tid) => tid !== pid).map((tid) => `${path}/${tid}/ns/net`));
    }
  }

  /** A runtime may keep its namespaces mounted where only it can see them. */
  async #lookAtMounts(pids: readonly string[]): Promise<void> {
    const done = new Set<string>();
    for (const pid of pids) {
      if (this.missing.size === 0) return;
      this.#signal.throwIfAborted();
      const link = `/proc/${pid}/ns/mnt`;
      const name = await this.#tolerant(link, readlink(link));
      if (name === undefined || done.has(name)) continue;
      const file = `/proc/${pid}/mountinfo`;
      const text = await this.#tolerant(file, readFile(file, 'utf8'));
      if (text === undefined) continue;
      done.add(name);
      this.#find(namespacesMounted(parseMounts(text)));
    }
  }

  /** Processes end while they are looked at; what may not be looked at is noted. */
  async #tolerant<T>(path: string, reading: Promise<T>): Promise<T | undefined> {
    try {
      return await reading;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'EACCES' || code === 'EPERM') this.#refuse(path);
      else if (!['ENOENT', 'ESRCH', 'EINVAL'].includes(String(code))) throw error;
      return undefined;
    }
  }

  #refuse(path: string): void {
    if (this.#host !== undefined && path.startsWith(this.#host)) return;
    this.#refused ??= path;
  }
}

async function numbersIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => /^\d+$/.test(name));
}

async function ownPidNamespace(): Promise<number | undefined> {
  return inodeIn(await readlink('/proc/self/ns/pid'), 'pid');
}

async function seesHidden(): Promise<boolean> {
  const [status, users] = await Promise.all([
    readFile('/proc/self/status', 'utf8'),
    readFile('/proc/self/uid_map', 'utf8'),
  ]);
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  const mayLook = ((BigInt(`0x${effective}`) >> CAP_SYS_PTRACE) & 1n) === 1n;
  return mayLook && users.trim().split(/\s+/).join(' ') === '0 0 4294967295';
}

function cannotSee(detail: string): APIError {
  return new APIError('SNNET_LIVENESS_UNKNOWN', {
    detail: `${detail}: to see which namespaces others’ processes are in takes CAP_SYS_PTRACE`,
  });
}

function cannotSeeOutside(): APIError {
  return new APIError('SNNET_LIVENESS_UNKNOWN', {
    detail:
      'this process is in a PID namespace of its own, and cannot see the processes outside of it',
  });
}
