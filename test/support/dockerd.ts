/**
 * A real dockerd in a network namespace: its own root directories in memory, its own /run, no network of
 * its own. Everything of it is gone when it is closed: containers, shims, mounts, cgroups.
 */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerNetwork } from '#lib/index';
import { PACKAGE_ROOT } from './child';
import { run, until } from './run';
import type { RunOptions, RunResult } from './run';
import { killQuietly } from './namespaces';
import type { Namespace } from './namespaces';
import { Tool } from './tool';

export const IMAGE = 'busybox:test';
const DOCKER = '/usr/bin/docker';
const CGROUPS = '/sys/fs/cgroup';
// Another docker may come first in the PATH of a developer's machine.
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
const PATIENCE_MS = 100_000;

/** A container that does nothing, and ends when it is told to. */
export const IDLE = ['/bin/sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1000 & wait; done'];

/** What `docker run` needs to know of a VNIC. */
export interface Place {
  readonly name: string;
  readonly network: string;
  readonly ip: string;
  readonly mac: string;
}

/** What a daemon is to have beside what it has anyway. */
export interface DockerdOptions {
  /** Words for `snnet docker-plugin`; `false`: no plugin. */
  readonly plugin?: readonly string[] | false;
  /** Words for the daemon. Default: it makes no network of its own. */
  readonly daemon?: readonly string[];
}

const NO_NETWORK = ['--bridge=none', '--iptables=false', '--ip6tables=false'];

export class Dockerd implements AsyncDisposable {
  readonly #ns: Pick<Namespace, 'path'>;
  readonly #network: readonly string[];
  readonly #scratch: string;
  readonly #holder: Tool;
  readonly #cgroup: string;
  #daemon: Tool | undefined;
  #plugin: Tool | undefined;

  private constructor(
    ns: Pick<Namespace, 'path'>,
    network: readonly string[],
    scratch: string,
    holder: Tool,
  ) {
    this.#ns = ns;
    this.#network = network;
    this.#scratch = scratch;
    this.#holder = holder;
    this.#cgroup = `snnet-test-${String(holder.pid)}`;
  }

  /** Starts a plugin and a daemon, and gives the daemon an image. */
  static async open(ns: Pick<Namespace, 'path'>, options: DockerdOptions = {}): Promise<Dockerd> {
    const scratch = mkdtempSync(join(tmpdir(), 'snnet-dockerd-'));
    const script = [
      'mount -t tmpfs tmpfs /run',
      'mkdir -p /run/docker/plugins /run/etc /run/work /run/root',
      // Docker has nowhere else to read of plugins; the machine's own is not to see it.
      'mount -t overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work overlay /etc',
      'echo ready; exec sleep infinity',
    ].join(' && ');
    const enter = ['nsenter', `--net=${ns.path}`, 'unshare', '--mount', '--propagation', 'private'];
    const holder = await Tool.start([...enter, 'sh', '-c', script], { ready: /ready/ });
    const { plugin = [], daemon = NO_NETWORK } = options;
    const dockerd = new Dockerd(ns, daemon, scratch, holder);
    try {
      if (plugin !== false) await dockerd.startPlugin(plugin);
      await dockerd.startDaemon();
      await dockerd.#importImage();
      return dockerd;
    } catch (error) {
      await dockerd.close();
      throw error;
    }
  }

  /** Runs a program where the daemon lives. */
  exec(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const env = { PATH, DOCKER_HOST: 'unix:///run/docker.sock', ...options.env };
    return run(this.#inside(argv), { timeoutMs: PATIENCE_MS, ...options, env });
  }

  /** `docker …`; gives what it printed. */
  async docker(...words: readonly string[]): Promise<string> {
    return (await this.exec([DOCKER, ...words])).stdout.trim();
  }

  /** `docker …`, which is expected to fail; gives its words. */
  async refusal(...words: readonly string[]): Promise<string> {
    const { status, stderr } = await this.exec([DOCKER, ...words], { check: false });
    expect(status).not.toBe(0);
    return stderr;
  }

  /** What the launcher does when it is told of a network. */
  async createNetwork(network: ContainerNetwork, driver = 'snnet'): Promise<void> {
    const { bridge, subnet, gateway, subnetId } = network;
    const addresses = ['--subnet', subnet, '--gateway', gateway, '--opt', `bridge=${bridge}`];
    await this.docker(
      'network',
      'create',
      '-d',
      driver,
      '--ipam-driver',
      driver,
      ...addresses,
      subnetId,
    );
  }

  /** Runs a container in the background. */
  run(place: Place, ...options: readonly string[]): Promise<string> {
    return this.docker('run', '-d', ...placed(place), ...options, IMAGE, ...IDLE);
  }

  /** Runs a program in a container. */
  inside(container: string, ...argv: readonly string[]): Promise<string> {
    return this.docker('exec', container, ...argv);
  }

  /** Pings from a container; gives how many answers came. */
  async ping(container: string, address: string, count = 2): Promise<number> {
    const flags = ['-c', String(count), '-W', '2', '-i', '0.2'];
    const argv = [DOCKER, 'exec', container, 'ping', ...flags, address];
    const { stdout } = await this.exec(argv, { check: false });
    return Number(/(\d+) packets received/.exec(stdout)?.[1] ?? Number.NaN);
  }

  /** @param settings - As in a file of `NAME=value`. */
  async startPlugin(
    options: readonly string[] = [],
    settings: readonly string[] = [],
  ): Promise<Tool> {
    const cli = join(PACKAGE_ROOT, 'dist', 'cli', 'main.js');
    const words = ['docker-plugin', '--data-dir', '/run/snnet', ...options];
    const program = ['env', ...settings, process.execPath, cli, ...words];
    const tool = await Tool.start(this.#inside(program), {
      ready: /docker finds \S+ at/,
    });
    this.#plugin = tool;
    return tool;
  }

