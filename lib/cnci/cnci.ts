import { parseAlias } from '../alias';
import { parseDhcpOptions } from '../dhcp';
import type { DhcpStatus, HostInput, Lease } from '../dhcp';
import { APIError, isLibsnnetError } from '../errors';
import type { LibsnnetError } from '../errors';
import { Host, resetLinks } from '../host';
import type { HostHooks, PhysicalLink } from '../host';
import { probe } from '../kernel';
import {
  gatewayOf,
  parseCallOptions,
  parseCnciOptions,
  parseNeighbors,
  parseRemoteSubnet,
} from '../model';
import type {
  CallOptionsInput,
  CnciOptions,
  CnciOptionsInput,
  MeshKind,
  NeighborInput,
  RemoteSubnetConfigInput,
  TunnelKind,
} from '../model';
import { dryRunOf } from '../plan';
import type { DryRun, Plan } from '../plan';
import type { Finding, KnownTunnel } from '../topology';
import { inTheNameOf, SubnetDhcp } from './dhcp';
import { Mesh, meshView } from './mesh';
import type {
  CnciReport,
  CnciShutdownReport,
  CnciSubnetTopology,
  CnciTopology,
  RemoteSubnet,
  RemovedSubnet,
  UpdatedNeighbors,
} from './results';
import { RemoteSubnets } from './subnets';
import { surveyLinks, surveyRemotes } from './survey';
import { CnciTable } from './table';
import type { CnciSubnet } from './table';

/** Operations that can be planned without being done, with what they take. */
export interface PlannableCnciOperations {
  readonly addRemoteSubnet: RemoteSubnetConfigInput;
  readonly delRemoteSubnet: RemoteSubnetConfigInput;
  readonly updateNeighbors: readonly NeighborInput[];
}

/**
 * A tenant's concentrator: ends the tunnels of all the tenant's subnets and carries each subnet's
 * gateway address.
 *
 * All methods may be called concurrently; those for one subnet follow each other. Each is all or
 * nothing. Every method that does I/O takes `{ signal, timeoutMs }` last.
 */
export class Cnci {
  readonly #host: Host;
  readonly #tenantId: string;
  readonly #table = new CnciTable();
  readonly #subnets: RemoteSubnets;
  readonly #mesh: Mesh;
  readonly #dhcp: SubnetDhcp | undefined;
  #findings: readonly Finding[] = [];

