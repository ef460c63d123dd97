/** A concentrator's namespace, its agent in this process, and a transport whose far end is the test. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCnciAgent } from '#lib/agent/agent';
import { Cnci } from '#lib/cnci/index';
import { Firewall } from '#lib/firewall/index';
import type { HostHooks } from '#lib/host/index';
import type {
  CnciAgent,
  AgentReport,
  AgentRequestKind,
  AgentTransport,
  CnciAgentOptionsInput,
  Logger,
  TransportListener,
} from '#lib/index';
import type { CnciOptionsInput } from '#lib/model/index';
import { ipLinks } from '../../support/oracle';
import { patience, run, until } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';
import { openUnderlay, UNDERLAY } from '../../support/underlay';

export const CNCI_ID = '3390740c-dce9-48d6-b83a-a717417072ce';
export const LAUNCHER = '2478711d-dce9-48d6-b83a-a717417072ce';
export const TENANT = '2491851d-dce9-48d6-b83a-a717417072ce';

/** A transport as the agent sees one. */
export class HandTransport implements AgentTransport {
  readonly name: 'ssntp' | 'nats';
  readonly reports: AgentReport[] = [];
  readonly messageIds: string[] = [];
  #listener: TransportListener | undefined;
  #isOnline = false;

  constructor(name: 'ssntp' | 'nats' = 'ssntp') {
    this.name = name;
  }

