/** What the daemon behind `snnet-cni` does when a runtime asks. */
import { CniPlugin } from '#lib/cni/index';
import { openComputeNode } from '#lib/compute-node/index';
import type { ComputeNode } from '#lib/compute-node/index';
import type { HostHooks } from '#lib/host/index';
import type { Attempt, Operation, Scene } from './operation';

interface Row {
  readonly name: string;
  readonly prepare: readonly Request[];
  readonly act: Request;
}

interface Request {
  readonly command: 'ADD' | 'DEL';
  readonly container: string;
  readonly ifname: string;
  readonly ip: string;
}

const FIRST: Request = { command: 'ADD', container: 'c1', ifname: 'eth0', ip: '172.16.1.5' };
const SECOND: Request = { command: 'ADD', container: 'c2', ifname: 'eth1', ip: '172.16.1.6' };

const ROWS: readonly Row[] = [
  { name: 'CNI ADD: the first container', prepare: [], act: FIRST },
  { name: 'CNI ADD: another container', prepare: [FIRST], act: SECOND },
  {
    name: 'CNI DEL: one of two containers',
    prepare: [FIRST, SECOND],
    act: { ...SECOND, command: 'DEL' },
  },
  { name: 'CNI DEL: the last container', prepare: [FIRST], act: { ...FIRST, command: 'DEL' } },
];

class CniAttempt implements Attempt {
  readonly #node: ComputeNode;
  readonly #plugin: CniPlugin;
  readonly #scene: Scene;
  readonly #row: Row;

  constructor(node: ComputeNode, scene: Scene, row: Row) {
    this.#node = node;
    this.#plugin = new CniPlugin(node, { onTunnelEvent: () => undefined, netns: scene.node });
    this.#scene = scene;
    this.#row = row;
  }

  async prepare(): Promise<void> {
    for (const request of this.#row.prepare) await this.#ask(request);
    await this.settle();
  }
  act(): Promise<unknown> {
    return this.#ask(this.#row.act);
  }
  async findings(): Promise<readonly string[]> {
    return this.#node.topology().findings.map(({ type, text }) => `${type}: ${text}`);
  }
  async repair(): Promise<void> {
    await this.#node.repair();
    await this.settle();
  }
  settle(): Promise<void> {
    return this.#node.settle();
  }
  async clear(): Promise<void> {
    await this.#node.resetNetwork();
    await this.settle();
  }
  close(): Promise<void> {
    return this.#node.close();
  }

  async #ask({ command, container, ifname, ip }: Request): Promise<void> {
    const config = JSON.stringify({
      ...{ cniVersion: '1.0.0', name: 'web', type: 'snnet-cni' },
      ...{ tenantId: 't', subnetId: 's', concId: 'c', concIp: '198.51.100.9' },
      ...{ subnet: '172.16.1.0/24', subnetKey: 4711, runtimeConfig: { ips: [ip] } },
    });
    const environment = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: container,
      CNI_NETNS: this.#scene.container,
      CNI_IFNAME: ifname,
    };
    const { signal } = new AbortController();
    const outcome = await this.#plugin.handle({ environment, config }, undefined, signal);
    if (outcome.kind !== 'answer' || outcome.status !== 0)
      throw new Error(outcome.kind === 'answer' ? outcome.text : outcome.kind);
  }
}

export const CNI: readonly Operation[] = ROWS.map((row) => ({
  name: row.name,
  needs: ['vxlan'],
  survivesCuts: true,
  async open(scene: Scene, hooks: HostHooks) {
    const options = {
      id: '44444444-4444-4444-8444-444444444444',
      mode: 'vxlan',
      computeNets: ['198.51.100.0/24'],
      netns: scene.node,
      allowVethUplink: true,
      timeoutMs: 60_000,
    } as const;
    const attempt = new CniAttempt(await openComputeNode(options, hooks), scene, row);
    await attempt.settle();
    return attempt;
  },
}));
