/** A concentrator's namespace with bridges, clients behind them, and a private directory for state. */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DhcpServers } from '#lib/dhcp/index';
import type { DhcpEvent, DhcpOptionsInput, DhcpSubnetInput } from '#lib/dhcp/index';
import { Kernel } from '#lib/kernel/index';
import { ipLink } from '../../support/oracle';
import { patience, run, until } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';

export const OWNER = '1f8b0000-0000-4000-8000-0000000000c1';

/** What a client was told. */
export type Offer = Readonly<Record<string, string>>;

export class DhcpBed implements AsyncDisposable {
  readonly box: Sandbox;
  readonly ns: Namespace;
  readonly stateDir: string;
  readonly events: DhcpEvent[] = [];
  readonly #opened: { kernel: Kernel; servers: DhcpServers }[] = [];
  readonly #directory: string;

  private constructor(box: Sandbox, ns: Namespace, directory: string) {
    this.box = box;
    this.ns = ns;
    this.#directory = directory;
    this.stateDir = join(directory, 'state');
  }

  static async open(): Promise<DhcpBed> {
    const box = await Sandbox.open();
    const ns = await box.netns('cnci', { leaves: [/^br/, /^port/] });
    const directory = mkdtempSync(join(tmpdir(), 'snnet-dhcp-'));
    // The servers' account has to get through.
    chmodSync(directory, 0o711);
    const bed = new DhcpBed(box, ns, directory);
    const script = '#!/bin/sh\n[ "$1" = bound ] && env\nexit 0\n';
    writeFileSync(bed.#script, script, { mode: 0o755 });
    return bed;
  }

  get #script(): string {
    return join(this.#directory, 'bound');
  }
  /** Where the files of {@link OWNER} lie. */
  get files(): string {
    return join(this.stateDir, OWNER);
  }

  /** As a new process would: a handle and servers of its own. */
  async servers(options: Partial<DhcpOptionsInput> = {}): Promise<DhcpServers> {
    const kernel = await Kernel.open({ netns: this.ns.path });
    try {
      const servers = await DhcpServers.open(kernel, {
        owner: OWNER,
        stateDir: this.stateDir,
        startTimeoutMs: 10_000 * patience,
        onEvent: (event) => this.events.push(event),
        ...options,
      });
      this.#opened.push({ kernel, servers });
      return servers;
    } catch (error) {
      await kernel.close();
      throw error;
    }
  }

  /** The process ends, whatever it was about to do: nothing is stopped. */
  async forget(servers: DhcpServers): Promise<void> {
    await servers.close();
    const index = this.#opened.findIndex((opened) => opened.servers === servers);
    await this.#opened.splice(index, 1)[0]?.kernel.close();
  }

  /** A bridge with the subnet's gateway address. */
  async bridge(linkName: string, subnet: string, mtu = 1450): Promise<DhcpSubnetInput> {
    const [network = '', length = ''] = subnet.split('/');
    const gateway = network.replace(/\d+$/, (last) => String(Number(last) + 1));
    const lines = [
      `link add ${linkName} type bridge`,
      `link set ${linkName} up`,
      `address add ${gateway}/${length} dev ${linkName}`,
    ];
    await run(['ip', '-n', this.ns.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
    const { ifindex } = await ipLink(this.ns, linkName);
    return { subnet, linkName, ifindex, mtu };
  }

  /** A namespace whose `eth0` is a port of the bridge. */
  async client(linkName: string, port = 'port0'): Promise<Namespace> {
    const ns = await this.box.netns('client');
    await this.box.link({ ns: this.ns, name: port }, { ns, name: 'eth0' });
    await run(['ip', '-n', this.ns.name, 'link', 'set', port, 'master', linkName]);
    return ns;
  }

  /** Asks for an address with this MAC; nothing where nobody answers. */
  async lease(client: Namespace, mac: string, ...more: string[]): Promise<Offer | undefined> {
    const lines = ['link set eth0 down', `link set eth0 address ${mac}`, 'link set eth0 up'];
    await run(['ip', '-n', client.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
    const options = ['mtu', 'router', 'dns', 'hostname', 'domain'].flatMap((name) => ['-O', name]);
    const flags = ['-i', 'eth0', '-n', '-q', '-f', '-t', '5', '-T', '1', '-s', this.#script];
    const argv = ['busybox', 'udhcpc', ...flags, ...options, ...more];
    const { status, stdout } = await this.box.exec(client, argv, {
      check: false,
      timeoutMs: 30_000 * patience,
    });
    if (status !== 0) return undefined;
    const fields = [...stdout.matchAll(/^(\w+)=(.*)$/gm)];
    return Object.fromEntries(fields.map(([, key = '', value = '']) => [key, value] as const));
  }

  /** Answers of a name server: addresses for a name, names for an address. */
  async resolve(server: string, name: string, from: Namespace = this.ns): Promise<string[]> {
    const argv = ['nsenter', `--net=${from.path}`, 'busybox', 'nslookup', name, server];
    const { stdout } = await run(argv, { check: false });
    const [, ...answer] = stdout.split(/^Address:.*:53$/m);
    return [...answer.join('').matchAll(/^(?:Address: |.*\tname = )(.+)$/gm)].map(
      ([, it = '']) => it,
    );
  }

  /** Resolves when the name server answers so: it reads its files anew in its own time. */
  async untilResolved(server: string, name: string, expected: readonly string[]): Promise<void> {
    let answer: string[] = [];
    await until(async () => {
      answer = await this.resolve(server, name);
      return JSON.stringify(answer) === JSON.stringify(expected);
    }, 10_000 * patience);
    expect(answer).toEqual(expected);
  }

  /** The servers that run in the namespace, by the kernel's word. */
  async pids(): Promise<number[]> {
    const { stdout } = await run(['ip', 'netns', 'pids', this.ns.name]);
    const pids = stdout.split('\n').filter((line) => line !== '');
    return pids
      .map(Number)
      .filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'dnsmasq\n');
  }

  /** Names of the files that lie there. */
  list(): string[] {
    return existsSync(this.files) ? readdirSync(this.files).sort() : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { kernel, servers } of this.#opened) {
      await servers.shutdown().finally(() => kernel.close());
    }
    await this.box[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
