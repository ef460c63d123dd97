/**
 * What the official tools see: the judges of every kernel test. Nothing here uses the library.
 */
import { existsSync } from 'node:fs';
import type { Namespace } from './namespaces';
import { patience, run, until } from './run';
import { Tool } from './tool';

/** A link as `ip -j -d link show` prints it; only what tests ask for is named. */
export interface IpLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly operstate: string;
  readonly link_type: string;
  readonly address?: string;
  readonly txqlen?: number;
  readonly ifalias?: string;
  readonly altnames?: readonly string[];
  /** Name of the bridge. */
  readonly master?: string;
  /** Name of the lower link or the peer, if it is in the same namespace. */
  readonly link?: string;
  readonly link_index?: number;
  readonly link_netnsid?: number;
  readonly inet6_addr_gen_mode?: string;
  readonly num_tx_queues?: number;
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: Readonly<Record<string, unknown>>;
    readonly info_slave_kind?: string;
    readonly info_slave_data?: Readonly<Record<string, unknown>>;
  };
}

export interface IpAddress {
  readonly ifname: string;
  readonly family: string;
  readonly local: string;
  readonly prefixlen: number;
  readonly scope: string;
}

export interface IpRoute {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly prefsrc?: string;
  readonly protocol?: string;
  readonly scope?: string;
  readonly metric?: number;
}

export interface IpNeighbour {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly state: readonly string[];
}

export interface FdbEntry {
  readonly mac: string;
  readonly ifname: string;
  readonly dst?: string;
  readonly master?: string;
  readonly state?: string;
  readonly flags: readonly string[];
}

export interface PingOptions {
  readonly count?: number;
  /** Bytes of payload: 28 less than the IPv4 packet. */
  readonly size?: number;
  /** Forbids fragments, to find what a path really carries. */
  readonly dontFragment?: boolean;
  /** Milliseconds to wait for an answer. */
  readonly timeoutMs?: number;
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
}

export async function ipLinks(ns: Namespace): Promise<IpLink[]> {
  return query<IpLink>(['ip', '-n', ns.name, '-j', '-d', 'link', 'show']);
}

/** The link of that name, or an error that lists those there are. */
export async function ipLink(ns: Namespace, ifname: string): Promise<IpLink> {
  const links = await ipLinks(ns);
  const link = links.find((candidate) => candidate.ifname === ifname);
  if (link !== undefined) return link;
  throw new Error(`no link ${ifname} among ${links.map((other) => other.ifname).join(', ')}`);
}

export async function ipAddresses(ns: Namespace): Promise<IpAddress[]> {
  interface Row {
    ifname: string;
    addr_info: Omit<IpAddress, 'ifname'>[];
  }
  const rows = await query<Row>(['ip', '-n', ns.name, '-j', 'address', 'show']);
  return rows.flatMap(({ ifname, addr_info }) => addr_info.map((info) => ({ ifname, ...info })));
}

/** The IPv4 routes of all tables but the kernel's own. */
export async function ipRoutes(ns: Namespace, table = 'main'): Promise<IpRoute[]> {
  return query<IpRoute>(['ip', '-n', ns.name, '-j', '-4', 'route', 'show', 'table', table]);
}

export async function ipNeighbours(ns: Namespace): Promise<IpNeighbour[]> {
  return query<IpNeighbour>(['ip', '-n', ns.name, '-j', 'neighbour', 'show']);
}

/** Forwarding entries of bridges and of vxlan devices. */
export async function bridgeFdb(ns: Namespace): Promise<FdbEntry[]> {
  return query<FdbEntry>(['bridge', '-n', ns.name, '-j', '-d', 'fdb', 'show']);
}

/** Tables of the packet filter as `<family> <name>`; none where the kernel or the tool is absent. */
export async function nftTables(ns: Namespace): Promise<string[]> {
  // In a guest it is a module: until something loads it, there can be no table (nor a slow question).
  const isGuest = process.env['SNNET_GUEST'] !== undefined;
  if (isGuest && !existsSync('/sys/module/nf_tables')) return [];
  const listed = await inNamespace(ns, ['nft', 'list', 'tables']);
  if (listed.status !== 0) return [];
  return listed.stdout.split('\n').flatMap((line) => /^table (.+)$/.exec(line)?.slice(1) ?? []);
}

export async function ping(
  ns: Namespace,
  destination: string,
  options: PingOptions = {},
): Promise<PingResult> {
  const { count = 3, size = 56, timeoutMs = 1000 * patience } = options;
  const flags = ['-n', '-q', '-i', '0.2', '-c', String(count), '-s', String(size)];
  flags.push('-W', String(timeoutMs / 1000));
  if (options.dontFragment === true) flags.push('-M', 'do');
  // Statuses 0 and 1 both carry the count; anything else does not, and its output says why.
  const result = await inNamespace(ns, ['ping', ...flags, destination]);
  const counts = /(\d+) packets transmitted, (\d+) received/.exec(result.stdout);
  if (counts === null) throw new Error(`ping ${destination}: ${result.stderr}${result.stdout}`);
  return { sent: Number(counts[1]), received: Number(counts[2]) };
}

/** Packets seen on a link since the capture began, one line of tcpdump's each. */
export class Capture implements AsyncDisposable {
  readonly #tool: Tool;

  constructor(tool: Tool) {
    this.#tool = tool;
  }

  get lines(): string[] {
    return this.#tool.stdout.split('\n').filter((line) => line !== '');
  }

  /** Resolves with the lines as soon as there are that many; rejects when they do not come. */
  async waitFor(count: number, timeoutMs = 5000 * patience): Promise<string[]> {
    if (await until(() => this.lines.length >= count, timeoutMs)) return this.lines;
    throw new Error(`captured ${this.lines.length} packets of ${count}:\n${this.#tool.stdout}`);
  }

  async stop(): Promise<string[]> {
    await this.#tool.stop();
    return this.lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tool.stop();
  }
}

/**
 * Begins to watch a link; resolves when every later packet will be seen. Link headers are shown.
 * The test says `needs('capture')`.
 */
export async function capture(ns: Namespace, ifname: string, filter = ''): Promise<Capture> {
  // -Z root: its own user might not read what a test lets it write.
  const flags = ['-n', '-e', '-l', '--immediate-mode', '-Z', 'root', '-i', ifname];
  const argv = ['nsenter', `--net=${ns.path}`, 'tcpdump', ...flags];
  if (filter !== '') argv.push(filter);
  return new Capture(await Tool.start(argv, { ready: /listening on/ }));
}

async function query<Row>(argv: readonly string[]): Promise<Row[]> {
  const { stdout } = await run(argv);
  // Some versions print nothing at all for an empty list, some put `{}` where nothing applies.
  const rows = JSON.parse(stdout.trim() === '' ? '[]' : stdout) as Row[];
  return rows.filter((row) => Object.keys(row as object).length > 0);
}

/** Cheaper than `ip netns exec`, which mounts a sysfs each time that these tools do not read. */
function inNamespace(ns: Namespace, argv: readonly string[]): ReturnType<typeof run> {
  return run(['nsenter', `--net=${ns.path}`, ...argv], { check: false, timeoutMs: 60_000 });
}
