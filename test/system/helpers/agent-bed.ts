/**
 * Two compute nodes, a tenant's concentrator with its agent as a process of its own, and somebody outside;
 * all on 198.51.100.0/24. What launcher and agent say goes by whatever carrier the test brings.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentReport, AgentRequest, TenantEvent, TunnelEvent, VnicConfig } from '#lib/index';
import { ComputeNode, subnetKeyOf } from '#lib/index';
import { parseTenantSubnet } from '#lib/model/index';
import type { Ipv4Address, TunnelKey } from '#lib/model/index';
import { tearDown } from '../../kernel/helpers/agent-stand';
import { patience } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';
import { openUnderlay, UNDERLAY } from '../../support/underlay';
import { AgentProcess } from './agent-process';

export const TENANT = '2491851d-dce9-48d6-b83a-a717417072ce';
export const CNCI = '3390740c-dce9-48d6-b83a-a717417072ce';
export const CNCI_ADDRESS = '198.51.100.1';
export const NODES = ['cn1', 'cn2'] as const;
export type NodeName = (typeof NODES)[number];
export const NODE_IDS: Readonly<Record<NodeName, string>> = {
  cn1: '2478711d-dce9-48d6-b83a-000000000001',
  cn2: '2478711d-dce9-48d6-b83a-000000000002',
};

type Placed = Namespace & { readonly address: string };

/** How messages get from launchers and controllers to the agent, and its reports back. */
export interface Carrier extends AsyncDisposable {
  /** Of `snnet agent`; it may write files there. */
  agentWords(directory: string): readonly string[];
  /** As a controller; resolves when it is on its way. */
  command(request: AgentRequest): Promise<void>;
  /** As the launcher of a node: what `createVnic` said is to reach the agent, now or later. */
  tell(node: NodeName, event: TenantEvent): Promise<void>;
  /** The reports of a kind, once there are so many. */
  reported(kind: AgentReport['kind'], count: number): Promise<readonly AgentReport[]>;
}

export interface WorkloadPlace {
  readonly node: NodeName;
  /** Address, and which of its subnet. */
  readonly ip: string;
  readonly subnet?: string;
  /** Gets the address from the configuration; else it asks the subnet's server. Default: true. */
  readonly isAttached?: boolean;
}

/** A workload in a namespace of its own, behind a VNIC that `createVnic` made. */
export interface Workload {
  readonly ns: Namespace;
  readonly config: VnicConfig;
  /** What the call said to the concentrator; absent where it said nothing. */
  readonly event: TunnelEvent | undefined;
}

export class AgentBed implements AsyncDisposable {
  readonly box: Sandbox;
  readonly carrier: Carrier;
  readonly directory = mkdtempSync(join(tmpdir(), 'snnet-bed-'));
  readonly cnci: Placed;
  readonly outside: Placed;
  readonly nodes: Readonly<Record<NodeName, ComputeNode>>;
  agent!: AgentProcess;
  readonly #places: Readonly<Record<NodeName, Placed>>;
  readonly #workloads: Workload[] = [];

  private constructor(
    box: Sandbox,
    carrier: Carrier,
    places: Readonly<Record<'cnci' | 'outside' | NodeName, Placed>>,
    nodes: Readonly<Record<NodeName, ComputeNode>>,
  ) {
    this.box = box;
    this.carrier = carrier;
    this.cnci = places.cnci;
    this.outside = places.outside;
    this.#places = places;
    this.nodes = nodes;
    // The account of the DHCP servers has to get through.
    chmodSync(this.directory, 0o711);
  }

