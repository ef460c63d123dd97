/** One process of an agent, with a transport whose far end is the test. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openCnciAgent } from '#lib/agent/agent';
import type { CnciAgent } from '#lib/agent/agent';
import type { HostHooks } from '#lib/host/index';
import {
  CNCI_ID,
  HandTransport,
  TENANT,
  publicIpYaml,
  refreshYaml,
  tearDown,
  tenantYaml,
} from '../../kernel/helpers/agent-stand';
import type { Attempt, Scene } from './operation';

export type Asked =
  /** `node`: the last byte of the compute node's address; `launcher`: another than the node's own. */
  | {
      readonly kind: 'tenant-added' | 'tenant-removed';
      readonly node: number;
      readonly launcher?: number;
      readonly key?: number;
    }
  | {
      readonly kind: 'assign-public-ip' | 'release-public-ip';
      readonly publicIp: string;
      readonly privateIp: string;
    }
  /** The other concentrators, by the last byte of their addresses. */
  | { readonly kind: 'refresh-cnci'; readonly neighbours: readonly number[] };

export interface AgentRow {
  readonly name: string;
  readonly prepare: readonly Asked[];
  readonly act: Asked;
}

function toYaml(asked: Asked): string {
  switch (asked.kind) {
    case 'tenant-added':
    case 'tenant-removed':
      return tenantYaml(asked.kind, {
        agentUuid: `2478711d-dce9-48d6-b83a-a717417072${String(asked.launcher ?? asked.node)}`,
        agentIp: `198.51.100.${String(asked.node)}`,
        ...(asked.key !== undefined && { subnetKey: asked.key }),
      });
    case 'assign-public-ip':
    case 'release-public-ip':
      return publicIpYaml(asked.kind, asked.publicIp, asked.privateIp);
    case 'refresh-cnci':
      return refreshYaml(
        [1, ...asked.neighbours].map((n) => ({
          physicalIp: `198.51.100.${String(n)}`,
          subnet: `172.16.${String(100 + n)}.0/24`,
          tunnelIp: `192.168.64.${String(n)}`,
        })),
      );
  }
}

function cnciOptions({ node, directory }: Scene) {
  return {
    id: CNCI_ID,
    tenantId: TENANT,
    mode: 'vxlan',
    computeNets: ['198.51.100.0/24'],
    netns: node,
    allowVethUplink: true,
    timeoutMs: 60_000,
    dhcp: { stateDir: join(directory, 'dhcp') },
  } as const;
}

export class AgentAttempt implements Attempt {
  readonly #agent: CnciAgent;
  readonly #transport: HandTransport;
  readonly #scene: Scene;
  readonly #row: AgentRow;
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;

  private constructor(agent: CnciAgent, transport: HandTransport, scene: Scene, row: AgentRow) {
    this.#agent = agent;
    this.#transport = transport;
    this.#scene = scene;
    this.#row = row;
    this.#running = agent.run(this.#ending.signal);
  }

  static async open(scene: Scene, hooks: HostHooks, row: AgentRow): Promise<AgentAttempt> {
    const transport = new HandTransport();
    const dataDir = join(scene.directory, 'data');
    const agent = await openCnciAgent(
      { cnci: cnciOptions(scene), dataDir, transport, subnetKeys: 'any' },
      hooks,
    );
    const attempt = new AgentAttempt(agent, transport, scene, row);
    await attempt.settle();
    return attempt;
  }

  async prepare(): Promise<void> {
    for (const asked of this.#row.prepare) await this.#ask(asked);
    await this.settle();
  }
  act(): Promise<unknown> {
    return this.#ask(this.#row.act);
  }
  async findings(): Promise<readonly string[]> {
    return [];
  }
  async repair(): Promise<void> {
    await this.settle();
  }
  settle(): Promise<void> {
    return this.#agent.settle();
  }
  async clear(): Promise<void> {
    await this.close();
    await tearDown(cnciOptions(this.#scene));
    for (const name of ['data', 'dhcp'])
      rmSync(join(this.#scene.directory, name), { recursive: true, force: true });
  }
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
    await this.#agent.close();
  }

  async #ask(asked: Asked): Promise<void> {
    const outcome = await this.#transport.deliver(asked.kind, toYaml(asked));
    if (outcome !== 'done') throw new Error(`${asked.kind}: ${outcome}`);
  }
}
