import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { APIError } from '../errors';
import type { Processes, WatchedProcess } from '../kernel';
import type { Ipv4Address } from '../model';
import { configFile, fileStem, formatConfig, formatHosts, stemOfConfigFile } from './config';
import type { DhcpSetting } from './config';
import { sleepMark } from './dnsmasq';
import type { FoundServer, ServerSearch } from './dnsmasq';
import type { HostNames } from './host-names';
import { formatRelease, parseLeases } from './leases';
import type { Lease } from './leases';
import type { StateDirectory } from './state-directory';
import { Restarts } from './restarts';
import { isUsable, layoutOf } from './subnet';
import type { DhcpSubnet } from './subnet';

/** What the servers of a tenant have in common. */
export interface ServerContext {
  readonly processes: Processes;
  readonly directory: StateDirectory;
  readonly search: ServerSearch;
  readonly setting: DhcpSetting;
  readonly names: HostNames;
  readonly startTimeoutMs: number;
  /** Asked for at each start: it may be installed meanwhile. */
  findProgram(): Promise<string>;
  report(event: DhcpEvent): void;
}

/** What happened to a server without being asked for. */
export type DhcpEvent =
  | { readonly type: 'died' | 'restarted'; readonly subnet: string; readonly pid: number }
  | { readonly type: 'failed'; readonly subnet: string; readonly error: unknown };

/** What `ensure` had to do. */
export type EnsureOutcome = 'running' | 'attached' | 'started' | 'restarted';

const TERM_PATIENCE_MS = 2000;
const KILL_PATIENCE_MS = 5000;
const RELEASE_PATIENCE_MS = 5000;
const READ_PATIENCE_MS = 2000;
const SERVER_PORT = 67;

/** The server of one subnet. What is asked of it is done one after the other. */
export class DhcpServer {
  readonly #context: ServerContext;
  #subnet: DhcpSubnet;
  #configFile = '';
  #wanted: { readonly subnet: DhcpSubnet; readonly file: string } | undefined;
  #process: WatchedProcess | undefined;
  readonly #restarts: Restarts;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isWanted = true;

  constructor(context: ServerContext, subnet: DhcpSubnet) {
    this.#context = context;
    this.#subnet = subnet;
    this.#restarts = new Restarts(() => this.#restart());
  }

  get subnet(): DhcpSubnet {
    return this.#subnet;
  }
  get #stem(): string {
    return fileStem(this.#subnet);
  }
  /** Nothing is being done, nor waits to be. */
  get isIdle(): boolean {
    return this.#waiting === 0;
  }
  /** The process's number while it runs. */
  get pid(): number | undefined {
    return this.#process?.hasEnded === false ? this.#process.pid : undefined;
  }

  /** Makes the server run with this configuration: leaves it alone, takes it over, starts it anew. */
  ensure(subnet: DhcpSubnet): Promise<EnsureOutcome> {
    return this.#inTurn(async () => {
      this.#isWanted = true;
      if (!isDeepStrictEqual(subnet, this.#subnet)) this.#subnet = subnet;
      this.#restarts.cancel();
      return await this.#ensure();
    });
  }

  async #ensure(): Promise<EnsureOutcome> {
    const { directory, search, setting } = this.#context;
    const { file: wanted, text } = this.#wantedConfig();
    const hasNewHosts = await this.#rewriteHosts();
    const own = this.#process;
    if (this.#isRunning() && wanted === this.#configFile) {
      if (hasNewHosts) this.#hangUp();
      return 'running';
    }
    this.#process = undefined;
    if (own?.hasEnded === false) await this.#end(own);
    const foundStale = await this.#takeOver(wanted, await search.known(this.#stem));
    if (this.#isRunning()) {
      if (hasNewHosts) this.#hangUp();
      return 'attached';
    }
    await directory.write(wanted, text ?? formatConfig(this.#subnet, setting));
    const outcome = await this.#startOrTakeOver(wanted);
    await this.#removeOldConfigs();
    const isAnother = own !== undefined || foundStale;
    return outcome === 'started' && isAnother ? 'restarted' : outcome;
  }

  #isRunning(): boolean {
    return this.#process?.hasEnded === false;
  }

