/**
 * A machine of its own for a container runtime: the host's files, but network, mounts and `/run` are
 * private, so that nothing of the runtime is left when it ends. `snnet cni serve` runs on it as it would
 * anywhere.
 */
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../support/child';
import { FRONT } from '../../support/cni';
import { killQuietly } from '../../support/namespaces';
import { ipLinks } from '../../support/oracle';
import { patience, run, until } from '../../support/run';
import type { RunOptions, RunResult } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';
import { Tool } from '../../support/tool';

const CGROUPS = '/sys/fs/cgroup';
const APPLETS = ['sh', 'sleep', 'ip', 'ping', 'cat'];
const PLUGINS = '/usr/lib/cni';
/** What a configuration is without its address. */
export const SUBNET = '172.16.1.0/24';

// `/run` and `/var/lib` of the host are not the runtime's business, nor the other way round.
const ALONE = `
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /opt
mkdir -p /run/netns /opt/cni/bin
echo alone
exec sleep infinity`;

export class RuntimeBed implements AsyncDisposable {
  readonly box: Sandbox;
  readonly ns: Namespace;
  /** Goes with the test; also where plugins and network configurations lie. */
  readonly directory: string;
  /** Name of the cgroup that the test's containers live in. */
  readonly cgroup: string;
  readonly #holder: Tool;
  readonly #tools: Tool[] = [];
  #daemon: Tool | undefined;

  private constructor(box: Sandbox, ns: Namespace, holder: Tool) {
    this.box = box;
    this.ns = ns;
    this.#holder = holder;
    this.directory = mkdtempSync(join(tmpdir(), 'snnet-runtime-'));
    this.cgroup = ns.name;
  }

  static async open(): Promise<RuntimeBed> {
    const box = await Sandbox.open();
    const ns = await box.netns('runtime', { leaves: ['eth0', 'eth0peer'] });
    const input = [
      'link add eth0 type veth peer name eth0peer',
      'address add 198.51.100.1/24 dev eth0',
      'link set eth0 up',
      'link set eth0peer up',
    ];
    await run(['ip', '-n', ns.name, '-batch', '-'], { input: `${input.join('\n')}\n` });
    const alone = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', ALONE];
    const holder = await Tool.start(['nsenter', `--net=${ns.path}`, ...alone], { ready: /alone/ });
    const bed = new RuntimeBed(box, ns, holder);
    bed.#install();
    await bed.startDaemon();
    return bed;
  }

