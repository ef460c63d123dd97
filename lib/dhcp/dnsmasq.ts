import { constants } from 'node:fs';
import { access, readFile, readdir, readlink, realpath } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';

import { APIError } from '../errors';
import type { Processes, WatchedProcess } from '../kernel';
import { stemOfConfigFile } from './config';

const NAME = 'dnsmasq';
/** Where a PATH of an ordinary user does not lead. */
const SYSTEM_DIRECTORIES = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/bin'];
/** The whole of a user namespace that maps every user, which is none at all. */
const ALL_USERS = '0 0 4294967295';

/** Whom a server runs as. */
export interface Account {
  readonly user: string;
  readonly group: string;
  readonly uid: number;
  readonly gid: number;
}

/** A server that was found running. */
export interface FoundServer {
  readonly process: WatchedProcess;
  /** The name of the configuration that it was started with. */
  readonly configFile: string;
}

/**
 * Looks for the program.
 *
 * @param path - As the variable PATH. Default: the process's own, and where the system's programs lie.
 */
export async function findProgram(path: string | undefined): Promise<string> {
  const own = (process.env['PATH'] ?? '').split(delimiter);
  const directories = path === undefined ? [...own, ...SYSTEM_DIRECTORIES] : path.split(delimiter);
  for (const directory of directories.filter((name) => name.startsWith('/'))) {
    const file = join(directory, NAME);
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return await realpath(file);
  }
  throw new APIError('SNNET_DNSMASQ_MISSING', {
    detail: `looked for in ${directories.join(delimiter)}; install the package dnsmasq-base`,
  });
}

/**
 * An account without rights for the servers to run as: `dnsmasq`, which the package makes, or `nobody`.
 * None where there is nothing to give up, or nobody to become: in a user namespace that maps but one
 * user, or when we are not root ourselves.
 */
export async function findAccount(): Promise<Account | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const map = await readFile('/proc/self/uid_map', 'utf8');
  if (map.trim().split(/\s+/).join(' ') !== ALL_USERS) return undefined;
  const users = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n');
  const groups = (await readFile('/etc/group', 'utf8').catch(() => '')).split('\n');
  for (const name of [NAME, 'nobody']) {
    const [user, , uid, gid] = users.map((line) => line.split(':')).find(([u]) => u === name) ?? [];
    const [group] = groups.map((line) => line.split(':')).find((row) => row[2] === gid) ?? [];
    if (user === undefined || group === undefined) continue;
    return { user, group, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/**
 * A mark of a process that sleeps and waits for events: while it stays the same, the process did nothing.
 * None where it is at work, or gone.
 */
export async function sleepMark(pid: number): Promise<string | undefined> {
  const status = await readFile(`/proc/${String(pid)}/status`, 'utf8').catch(() => '');
  if (!/^State:\s+S/m.test(status)) return undefined;
  return /^voluntary_ctxt_switches:\s+\d+/m.exec(status)?.[0];
}

/** Finds servers that run with a configuration of ours, and knows them from impostors. */
export class ServerSearch {
  readonly #processes: Processes;
  readonly #directory: string;
  readonly #netns: string;
  readonly #uid: number;
  #scan: Promise<ReadonlyMap<number, string>> | undefined;
  #first: Promise<ReadonlyMap<number, string>> | undefined;

  constructor(processes: Processes, directory: string, netns: string, uid: number) {
    this.#processes = processes;
    this.#directory = directory;
    this.#netns = netns;
    this.#uid = uid;
  }

  /**
   * A process, if it is a server of ours: the program is dnsmasq, started with a configuration of this
   * directory, in this network namespace, as the user expected. Its number alone proves nothing.
   */
  async identify(pid: number): Promise<FoundServer | undefined> {
    const watched = this.#processes.watch(pid);
    if (watched === undefined) return undefined;
    const configFile = await this.#look(pid).catch(() => undefined);
    // What was read is of this process only if nobody else has got its number meanwhile.
    if (configFile !== undefined && watched.ownsPid) return { process: watched, configFile };
    watched.forget();
    return undefined;
  }

  /** Servers of a subnet (a file stem) that ran already when this was asked for the first time. */
  async known(stem: string): Promise<FoundServer[]> {
    // Read once: a thousand subnets are not a thousand readings of /proc.
    this.#first ??= this.#readAll();
    return await this.#identifyAll(await this.#first, stem);
  }

  /** Servers of a subnet, or all of ours, that run now. */
  async find(stem?: string): Promise<FoundServer[]> {
    // Those who ask at the same time share a look.
    this.#scan ??= this.#readAll().finally(() => {
      this.#scan = undefined;
    });
    return await this.#identifyAll(await this.#scan, stem);
  }

  async #identifyAll(
    stems: ReadonlyMap<number, string>,
    stem: string | undefined,
  ): Promise<FoundServer[]> {
    const pids = [...stems]
      .filter(([, other]) => stem === undefined || other === stem)
      .map(([pid]) => pid);
    const found = await Promise.all(pids.map((pid) => this.identify(pid)));
    return found.filter((server) => server !== undefined);
  }

  /** Of what may be servers of ours, the file stem of their subnet. */
  async #readAll(): Promise<ReadonlyMap<number, string>> {
    const found = new Map<number, string>();
    const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
    await Promise.all(
      pids.map(async (pid) => {
        const file = await this.#configFile(pid).catch(() => undefined);
        const stem = file === undefined ? undefined : stemOfConfigFile(file);
        if (stem !== undefined) found.set(pid, stem);
      }),
    );
    return found;
  }

  async #configFile(pid: number): Promise<string | undefined> {
    const words = (await readFile(`/proc/${String(pid)}/cmdline`, 'utf8')).split('\0');
    const [, option = '', ...rest] = words;
    const path = option.startsWith('--conf-file=') ? option.slice('--conf-file='.length) : '';
    if (rest.join('') !== '' || dirname(path) !== this.#directory) return undefined;
    return stemOfConfigFile(basename(path)) === undefined ? undefined : basename(path);
  }

  async #look(pid: number): Promise<string | undefined> {
    const of = `/proc/${String(pid)}`;
    const [exe, netns, status] = await Promise.all([
      readlink(`${of}/exe`),
      readlink(`${of}/ns/net`),
      readFile(`${of}/status`, 'utf8'),
    ]);
    // Replaced by a newer version, it goes on all the same.
    const isDnsmasq = basename(exe.replace(/ \(deleted\)$/, '')) === NAME;
    const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? NaN);
    if (!isDnsmasq || netns !== this.#netns || uid !== this.#uid) return undefined;
    return await this.#configFile(pid);
  }
}