  /** The configuration's file, and its text where that had to be made: of a /16 it has megabytes. */
  #wantedConfig(): { readonly file: string; readonly text?: string } {
    if (this.#wanted?.subnet === this.#subnet) return { file: this.#wanted.file };
    const text = formatConfig(this.#subnet, this.#context.setting);
    const file = configFile(this.#subnet, text);
    this.#wanted = { subnet: this.#subnet, file };
    return { file, text };
  }

  /** Of what was found, the server that is wanted is taken, and all others ended; true: there were. */
  async #takeOver(wanted: string, found: readonly FoundServer[]): Promise<boolean> {
    const stale: FoundServer[] = [];
    for (const server of found) {
      if (server.configFile === wanted && this.#process === undefined) this.#take(server);
      else stale.push(server);
    }
    await Promise.all(stale.map(({ process }) => this.#end(process)));
    return stale.length > 0;
  }

  async #startOrTakeOver(wanted: string): Promise<EnsureOutcome> {
    try {
      await this.#start(wanted);
      return 'started';
    } catch (error) {
      // Most likely one holds the address that we did not know of: somebody started it meanwhile.
      const foundStale = await this.#takeOver(wanted, await this.#context.search.find(this.#stem));
      if (this.pid !== undefined) return 'attached';
      if (!foundStale) throw error;
    }
    await this.#start(wanted);
    return 'restarted';
  }

  /** Has the server read the tenant's names anew, and its hosts file if it lists one of `changed`. */
  reload(changed: readonly Ipv4Address[]): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isWanted) return;
      if (changed.some((ip) => isUsable(this.#subnet, ip))) await this.#rewriteHosts();
      this.#hangUp();
    });
  }

  /** Ends the server, waits until it is gone, removes its files. */
  stop(): Promise<void> {
    return this.#inTurn(async () => {
      this.#isWanted = false;
      this.#restarts.cancel();
      this.#letGo();
      const found = await this.#context.search.find(this.#stem);
      await Promise.all(found.map(({ process }) => this.#end(process)));
      const stem = this.#stem;
      const names = await this.#context.directory.list();
      await this.#context.directory.remove(names.filter((name) => stemOf(name) === stem));
    });
  }

  /** Lets go of the server; it runs on. */
  close(): Promise<void> {
    this.#restarts.cancel();
    return this.#inTurn(() => {
      this.#isWanted = false;
      this.#restarts.cancel();
      this.#letGo();
      return Promise.resolve();
    });
  }

  async leases(): Promise<Lease[]> {
    const deadline = performance.now() + READ_PATIENCE_MS;
    for (;;) {
      // It empties the file before it writes it anew: what holds is what it left there to sleep.
      const before = await this.#sleepMark();
      const text = await this.#context.directory.read(`${this.#stem}.leases`);
      const isWhole = before !== undefined && before === (await this.#sleepMark());
      if (isWhole || performance.now() >= deadline) return parseLeases(text ?? '');
      await pause(2);
    }
  }

  async #sleepMark(): Promise<string | undefined> {
    return this.pid === undefined ? 'does not run' : await sleepMark(this.pid);
  }