  /** Where runtimes are told to look. */
  get plugins(): string {
    return join(this.directory, 'bin');
  }
  get networks(): string {
    return join(this.directory, 'net.d');
  }
  get #inside(): string[] {
    return ['nsenter', '-t', String(this.#holder.pid), '-n', '-m', '--'];
  }

  /** Runs a program on this machine. */
  run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run([...this.#inside, ...argv], { timeoutMs: 60_000 * patience, ...options });
  }

  /** Starts a program that stays until the end of the test. */
  async start(argv: readonly string[], ready: RegExp): Promise<Tool> {
    const tool = await Tool.start([...this.#inside, ...argv], { ready, timeoutMs: 30_000 });
    this.#tools.push(tool);
    return tool;
  }

  /** At the place where `snnet-cni` looks for it by itself. */
  async startDaemon(): Promise<void> {
    const node = ['--id', 'machine', '--mode', 'vxlan', '--compute-net', '198.51.100.0/24'];
    const events = ['--events', join(this.directory, 'events'), '--allow-veth-uplink'];
    const main = join(PACKAGE_ROOT, 'dist', 'cli', 'main.js');
    const argv = [process.execPath, main, 'cni', 'serve', ...node, ...events];
    this.#daemon = await Tool.start([...this.#inside, ...argv], {
      ready: /serving \/run\/snnet\/cni.sock/,
    });
  }

  async stopDaemon(): Promise<void> {
    await this.#daemon?.stop();
    this.#daemon = undefined;
  }

  /** What the concentrator would have been told. */
  get events(): string[] {
    const file = join(this.directory, 'events');
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    return lines.map((line) => (JSON.parse(line) as { kind: string }).kind);
  }

  network(name: string, changes: object = {}, others: readonly object[] = []): void {
    const own = {
      type: 'snnet-cni',
      ...{ tenantId: 'alpha', subnetId: name, concId: 'cnci-alpha', concIp: '198.51.100.9' },
      ...{ subnet: SUBNET, subnetKey: 101 },
      ...changes,
    };
    const list = { cniVersion: '1.0.0', name, plugins: [own, ...others] };
    writeFileSync(join(this.networks, `10-${name}.conflist`), JSON.stringify(list));
  }

  /** An IPAM section; its state goes with the test. */
  hostLocal(first: number, last: number): object {
    const [rangeStart, rangeEnd] = [`172.16.1.${first}`, `172.16.1.${last}`];
    const dataDir = join(this.directory, 'ipam');
    return { type: 'host-local', dataDir, ranges: [[{ subnet: SUBNET, rangeStart, rangeEnd }]] };
  }

  /** Addresses that host-local has given out. */
  taken(network: string): string[] {
    const directory = join(this.directory, 'ipam', network);
    if (!existsSync(directory)) return [];
    return readdirSync(directory).filter((name) => /^\d/.test(name));
  }

  /** Links of ours on the machine. */
  async links(): Promise<string[]> {
    const links = await ipLinks(this.ns);
    return links.map(({ ifname }) => ifname).filter((name) => /^s(br|gt|vn)_/.test(name));
  }

  async vnics(): Promise<string[]> {
    return (await this.links()).filter((name) => name.startsWith('svn_'));
  }

  /** A bridge is deleted a little later than its last container. */
  async isEmpty(): Promise<boolean> {
    return await until(async () => (await this.links()).length === 0, 10_000 * patience);
  }

  /** A root file system of busybox, as a tar file. */
  async rootfs(): Promise<string> {
    const root = join(this.directory, 'rootfs');
    for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'run']) {
      mkdirSync(join(root, name), { recursive: true });
    }
    const { stdout } = await run(['sh', '-c', 'command -v busybox']);
    copyFileSync(stdout.trim(), join(root, 'bin', 'busybox'));
    for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet));
    const file = join(this.directory, 'rootfs.tar');
    await run(['tar', '-C', root, '-cf', file, '.']);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await killCgroup(this.cgroup);
    for (const tool of this.#tools.toReversed()) await tool.stop();
    await this.stopDaemon();
    await this.#holder.stop();
    rmSync(this.directory, { recursive: true, force: true });
    await this.box[Symbol.asyncDispose]();
  }

  #install(): void {
    mkdirSync(this.plugins);
    mkdirSync(this.networks);
    copyFileSync(FRONT, join(this.plugins, 'snnet-cni'));
    if (!existsSync(PLUGINS)) return;
    for (const name of readdirSync(PLUGINS))
      symlinkSync(join(PLUGINS, name), join(this.plugins, name));
  }
}

/** Ends what lives in the cgroups of this name, in every hierarchy, and removes them. */
async function killCgroup(name: string): Promise<void> {
  const places = [CGROUPS, ...directoriesIn(CGROUPS)].map((place) => join(place, name));
  const all = places.filter(existsSync).flatMap((place) => [...descend(place), place]);
  const pids = (): number[] => all.flatMap(processesIn);
  await until(() => {
    pids().forEach(killQuietly);
    return pids().length === 0;
  }, 10_000);
  // The runtime clears away too.
  for (const directory of all.filter(existsSync)) rmdirSync(directory);
}

function descend(directory: string): string[] {
  return directoriesIn(directory).flatMap((inner) => [...descend(inner), inner]);
}

function directoriesIn(directory: string): string[] {
  const entries = readdirSync(directory, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
}

function processesIn(directory: string): number[] {
  try {
    const text = readFileSync(join(directory, 'cgroup.procs'), 'utf8');
    return text
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 0);
  } catch {
    // A hierarchy of another version, or gone meanwhile.
    return [];
  }
}