  /** As a power cut would: nothing of its own runs any more. */
  async killPlugin(): Promise<void> {
    await endTool(this.#plugin, 'SIGKILL');
  }

  async startDaemon(...options: readonly string[]): Promise<void> {
    const flags = [
      ...this.#network,
      ...['-s', 'overlay2', '--userland-proxy=false', '--exec-opt', 'native.cgroupdriver=cgroupfs'],
      ...[`--cgroup-parent=/${this.#cgroup}`, '--pidfile=/run/dockerd.pid'],
      ...['--data-root=/run/root', '--exec-root=/run/exec', '-H', 'unix:///run/docker.sock'],
    ];
    const argv = ['env', `PATH=${PATH}`, '/usr/sbin/dockerd', ...flags, ...options];
    this.#daemon = await Tool.start(this.#inside(argv), {
      ready: /API listen on/,
      timeoutMs: PATIENCE_MS,
    });
  }

  async stopDaemon(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await endTool(this.#daemon, signal);
    this.#daemon = undefined;
    if (signal === 'SIGTERM') return;
    // Its containerd dies with it, but where nobody reaps it, it looks alive for ever.
    await this.exec(['rm', '-f', '/run/dockerd.pid', '/run/exec/containerd/containerd.pid']);
  }

  /** What the daemon said, for the reader of a failure. */
  get log(): string {
    return this.#daemon?.stderr ?? '';
  }

  async close(): Promise<void> {
    if (this.#daemon?.running === true) {
      await this.exec(['sh', '-c', `${DOCKER} ps -aq | xargs -r ${DOCKER} rm -f`], {
        check: false,
      }).catch(() => undefined);
    }
    await endTool(this.#daemon, 'SIGTERM');
    await endTool(this.#plugin, 'SIGTERM');
    await this.#killRest();
    await endTool(this.#holder, 'SIGKILL');
    removeCgroups(this.#cgroup);
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #inside(argv: readonly string[]): string[] {
    const mounts = `/proc/${String(this.#holder.pid)}/ns/mnt`;
    return ['nsenter', `--net=${this.#ns.path}`, `--mount=${mounts}`, ...argv];
  }

  /** Shims, and containers of a daemon that was killed: all that see our /run. */
  async #killRest(): Promise<void> {
    const pid = String(this.#holder.pid);
    const mounts = mountsOf(pid);
    const others = (): string[] =>
      processes().filter(
        (other) => other !== pid && (isIn(other, mounts) || isOfCgroup(other, this.#cgroup)),
      );
    const areGone = (): boolean => {
      const found = others();
      for (const other of found) killQuietly(Number(other));
      return found.length === 0;
    };
    await until(areGone, 10_000);
  }

  async #importImage(): Promise<void> {
    const script = [
      `mkdir -p ${this.#scratch}/bin ${this.#scratch}/etc ${this.#scratch}/tmp`,
      `for name in $(busybox --list); do ln -sf busybox ${this.#scratch}/bin/$name; done`,
      `rm -f ${this.#scratch}/bin/busybox`,
      `cp "$(command -v busybox)" ${this.#scratch}/bin/busybox`,
      `tar -C ${this.#scratch} -c . | ${DOCKER} import - ${IMAGE}`,
    ].join('; ');
    await this.exec(['sh', '-c', script]);
  }
}

/** The words that give a container its VNIC. */
export function placed({ name, network, ip, mac }: Place): string[] {
  return ['--name', name, '--net', network, '--ip', ip, '--mac-address', mac];
}

async function endTool(tool: Tool | undefined, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (tool?.running !== true || tool.pid === undefined) return;
  process.kill(tool.pid, signal);
  if (await until(() => !tool.running, PATIENCE_MS)) return;
  await tool.stop();
}

function mountsOf(pid: string): string | undefined {
  return readQuietly(() => readlinkSync(`/proc/${pid}/ns/mnt`));
}

function isIn(pid: string, mounts: string | undefined): boolean {
  return mounts !== undefined && mountsOf(pid) === mounts;
}

function isOfCgroup(pid: string, cgroup: string): boolean {
  const text = readQuietly(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  return text?.includes(`/${cgroup}/`) === true;
}

function processes(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

/** Processes and groups come and go while they are looked at. */
function readQuietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** Deepest first; a group without processes can go. */
function removeCgroups(name: string): void {
  const roots = [CGROUPS, ...readdirSync(CGROUPS).map((controller) => join(CGROUPS, controller))];
  for (const root of roots) {
    const group = join(root, name);
    const below = readQuietly(() => readdirSync(group, { recursive: true, withFileTypes: true }));
    const directories = (below ?? []).filter((entry) => entry.isDirectory());
    const paths = directories.map((entry) => join(entry.parentPath, entry.name));
    for (const path of paths.sort((a, b) => b.length - a.length))
      readQuietly(() => rmdirSync(path));
    if (below !== undefined) rmdirSync(group);
  }
}
