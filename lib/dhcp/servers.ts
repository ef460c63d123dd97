import { APIError } from '../errors';
import type { Kernel } from '../kernel';
import { parseUnicastIpv4, refuse, withOperation } from '../model';
import type { Ipv4Address } from '../model';
import { formatUpstreams, NAMES_FILE, UPSTREAMS_FILE } from './config';
import { findAccount, findProgram, ServerSearch } from './dnsmasq';
import { formatNames, parseAddresses, parseHosts, parseNames } from './host-names';
import type { HostInput } from './host-names';
import type { Lease } from './leases';
import { directoryName, parseDhcpOptions } from './options';
import type { DhcpOptions, DhcpOptionsInput } from './options';
import { DhcpServer, endProcess, stemOf } from './server';
import type { DhcpEvent, EnsureOutcome, ServerContext } from './server';
import { StateDirectory } from './state-directory';
import { isUsable, layoutOf, MOST_NAMED, parseDhcpSubnet } from './subnet';
import type { DhcpSubnetInput, Layout } from './subnet';

/** How a subnet's server is doing. */
export interface DhcpStatus {
  readonly subnet: string;
  readonly linkName: string;
  readonly gateway: string;
  readonly mtu: number;
  readonly layout: Layout;
  /** Absent while it does not run. */
  readonly pid?: number;
}

/** What `ensure` found and did. */
export interface Ensured {
  /** `running`: it did already; `attached`: one of an earlier process was taken over as it runs. */
  readonly outcome: EnsureOutcome;
  readonly pid: number;
}

/** An address, and the name that it is to have; none: it is not announced any more. */
type NameChange = readonly [ip: Ipv4Address, name: string | undefined];

/**
 * DHCP and DNS for the subnets of one tenant: a dnsmasq for each bridge. The servers outlive this
 * object and this process; whoever opens it next takes them over as they run.
 *
 * Names are the tenant's: what `setHosts` says resolves, in both directions, in all its subnets.
 */