  static async open(carrier: Carrier): Promise<AgentBed> {
    const box = await Sandbox.open();
    const places = await openUnderlay(box, ['cnci', ...NODES, 'outside']);
    const open = (name: NodeName): Promise<ComputeNode> =>
      ComputeNode.open({
        id: NODE_IDS[name],
        mode: 'vxlan',
        computeNets: [UNDERLAY],
        netns: places[name].path,
        allowVethUplink: true,
        timeoutMs: 6000 * patience,
      });
    const nodes = { cn1: await open('cn1'), cn2: await open('cn2') };
    const bed = new AgentBed(box, carrier, places, nodes);
    await bed.startAgent();
    return bed;
  }

  async startAgent(): Promise<void> {
    this.agent = await AgentProcess.start({
      id: CNCI,
      netns: this.cnci.path,
      directory: this.directory,
      words: ['--tenant-id', TENANT, ...this.carrier.agentWords(this.directory)],
    });
  }

  /** The agent dies, and comes again. */
  async killAgent(): Promise<void> {
    await this.agent.kill();
    await this.startAgent();
  }

  /** Makes a VNIC for a workload; what is to be told is told, unless `tell` is false. */
  async createWorkload(place: WorkloadPlace, tell = true): Promise<Workload> {
    const { node, ip, subnet = '172.16.1.0/24', isAttached = true } = place;
    const ns = await this.box.netns(`w-${ip.split('.').slice(2).join('-')}`);
    const bytes = ip.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
    const config: VnicConfig = {
      role: 'container',
      tenantId: TENANT,
      subnetId: subnet.replace('/', '-'),
      concId: CNCI,
      concIp: CNCI_ADDRESS,
      vnicId: `vnic-${ip}`,
      instanceId: `instance-${ip}`,
      vnicIp: ip,
      vnicMac: `02:00:${bytes.join(':')}`,
      subnet,
      subnetKey: Number(subnetKeyOf(parseTenantSubnet(subnet, 'subnet'))),
      ...(isAttached && { attach: { netns: ns.path } }),
    };
    const { event, vnic } = await this.nodes[node].createVnic(config);
    if (!isAttached) {
      const argv = [
        'ip',
        'link',
        'set',
        'dev',
        vnic.interfaceName,
        'netns',
        ns.name,
        'name',
        'eth0',
      ];
      await this.box.exec(this.#places[node], argv);
      await this.box.exec(ns, ['ip', 'link', 'set', 'dev', 'eth0', 'up']);
    }
    const workload: Workload = { ns, config, event };
    this.#workloads.push(workload);
    if (event !== undefined && tell) await this.carrier.tell(node, toTenantEvent(event));
    return workload;
  }

  async destroyWorkload(node: NodeName, workload: Workload): Promise<TunnelEvent | undefined> {
    const { event } = await this.nodes[node].destroyVnic(workload.config);
    if (event !== undefined) await this.carrier.tell(node, toTenantEvent(event));
    return event;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent.tool.stop();
    for (const node of Object.values(this.nodes)) {
      await node.resetNetwork();
      await node.settle();
      await node.close();
    }
    await tearDown({
      id: CNCI,
      tenantId: TENANT,
      mode: 'vxlan',
      computeNets: [UNDERLAY],
      netns: this.cnci.path,
      allowVethUplink: true,
      dhcp: { stateDir: join(this.directory, 'dhcp') },
    });
    rmSync(this.directory, { recursive: true, force: true });
    await this.carrier[Symbol.asyncDispose]();
    await this.box[Symbol.asyncDispose]();
  }
}

/** The launcher's event as it travels. */
export function toTenantEvent(event: TunnelEvent): TenantEvent {
  return {
    kind: event.kind === 'tunnel-add' ? 'tenant-added' : 'tenant-removed',
    agentUuid: event.cnId,
    agentIp: event.cnIp as Ipv4Address,
    tenantUuid: event.tenantId,
    tenantSubnet: parseTenantSubnet(event.subnet, 'subnet'),
    concentratorUuid: event.concId,
    concentratorIp: event.cnciIp as Ipv4Address,
    subnetKey: event.subnetKey as TunnelKey,
    tunnel: event.tunnel,
  };
}