  private constructor(host: Host, options: CnciOptions, meshKind: MeshKind) {
    this.#host = host;
    this.#tenantId = options.tenantId;
    this.#dhcp = options.dhcp === false ? undefined : new SubnetDhcp(host, options.dhcp);
    this.#subnets = new RemoteSubnets(host, this.#table, this.#dhcp);
    this.#mesh = new Mesh(host, this.#table, {
      kind: meshKind,
      prefixLength: options.meshPrefixLength,
    });
  }

  /**
   * Opens a concentrator: finds its links to the outside and rebuilds its topology from the kernel.
   *
   * @throws {@link APIError} as `ComputeNode.open`.
   */
  static open(options: CnciOptionsInput): Promise<Cnci> {
    return openCnci(options, {});
  }

  /** @internal */
  static async openWith(options: CnciOptions, hooks: HostHooks): Promise<Cnci> {
    const { dhcp, id } = options;
    if (dhcp !== false) parseDhcpOptions({ ...dhcp, owner: id }, 'Cnci.open');
    const host = await Host.open('Cnci.open', options, hooks);
    try {
      const cnci = new Cnci(host, options, await chooseMeshKind(host.mode, options));
      try {
        await cnci.rebuildTopology();
      } catch (error) {
        await cnci.close();
        throw error;
      }
      return cnci;
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  /** UUID of this concentrator. */
  get id(): string {
    return this.#host.options.id;
  }
  get tenantId(): string {
    return this.#tenantId;
  }
  /** The kind of tunnel where a subnet doesn't name its own. */
  get mode(): TunnelKind {
    return this.#host.mode;
  }
  get managementLinks(): readonly PhysicalLink[] {
    return this.#host.physical.management;
  }
  /** The first carries the tunnels. */
  get computeLinks(): readonly PhysicalLink[] {
    return this.#host.physical.compute;
  }

  /**
   * Makes a subnet of a compute node reachable: a bridge with the gateway address, if it is not there
   * yet, and a tunnel to the node. Idempotent.
   *
   * @throws {@link APIError} `SNNET_TUNNEL_TAKEN` (it is there with another key or kind),
   * `SNNET_VNI_TAKEN`, `SNNET_KEY_RANGE`, `SNNET_KIND_UNSUPPORTED`, `SNNET_KERNEL_FAILED`.
   */
  async addRemoteSubnet(
    config: RemoteSubnetConfigInput,
    options?: CallOptionsInput,
  ): Promise<RemoteSubnet> {
    const operation = 'addRemoteSubnet';
    const parsed = parseRemoteSubnet(config, operation);
    return await this.#host.call(operation, parseCallOptions(options, operation), (call) =>
      this.#subnets.add(parsed, call),
    );
  }

  /** Removes the tunnel to a compute node; the bridge stays. One that is gone is a success. */
  async delRemoteSubnet(
    config: RemoteSubnetConfigInput,
    options?: CallOptionsInput,
  ): Promise<RemovedSubnet> {
    const operation = 'delRemoteSubnet';
    const parsed = parseRemoteSubnet(config, operation);
    return await this.#host.call(operation, parseCallOptions(options, operation), (call) =>
      this.#subnets.remove(parsed, call),
    );
  }

  /**
   * Says who the tenant's concentrators are, this one among them: makes the mesh device where it is
   * not there, and sees to it that exactly these are reached through it, each with its subnet. All or
   * nothing, and idempotent; what is there is read from the kernel each time.
   *
   * @throws {@link APIError} `SNNET_INPUT_…` (a list that contradicts itself, or without this
   * concentrator), `SNNET_VNI_TAKEN`, `SNNET_KEY_RANGE`, `SNNET_LINK_FOREIGN`,
   * `SNNET_KIND_UNSUPPORTED`, `SNNET_KERNEL_FAILED`.
   */
  async updateNeighbors(
    neighbors: readonly NeighborInput[],
    options?: CallOptionsInput,
  ): Promise<UpdatedNeighbors> {
    const operation = 'updateNeighbors';
    const parsed = parseNeighbors(neighbors, operation);
    return await this.#host.alone(operation, parseCallOptions(options, operation), (call) =>
      this.#mesh.update(parsed, call),
    );
  }

  /** A dry run: what the operation would do now, as data and as text. Touches nothing. */
  plan<O extends keyof PlannableCnciOperations>(
    operation: O,
    config: PlannableCnciOperations[O],
  ): DryRun {
    return dryRunOf(this.#plan(operation, config), (ifIndex) => this.#nameOf(ifIndex));
  }

  /** Throws the database away and builds it from the kernel. Inconsistencies are reported. */
  async rebuildTopology(options?: CallOptionsInput): Promise<CnciReport> {
    const parsed = parseCallOptions(options, 'rebuildTopology');
    return await this.#host.alone('rebuildTopology', parsed, () => this.#rebuild());
  }

  /**
   * Ends the DHCP servers and deletes every link of this concentrator, goes on past errors and reports
   * them.
   */
  async shutdown(options?: CallOptionsInput): Promise<CnciShutdownReport> {
    const parsed = parseCallOptions(options, 'shutdown');
    return await this.#host.alone('shutdown', parsed, async () => {
      const dhcpError = await this.#endServers();
      const report = await resetLinks(this.#host, 'shutdown', (row) => isCnciLink(row.alias));
      await this.#rebuild();
      return Object.freeze({ ...report, ...(dhcpError !== undefined && { dhcpError }) });
    });
  }

  /**
   * Gives workloads names, which resolve in all subnets of the tenant, in both directions; without a
   * name, in a subnet larger than /16, it lets the address be served at all. All or nothing.
   *
   * @throws {@link APIError} `SNNET_INPUT_…`, `SNNET_STATE_UNSAFE`, `SNNET_DNSMASQ_FAILED`.
   */
  async setHosts(hosts: readonly HostInput[], options?: CallOptionsInput): Promise<void> {
    await this.#served('setHosts', options, (dhcp) => dhcp.setHosts(hosts));
  }

  /** Takes names away; addresses without one are fine. */
  async removeHosts(addresses: readonly string[], options?: CallOptionsInput): Promise<void> {
    await this.#served('removeHosts', options, (dhcp) => dhcp.removeHosts(addresses));
  }

  /**
   * Gives back the lease of a workload that is gone: its address can be had again at once. False: it had
   * none.
   *
   * @param address - Its IPv4 address, or the MAC that belongs to that.
   */
  async releaseLease(address: string, options?: CallOptionsInput): Promise<boolean> {
    return await this.#served('releaseLease', options, (dhcp) => dhcp.release(address));
  }

  /** The addresses that workloads of a subnet have been given. */
  async leases(subnet: string, options?: CallOptionsInput): Promise<readonly Lease[]> {
    return await this.#served('leases', options, (dhcp) => dhcp.leases(subnet));
  }

  /** The topology at this moment: plain, frozen data. */
  topology(): CnciTopology {
    const { linkName, address, mtu } = this.#host.computeLink;
    const { mesh } = this.#table;
    const served = this.#dhcp?.status();
    return Object.freeze({
      type: 'cnci',
      id: this.id,
      tenantId: this.#tenantId,
      mode: this.mode,
      computeLink: Object.freeze({ linkName, address, mtu }),
      subnets: Object.freeze([...this.#table.all()].map((entry) => viewOf(entry, served))),
      ...(mesh !== undefined && { mesh: meshView(mesh) }),
      findings: this.#findings,
    });
  }

  /** Waits until everything given up so far has left the kernel. */
  async settle(): Promise<void> {
    await this.#host.anchor.settle();
    await this.#host.kernel.settle();
  }

  /** Waits for what runs, refuses what is new, and leaves the kernel's state and the servers as they are. */
  close(): Promise<void> {
    return this.#host.close(() => this.#dhcp?.close() ?? Promise.resolve());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #rebuild(): Promise<CnciReport> {
    const view = await surveyLinks(this.#host);
    const remotes = await surveyRemotes(this.#host);
    this.#table.replace(view, (ifIndex) => remotes.get(ifIndex) ?? []);
    this.#host.anchor.adopt(view.anchors);
    await this.#mesh.adopt(view.mesh);
    const unserved = (await this.#dhcp?.ensureAll([...this.#table.all()])) ?? [];
    this.#findings = Object.freeze([...view.findings, ...unserved]);
    let tunnels = 0;
    for (const entry of this.#table.all()) tunnels += entry.tunnels.size + entry.remotes.size;
    return Object.freeze({
      subnets: view.subnets.size,
      tunnels,
      neighbours: this.#table.mesh?.neighbours.size ?? 0,
      findings: this.#findings,
    });
  }

  async #endServers(): Promise<LibsnnetError | undefined> {
    try {
      await this.#dhcp?.shutdown();
      return undefined;
    } catch (error) {
      if (!isLibsnnetError(error)) throw error;
      return error;
    }
  }

  async #served<T>(
    operation: string,
    options: CallOptionsInput | undefined,
    work: (dhcp: SubnetDhcp) => Promise<T>,
  ): Promise<T> {
    const parsed = parseCallOptions(options, operation);
    const dhcp = this.#dhcp;
    if (dhcp === undefined) throw new APIError('SNNET_DHCP_OFF', { operation });
    return await this.#host.call(operation, parsed, (call) =>
      call.until(inTheNameOf(operation, work(dhcp))),
    );
  }

  #plan(operation: keyof PlannableCnciOperations, config: unknown): Plan {
    switch (operation) {
      case 'addRemoteSubnet':
        return this.#subnets.planAddition(parseRemoteSubnet(config, 'plan'));
      case 'delRemoteSubnet':
        return this.#subnets.planRemoval(parseRemoteSubnet(config, 'plan'));
      case 'updateNeighbors':
        return this.#mesh.plan(parseNeighbors(config, 'plan'));
    }
  }

  #nameOf(ifIndex: number): string | undefined {
    const links = [...this.#table.all()].flatMap(({ bridge, vxlan, tunnels }) => [
      bridge,
      vxlan,
      ...tunnels.values(),
    ]);
    const known = [...links, this.#table.mesh?.link, ...this.#host.physical.compute];
    return known.find((link) => link?.ifIndex === ifIndex)?.linkName;
  }
}