export class DhcpServers {
  readonly #context: ServerContext;
  readonly #names: Map<Ipv4Address, string>;
  readonly #servers = new Map<string, DhcpServer>();
  readonly #changed = new Set<Ipv4Address>();
  #flushing: Promise<void> | undefined;
  #lastFlush: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(context: ServerContext, names: Map<Ipv4Address, string>) {
    this.#context = context;
    this.#names = names;
  }

  /**
   * Opens the state of an owner, in the namespace of the kernel handle, which must outlive this.
   * Starts nothing.
   *
   * @throws {@link APIError} `SNNET_STATE_UNSAFE`: the directory is not ours alone.
   */
  static async open(kernel: Kernel, input: DhcpOptionsInput): Promise<DhcpServers> {
    const operation = 'DhcpServers.open';
    const options = parseDhcpOptions(input, operation);
    try {
      const account = await findAccount();
      const name = directoryName(options.owner);
      const directory = await StateDirectory.open(options.stateDir, name, account?.gid);
      const names = parseNames((await directory.read(NAMES_FILE)) ?? '');
      await directory.write(NAMES_FILE, formatNames(names));
      const netns = await kernel.processes.netnsName();
      const uid = account?.uid ?? process.geteuid?.() ?? 0;
      const context: ServerContext = {
        processes: kernel.processes,
        directory,
        search: new ServerSearch(kernel.processes, directory.path, netns, uid),
        setting: { ...options, account, directory: directory.path },
        names,
        startTimeoutMs: options.startTimeoutMs,
        findProgram: () => findProgram(options.programPath),
        report: (event) => {
          report(event, options);
        },
      };
      const servers = new DhcpServers(context, names);
      const text = formatUpstreams(options.upstreams);
      // Servers of an earlier process have still the old ones.
      if (await directory.write(UPSTREAMS_FILE, text)) await servers.#hangUpAll();
      return servers;
    } catch (error) {
      throw naming(operation, error);
    }
  }

  /**
   * Makes a subnet be served: leaves its server alone, takes it over from an earlier process, or starts
   * it; one with another configuration is ended first. The bridge must be up and have the gateway's
   * address.
   *
   * @throws {@link APIError} `SNNET_DNSMASQ_MISSING`, `SNNET_DNSMASQ_FAILED`, `SNNET_STATE_UNSAFE`.
   */
  async ensure(input: DhcpSubnetInput): Promise<Ensured> {
    const operation = 'ensure';
    const subnet = parseDhcpSubnet(input, operation);
    this.#refuseIfClosed(operation);
    let server = this.#servers.get(subnet.subnet);
    if (server === undefined) {
      server = new DhcpServer(this.#context, subnet);
      this.#servers.set(subnet.subnet, server);
    }
    try {
      const outcome = await server.ensure(subnet);
      const { pid } = server;
      if (pid !== undefined) return Object.freeze({ outcome, pid });
    } catch (error) {
      if (server.pid === undefined && server.isIdle) this.#servers.delete(subnet.subnet);
      throw naming(operation, error);
    }
    const detail = 'it died as soon as it had started; it is started again';
    throw new APIError('SNNET_DNSMASQ_FAILED', {
      operation,
      object: { subnet: subnet.subnet },
      detail,
    });
  }

  /** Ends a subnet's server, waits until it is gone, and forgets its leases. None: that is fine. */
  async stop(subnet: string): Promise<void> {
    this.#refuseIfClosed('stop');
    const server = this.#servers.get(subnet);
    if (server === undefined) return;
    try {
      await server.stop();
      if (server.isIdle) this.#servers.delete(subnet);
    } catch (error) {
      throw naming('stop', error);
    }
  }

  /**
   * Gives addresses names, or announces them (all or none). Fulfilled when the servers have been told;
   * they answer with the new names a moment later.
   */
  async setHosts(hosts: readonly HostInput[]): Promise<void> {
    const operation = 'setHosts';
    this.#refuseIfClosed(operation);
    const parsed = parseHosts(hosts, operation);
    const next = new Map([...this.#names, ...parsed]);
    this.#refuseTooMany(operation, next.keys());
    const changed = parsed.filter(([ip, name]) => this.#names.get(ip) !== name);
    await this.#announce(operation, changed);
  }

  async setHost(ip: string, name?: string): Promise<void> {
    await this.setHosts([{ ip, name }]);
  }

  /** Takes names away; addresses without one are fine. */
  async removeHosts(addresses: readonly string[]): Promise<void> {
    const operation = 'removeHosts';
    this.#refuseIfClosed(operation);
    const parsed = parseAddresses(addresses, operation);
    const known = parsed.filter((ip) => this.#names.has(ip));
    await this.#announce(
      operation,
      known.map((ip) => [ip, undefined]),
    );
  }

  async removeHost(ip: string): Promise<void> {
    await this.removeHosts([ip]);
  }

  /**
   * Gives back the address of a workload that is gone, as it would have done itself; false: it had none.
   *
   * @param address - Its IPv4 address, or the MAC that belongs to that.
   */
  async release(address: string): Promise<boolean> {
    const operation = 'release';
    this.#refuseIfClosed(operation);
    const ip = withOperation(operation, () => parseAddressOrMac(address));
    const server = [...this.#servers.values()].find(({ subnet }) => isUsable(subnet, ip));
    try {
      return (await server?.release(ip)) ?? false;
    } catch (error) {
      throw naming(operation, error);
    }
  }

  /** The addresses that workloads of a subnet have been given. */
  async leases(subnet: string): Promise<readonly Lease[]> {
    return Object.freeze((await this.#servers.get(subnet)?.leases()) ?? []);
  }

  /** What has been announced, also to an earlier process: names by address, the empty one for none. */
  get hosts(): ReadonlyMap<string, string> {
    return new Map(this.#names);
  }

  /** Every subnet that is to be served, in the order of `ensure`. */
  status(): readonly DhcpStatus[] {
    const rows = [...this.#servers.values()].map(({ subnet, pid }) =>
      Object.freeze({
        subnet: subnet.subnet,
        linkName: subnet.linkName,
        gateway: subnet.gateway,
        mtu: subnet.mtu,
        layout: layoutOf(subnet.subnet),
        ...(pid !== undefined && { pid }),
      }),
    );
    return Object.freeze(rows);
  }

  /** Lets go of the servers, which run on. The kernel handle may be closed then. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#lastFlush.catch(() => undefined);
    await Promise.all([...this.#servers.values()].map((server) => server.close()));
    this.#servers.clear();
  }

  /**
   * Ends every server of this owner, those of an earlier process too, and removes all its files. Goes on
   * past what fails, and then throws that.
   */
  async shutdown(): Promise<void> {
    this.#isClosed = true;
    await this.#lastFlush.catch(() => undefined);
    const ending = [...this.#servers.values()].map((server) => server.stop());
    const outcomes = await Promise.allSettled([...ending, this.#endStrays(ending)]);
    this.#servers.clear();
    const { directory } = this.#context;
    const ours = (name: string): boolean =>
      stemOf(name) !== undefined || [NAMES_FILE, UPSTREAMS_FILE].includes(name);
    await directory.remove((await directory.list()).filter(ours));
    await directory.destroy();
    const errors = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    );
    if (errors.length === 0) return;
    throw naming('shutdown', errors.length === 1 ? errors[0] : new AggregateError(errors));
  }

  /** Servers of an earlier process whose subnets nobody has asked for. */
  async #endStrays(first: readonly Promise<void>[]): Promise<void> {
    await Promise.allSettled(first);
    const strays = await this.#context.search.find();
    const ended = await Promise.all(strays.map(({ process }) => endProcess(process)));
    const alive = strays.filter((_, index) => ended[index] === false);
    if (alive.length === 0) return;
    const pids = alive.map(({ process }) => process.pid).join(', ');
    throw new APIError('SNNET_DNSMASQ_FAILED', { detail: `processes do not end: ${pids}` });
  }

  /** All of them, or where the servers cannot be told none. */
  async #announce(operation: string, changes: readonly NameChange[]): Promise<void> {
    const before = changes.map(([ip]): NameChange => [ip, this.#names.get(ip)]);
    for (const change of changes) this.#setName(change);
    try {
      await this.#flush(changes.map(([ip]) => ip));
    } catch (error) {
      for (const [place, [ip, name]] of changes.entries()) {
        // Unless another call has changed it since.
        if (this.#names.get(ip) !== name) continue;
        this.#setName(before[place] ?? [ip, undefined]);
        this.#changed.add(ip);
      }
      throw naming(operation, error);
    }
  }

  #setName([ip, name]: NameChange): void {
    if (name === undefined) this.#names.delete(ip);
    else this.#names.set(ip, name);
  }

  /** Calls that come while one waits for its turn share what it writes. */
  #flush(changed: readonly Ipv4Address[]): Promise<void> {
    for (const ip of changed) this.#changed.add(ip);
    // Where nothing changed an equal call may be on its way still.
    if (this.#changed.size === 0) return this.#lastFlush;
    this.#flushing ??= this.#lastFlush
      .catch(() => undefined)
      .then(async () => {
        this.#flushing = undefined;
        const flushed = [...this.#changed];
        this.#changed.clear();
        await this.#context.directory.write(NAMES_FILE, formatNames(this.#names));
        await Promise.all([...this.#servers.values()].map((server) => server.reload(flushed)));
      });
    this.#lastFlush = this.#flushing;
    return this.#flushing;
  }

  async #hangUpAll(): Promise<void> {
    for (const { process } of await this.#context.search.find()) {
      process.signal('SIGHUP');
      process.forget();
    }
  }

  #refuseTooMany(operation: string, addresses: Iterable<Ipv4Address>): void {
    const all = [...addresses];
    for (const { subnet } of this.#servers.values()) {
      if (layoutOf(subnet.subnet) !== 'named') continue;
      const count = all.filter((ip) => isUsable(subnet, ip)).length;
      if (count <= MOST_NAMED) continue;
      const most = `at most ${String(MOST_NAMED)} addresses in ${subnet.subnet}, which is larger than /16`;
      withOperation(operation, () => refuse(count, 'hosts', most));
    }
  }

  #refuseIfClosed(operation: string): void {
    if (this.#isClosed) throw new APIError('SNNET_HANDLE_CLOSED', { operation });
  }
}

function parseAddressOrMac(value: unknown): Ipv4Address {
  if (typeof value !== 'string') return parseUnicastIpv4(value, 'address');
  const mac = /^02:00:([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2})$/i.exec(value);
  const bytes = mac?.slice(1).map((byte) => Number.parseInt(byte, 16));
  return parseUnicastIpv4(bytes?.join('.') ?? value, 'address');
}

function report(event: DhcpEvent, { logger, onEvent }: DhcpOptions): void {
  const message = `the DHCP server of ${event.subnet} ${WORDS[event.type]}`;
  if (event.type === 'failed') logger.error(message, { error: event.error });
  else logger[event.type === 'died' ? 'warn' : 'info'](message, { pid: event.pid });
  onEvent?.(event);
}

const WORDS = {
  died: 'died',
  restarted: 'was started again',
  failed: 'could not be started',
} as const;

/** The parts do not know which call they work for; and what the system refuses is no error of ours yet. */
function naming(operation: string, error: unknown): Error {
  if (error instanceof APIError) {
    return error.operation === undefined ? error.withDetails({ operation }) : error;
  }
  return new APIError('SNNET_DNSMASQ_FAILED', {
    operation,
    detail: error instanceof Error ? error.message : String(error),
    cause: error,
  });
}
