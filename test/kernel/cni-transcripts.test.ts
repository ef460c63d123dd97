/** What real clients sent, word for word and in their order, to our plugin. */
import { callCni } from '../support/cni';
import { CLIENTS, linesOf, RECORDED_SUBNET } from '../support/cni-transcripts';
import type { CniLine } from '../support/cni-transcripts';
import { needs } from '../support/reasons';
import { CniBed } from './helpers/cni-bed';
import { findDisorder, ourLinks } from './helpers/node';

/** Plays the part of the client's machine: its namespaces, and what it remembers of each ADD. */
class Replay {
  readonly #bed: CniBed;
  readonly #namespaces = new Map<string, string>();
  readonly #results = new Map<string, unknown>();
  readonly #networks: string[] = [];
  #addresses = 100;

  constructor(bed: CniBed) {
    this.#bed = bed;
  }

  /** What has been added and not deleted. */
  get attached(): number {
    return this.#results.size;
  }

  async play({ env, stdin }: CniLine): Promise<void> {
    const read = (name: string): string => env[name] ?? '';
    const command = read('CNI_COMMAND');
    const name = String(stdin['name']);
    const key = [name, read('CNI_CONTAINERID'), read('CNI_IFNAME')].join(' ');
    const { status, stdout, result } = await callCni({
      command,
      containerId: read('CNI_CONTAINERID'),
      netns: await this.#netns(read('CNI_NETNS')),
      ifname: read('CNI_IFNAME'),
      args: read('CNI_ARGS'),
      config: command === 'VERSION' ? stdin : this.#config(stdin, env, key),
    });
    expect({ status, stdout: status === 0 ? '' : stdout }).toEqual({ status: 0, stdout: '' });
    if (command === 'ADD') this.#results.set(key, result);
    else if (command !== 'VERSION') expect(stdout).toBe('');
    if (command === 'DEL') this.#results.delete(key);
  }

  /** As it was sent, but for what only the plugin that wrote it down knew. */
  #config(stdin: CniLine['stdin'], env: CniLine['env'], key: string): object {
    const { tenant: _tenant, prevResult, ...sent } = stdin;
    const name = String(stdin['name']);
    if (!this.#networks.includes(name)) this.#networks.push(name);
    const runtime = (stdin['runtimeConfig'] ?? {}) as { ips?: unknown };
    const hasAddress = runtime.ips !== undefined || /\bIP=/.test(env['CNI_ARGS'] ?? '');
    // That plugin invented addresses for those who asked for none.
    const ips = hasAddress ? [] : [`10.77.0.${(this.#addresses += 1)}`];
    return this.#bed.config({
      ...sent,
      subnetId: name,
      subnet: RECORDED_SUBNET,
      subnetKey: 100 + this.#networks.indexOf(name),
      args: { cni: { ips } },
      ...(prevResult !== undefined && { prevResult: this.#results.get(key) ?? prevResult }),
    });
  }

  async #netns(path: string): Promise<string> {
    if (!path.startsWith('/')) return path;
    const known = this.#namespaces.get(path) ?? (await this.#bed.container('r')).path;
    this.#namespaces.set(path, known);
    return known;
  }
}

for (const client of CLIENTS) {
  needs('vxlan')(`everything that ${client} sent is served`, async () => {
    await using bed = await CniBed.open();
    const replay = new Replay(bed);
    for (const line of linesOf(client)) {
      await replay.play(line);
      expect((await ourLinks(bed.ns)).vnics).toHaveLength(replay.attached);
    }
    expect(replay.attached).toBe(0);
    expect(await findDisorder(bed.ns)).toEqual([]);
  });
}