/** Opens a concentrator with hooks that only tests use. @internal */
export async function openCnci(options: CnciOptionsInput, hooks: HostHooks): Promise<Cnci> {
  return await Cnci.openWith(parseCnciOptions(options, 'Cnci.open'), hooks);
}

// Geneve knows one remote for each device, and all concentrators of a tenant must agree.
async function chooseMeshKind(mode: TunnelKind, options: CnciOptions): Promise<MeshKind> {
  if (options.meshMode !== 'auto') return options.meshMode;
  if (mode !== 'geneve') return mode;
  return (await probe()).linkKinds.gre ? 'gre' : 'vxlan';
}

// A compute node in the same namespace has its own.
function isCnciLink(alias: string): boolean {
  const type = parseAlias(alias)?.type;
  return type === 'cnci-bridge' || type === 'cnci-tunnel' || type === 'mesh' || type === 'anchor';
}

function viewOf(
  entry: CnciSubnet,
  served: ReadonlyMap<string, DhcpStatus> | undefined,
): CnciSubnetTopology {
  const tunnels = [
    ...[...entry.tunnels].map(([cnIp, tunnel]) => tunnelView(cnIp, tunnel)),
    ...[...entry.remotes].flatMap((cnIp) =>
      entry.vxlan === undefined ? [] : [tunnelView(cnIp, entry.vxlan)],
    ),
  ];
  const { bridge } = entry;
  const pid = served?.get(entry.subnet)?.pid;
  return Object.freeze({
    subnet: entry.subnet,
    ...(pid !== undefined && { dhcp: Object.freeze({ pid }) }),
    gateway: gatewayOf(entry.subnet),
    ...(bridge !== undefined && {
      bridge: Object.freeze({
        linkName: bridge.linkName,
        ifIndex: bridge.ifIndex,
        mtu: bridge.mtu,
        mac: bridge.mac,
      }),
    }),
    tunnels: Object.freeze(tunnels),
  });
}

function tunnelView(cnIp: string, tunnel: KnownTunnel): CnciSubnetTopology['tunnels'][number] {
  const { kind, linkName, ifIndex, key } = tunnel;
  return Object.freeze({ kind, cnIp, linkName, ifIndex, ...(key !== undefined && { key }) });
}