  receive(listener: TransportListener, signal: AbortSignal): Promise<void> {
    this.#listener = listener;
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  async report(report: AgentReport, messageId: string): Promise<void> {
    if (!this.#isOnline) throw new Error('there is no connection');
    this.reports.push(report);
    this.messageIds.push(messageId);
  }

  connect(): void {
    this.#isOnline = true;
    this.#listener?.connected('the test');
  }

  disconnect(): void {
    this.#isOnline = false;
    this.#listener?.disconnected(new Error('the test says so'));
  }

  deliver(
    kind: AgentRequestKind,
    payload: string,
    sequence?: number,
    count = 'stream@1',
  ): Promise<'done' | 'refused'> {
    const order = sequence === undefined ? {} : { sequence, count };
    return this.#listener!.request({ kind, payload, ...order });
  }

  /** The reports of these kinds, once there are so many of all. */
  async reported(count: number): Promise<readonly AgentReport[]> {
    await until(() => this.reports.length >= count, 10_000 * patience);
    return this.reports;
  }
}

/** Log lines by what they say. */
export class Log {
  readonly lines: string[] = [];
  readonly logger: Logger = {
    debug: () => undefined,
    info: (message) => void this.lines.push(`info ${message}`),
    warn: (message) => void this.lines.push(`warn ${message}`),
    error: (message) => void this.lines.push(`error ${message}`),
  };
}

/** An agent at work. */
export interface Working {
  readonly agent: CnciAgent;
  readonly transport: HandTransport;
  /** Ends it in order. */
  end(): Promise<void>;
}

export class AgentStand implements AsyncDisposable {
  readonly box: Sandbox;
  readonly ns: Namespace;
  readonly peers: readonly Namespace[];
  readonly log = new Log();
  readonly directory = mkdtempSync(join(tmpdir(), 'snnet-agent-'));
  readonly #working = new Set<Working>();

  private constructor(box: Sandbox, ns: Namespace, peers: readonly Namespace[]) {
    this.box = box;
    this.ns = ns;
    this.peers = peers;
    // The account of the DHCP servers has to get through.
    chmodSync(this.directory, 0o711);
  }

  /** The concentrator is 198.51.100.1, the compute nodes follow. */
  static async open(peers: readonly string[] = []): Promise<AgentStand> {
    const box = await Sandbox.open();
    const nodes = await openUnderlay(box, ['cnci', ...peers]);
    return new AgentStand(
      box,
      nodes['cnci']!,
      peers.map((peer) => nodes[peer]!),
    );
  }

  cnciOptions(more: Partial<CnciOptionsInput> = {}): CnciOptionsInput {
    return {
      id: CNCI_ID,
      tenantId: TENANT,
      mode: 'vxlan',
      computeNets: [UNDERLAY],
      netns: this.ns.path,
      allowVethUplink: true,
      dhcp: { stateDir: join(this.directory, 'dhcp') },
      ...more,
    };
  }

  /** Opens an agent, and lets it run until {@link Working.end}. */
  async work(
    more: Partial<CnciAgentOptionsInput> & { readonly transport?: HandTransport } = {},
    hooks: HostHooks = {},
  ): Promise<Working> {
    const { transport = new HandTransport() } = more;
    const agent = await openCnciAgent(
      {
        cnci: this.cnciOptions(),
        dataDir: join(this.directory, 'data'),
        logger: this.log.logger,
        ...more,
        transport,
      },
      hooks,
    );
    const ending = new AbortController();
    const running = agent.run(ending.signal);
    const working: Working = {
      agent,
      transport,
      end: async () => {
        this.#working.delete(working);
        ending.abort();
        await running;
        await agent.close();
      },
    };
    this.#working.add(working);
    return working;
  }

  /** Which compute nodes a subnet is tunnelled to. */
  async remotes(subnet = '172.16.1.0/24'): Promise<string[]> {
    const links = await ipLinks(this.ns);
    const alias = `vxlan_${subnet.replace('/', '+')}`;
    const device = links.find(({ ifalias }) => ifalias === alias);
    if (device === undefined) return [];
    const { stdout } = await this.box.exec(this.ns, [
      'bridge',
      'fdb',
      'show',
      'dev',
      device.ifname,
    ]);
    return [...stdout.matchAll(/00:00:00:00:00:00 dst (\S+)/g)].map(([, ip]) => ip!).sort();
  }

  async ruleset(): Promise<string> {
    return (await this.box.exec(this.ns, ['nft', 'list', 'ruleset'])).stdout;
  }

  /** The processes of the DHCP servers: nothing else lives in the namespace. */
  async servers(): Promise<readonly string[]> {
    const { stdout } = await run(['ip', 'netns', 'pids', this.ns.name]);
    return stdout.trim().split('\n').filter(Boolean).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const working of [...this.#working]) await working.end();
    await tearDown(this.cnciOptions());
    rmSync(this.directory, { recursive: true, force: true });
    await this.box[Symbol.asyncDispose]();
  }
}

/** Removes what an agent leaves behind on purpose. */
export async function tearDown(options: CnciOptionsInput): Promise<void> {
  const cnci = await Cnci.open(options);
  const externalDevices = cnci.computeLinks.map(({ linkName }) => linkName);
  await cnci.shutdown({ timeoutMs: 60_000 });
  await cnci.settle();
  await cnci.close();
  const firewall = await Firewall.open({
    externalDevices,
    ...(options.netns !== undefined && { netns: options.netns }),
  });
  await firewall.shutdown();
  await firewall.close();
}

interface TenantWords {
  readonly agentUuid?: string;
  readonly agentIp?: string;
  readonly tenantSubnet?: string;
  readonly subnetKey?: number;
  readonly concentratorUuid?: string;
}

/** The YAML of a launcher's event; the key is the one that ciao's launchers compute, unless it is said. */
export function tenantYaml(kind: 'tenant-added' | 'tenant-removed', words: TenantWords): string {
  const {
    agentUuid = LAUNCHER,
    agentIp = '198.51.100.2',
    tenantSubnet = '172.16.1.0/24',
    concentratorUuid = CNCI_ID,
  } = words;
  const [first = 0, second = 0, third = 0] = tenantSubnet.split('.').map(Number);
  const { subnetKey = first + second * 256 + third * 65_536 } = words;
  return [
    `${kind.replace('-', '_')}:`,
    `  agent_uuid: ${agentUuid}`,
    `  agent_ip: ${agentIp}`,
    `  tenant_uuid: ${TENANT}`,
    `  tenant_subnet: ${tenantSubnet}`,
    `  concentrator_uuid: ${concentratorUuid}`,
    '  concentrator_ip: 198.51.100.1',
    `  subnet_key: ${String(subnetKey)}`,
    '',
  ].join('\n');
}

/** The YAML of a controller's command. */
export function publicIpYaml(
  kind: 'assign-public-ip' | 'release-public-ip',
  publicIp: string,
  privateIp: string,
): string {
  return [
    `${kind.replaceAll('-', '_')}:`,
    `  concentrator_uuid: ${CNCI_ID}`,
    `  tenant_uuid: ${TENANT}`,
    '  instance_uuid: 2478251d-dce9-48d6-b83a-a717417072ce',
    `  public_ip: ${publicIp}`,
    `  private_ip: ${privateIp}`,
    '  vnic_mac: "02:00:10:20:30:40"',
    '',
  ].join('\n');
}

interface NeighbourWords {
  readonly physicalIp: string;
  readonly subnet: string;
  readonly tunnelIp: string;
}

/** The YAML of a list of concentrators. */
export function refreshYaml(entries: readonly NeighbourWords[], cnciUuid = CNCI_ID): string {
  const lines = entries.flatMap(({ physicalIp, subnet, tunnelIp }) => [
    `  - physical_ip: ${physicalIp}`,
    `    subnet: ${subnet}`,
    `    tunnel_ip: ${tunnelIp}`,
    '    tunnel_id: 1234567',
  ]);
  const head = ['cnci_refresh:', `  cnci_uuid: ${cnciUuid}`];
  return [...head, ...(lines.length === 0 ? ['  cncis: []'] : ['  cncis:', ...lines]), ''].join(
    '\n',
  );
}