  /** Gives an address back in its client's name; false: nobody had it. */
  release(ip: Ipv4Address): Promise<boolean> {
    return this.#inTurn(async () => {
      const lease = (await this.leases()).find((candidate) => candidate.ip === ip);
      if (lease === undefined) return false;
      if (this.pid === undefined)
        throw this.#failure('it does not run, so no lease can be released');
      const { gateway } = this.#subnet;
      const deadline = performance.now() + RELEASE_PATIENCE_MS;
      // The protocol knows no answer: what tells is the server's own list.
      for (let wait = 2; performance.now() < deadline; wait = Math.min(wait * 2, 100)) {
        const packet = formatRelease(lease, gateway, lease.expires);
        await this.#context.processes.send(gateway, SERVER_PORT, packet);
        await pause(wait);
        if (!(await this.leases()).some((other) => other.ip === ip)) return true;
      }
      throw this.#failure(`it did not release ${ip} within ${String(RELEASE_PATIENCE_MS)} ms`);
    });
  }

  // ------------------------------------------------------------------ the process

  async #start(wanted: string): Promise<void> {
    const { directory, processes, search, startTimeoutMs } = this.#context;
    const stem = this.#stem;
    // The server opens these itself, as root, wherever a link may lead.
    await Promise.all(
      ['leases', 'pid', 'hosts'].map((ending) => directory.check(`${stem}.${ending}`)),
    );
    const file = await this.#context.findProgram();
    const result = await processes.run({
      file,
      args: [`--conf-file=${directory.path}/${wanted}`],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      directory: '/',
      timeoutMs: startTimeoutMs,
    });
    if (result.status !== 0) {
      const how = result.hasTimedOut
        ? `it did not start within ${String(startTimeoutMs)} ms`
        : `it ended with ${String(result.status ?? `signal ${String(result.signal)}`)}`;
      throw this.#failure(
        [how, result.errorOutput.trim()].filter((part) => part !== '').join(': '),
      );
    }
    // It serves now: its first process ends when the sockets are bound and its rights given up.
    const pid = Number((await directory.read(`${stem}.pid`))?.trim());
    const named = Number.isInteger(pid) && pid > 0 ? await search.identify(pid) : undefined;
    // Its own word is taken first, and not last: the file may have been changed meanwhile.
    await this.#takeOver(wanted, named === undefined ? await search.find(stem) : [named]);
    if (this.pid === undefined) throw this.#failure('it died as soon as it had started');
  }

  #take({ process, configFile: file }: FoundServer): void {
    this.#process = process;
    this.#configFile = file;
    this.#restarts.started();
    void process.ended.then(() => {
      this.#died(process);
    });
  }

  #letGo(): void {
    this.#process?.forget();
    this.#process = undefined;
    this.#configFile = '';
  }

  /** Has it read its files anew, all but the configuration. */
  #hangUp(): void {
    this.#process?.signal('SIGHUP');
  }

  async #end(process: WatchedProcess): Promise<void> {
    if (await endProcess(process)) return;
    throw this.#failure(`process ${String(process.pid)} does not end, not even by SIGKILL`);
  }

  #died(process: WatchedProcess): void {
    if (this.#process !== process) return;
    this.#context.report({ type: 'died', subnet: this.#subnet.subnet, pid: process.pid });
    if (this.#isWanted) this.#restarts.schedule();
  }

  async #restart(): Promise<void> {
    await this.#inTurn(async () => {
      if (!this.#isWanted || this.#isRunning()) return;
      const { subnet } = this.#subnet;
      try {
        await this.#ensure();
        const { pid } = this;
        if (pid === undefined) throw this.#failure('it died as soon as it had started');
        this.#context.report({ type: 'restarted', subnet, pid });
      } catch (error) {
        this.#context.report({ type: 'failed', subnet, error });
        this.#restarts.schedule();
      }
    });
  }

  // ------------------------------------------------------------------ its files

  /** True if the server would read something else than before. */
  async #rewriteHosts(): Promise<boolean> {
    if (layoutOf(this.#subnet.subnet) === 'ranges') return false;
    const text = formatHosts(this.#subnet, this.#context.names);
    return await this.#context.directory.write(`${this.#stem}.hosts`, text);
  }

  async #removeOldConfigs(): Promise<void> {
    const names = await this.#context.directory.list();
    await this.#context.directory.remove(
      names.filter((name) => stemOfConfigFile(name) === this.#stem && name !== this.#configFile),
    );
  }

  #failure(detail: string): APIError {
    const { subnet, linkName } = this.#subnet;
    return new APIError('SNNET_DNSMASQ_FAILED', { object: { subnet, link: linkName }, detail });
  }

  #inTurn<T>(body: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const result = this.#turn.then(body).finally(() => {
      this.#waiting -= 1;
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** The subnet that a file belongs to; nothing for those that all share. */
export function stemOf(name: string): string | undefined {
  return /^\.?([\d.]+-\d+)\.(?:hosts|leases|pid|[0-9a-f]{16}\.conf)/.exec(name)?.[1];
}

/** Asks a process to end, then makes it; false: it does not. */
export async function endProcess(process: WatchedProcess): Promise<boolean> {
  process.signal('SIGTERM');
  if (await hasEnded(process, TERM_PATIENCE_MS)) return true;
  process.signal('SIGKILL');
  if (await hasEnded(process, KILL_PATIENCE_MS)) return true;
  process.forget();
  return false;
}

/** Waits for the end of a process, but not for ever. */
async function hasEnded(process: WatchedProcess, patienceMs: number): Promise<boolean> {
  const timer = new AbortController();
  const late = pause(patienceMs, false, { signal: timer.signal }).catch(() => false);
  const ended = await Promise.race([process.ended.then(() => true), late]);
  timer.abort();
  return ended;
}
