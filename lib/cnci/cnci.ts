import { parseDhcpOptions } from '../dhcp';
import type { DhcpEvent, HostInput, Lease } from '../dhcp';
import { APIError, isLibsnnetError } from '../errors';
import type { LibsnnetError } from '../errors';
import { Host, resetLinks } from '../host';
import type { Call, HostHooks, PhysicalLink } from '../host';
import { probe } from '../kernel';
import {
  parseCallOptions,
  parseCnciOptions,
  parseNeighbors,
  parseRemoteSubnet,
  parseWatchOptions,
  refuse,
} from '../model';
import type {
  CallOptionsInput,
  CnciOptions,
  CnciOptionsInput,
  MeshKind,
  NeighborInput,
  RemoteSubnetConfigInput,
  TunnelKind,
  WatchOptionsInput,
} from '../model';
import { dryRunOf } from '../plan';
import type { DryRun, Plan } from '../plan';
import type { Finding } from '../topology';
import { LinkIndex, Watcher } from '../watch';
import type { HealSource } from '../watch';
import { inTheNameOf, SubnetDhcp } from './dhcp';
import { audit, isCnciLink, rebuild, reportOf } from './maintenance';
import type { CnciParts } from './maintenance';
import { Mesh } from './mesh';
import { CnciRepairer } from './repair';
import type { CnciEvent, CnciHealedEvent, CnciRepairReport, DhcpNews } from './repair';
import type {
  CnciReport,
  CnciShutdownReport,
  CnciTopology,
  RemoteSubnet,
  RemovedSubnet,
  UpdatedNeighbors,
} from './results';
import { takeSnapshot } from './snapshot';
import { RemoteSubnets } from './subnets';
import { CnciTable } from './table';

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
  readonly #table: CnciTable;
  readonly #subnets: RemoteSubnets;
  readonly #mesh: Mesh;
  readonly #dhcp: SubnetDhcp | undefined;
  readonly #parts: CnciParts;
  readonly #watcher: Watcher<CnciHealedEvent | DhcpNews>;
  #findings: readonly Finding[] = [];

  private constructor(host: Host, options: CnciOptions, meshKind: MeshKind) {
    this.#host = host;
    this.#tenantId = options.tenantId;
    const links = new LinkIndex();
    this.#table = new CnciTable(host, links, options.tenantId);
    const onDhcp = (event: DhcpEvent): void => {
      this.#onDhcp(event);
    };
    this.#dhcp = options.dhcp === false ? undefined : new SubnetDhcp(host, options.dhcp, onDhcp);
    this.#subnets = new RemoteSubnets(host, this.#table, this.#dhcp);
    this.#mesh = new Mesh(host, this.#table, {
      kind: meshKind,
      prefixLength: options.meshPrefixLength,
    });
    this.#parts = { host, table: this.#table, mesh: this.#mesh, dhcp: this.#dhcp };
    const readAgain = (): Promise<unknown> => this.rebuildTopology();
    this.#watcher = new Watcher(host, { links, readAgain, healing: this.#healing() });
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
        await cnci.#watcher.start();
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

  /** Compares the kernel, and the servers, with what should be there, and changes nothing. */
  async audit(options?: CallOptionsInput): Promise<CnciReport> {
    const parsed = parseCallOptions(options, 'audit');
    return await this.#host.call('audit', parsed, async () =>
      reportOf(this.#table, await audit(this.#parts)),
    );
  }

  /**
   * Rebuilds, then mends what is safe to mend: bridges that lost tunnels still name are made again, and
   * tunnels that somebody deleted while this process lived.
   */
  async repair(options?: CallOptionsInput): Promise<CnciRepairReport> {
    const parsed = parseCallOptions(options, 'repair');
    return await this.#host.alone('repair', parsed, (call) => this.#repair(call));
  }

  /**
   * What others do to the links of this concentrator, and what becomes of its DHCP servers, from now on,
   * until the signal fires, the loop over it ends, or it is closed. With `heal`, what is out of order is
   * mended as {@link repair} would, also what was so before.
   */
  watch(options?: WatchOptionsInput): AsyncGenerator<CnciEvent, void, undefined> {
    this.#host.refuseIfClosed('watch');
    return this.#watcher.watch(parseWatchOptions(options));
  }

  /**
   * Ends the DHCP servers and deletes every link of this concentrator, goes on past errors and reports
   * them.
   */
  async shutdown(options?: CallOptionsInput): Promise<CnciShutdownReport> {
    const parsed = parseCallOptions(options, 'shutdown');
    return await this.#host.alone('shutdown', parsed, async () => {
      const dhcpError = await this.#endServers();
      // From here on it is us who delete.
      this.#table.links.clear();
      const report = await resetLinks(this.#host, 'shutdown', (row) => isCnciLink(row.alias));
      await this.#rebuild();
      this.#table.forgetAllLost();
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
    const served = this.#dhcp?.status();
    const { tenantId } = this;
    return takeSnapshot(this.#host, this.#table, { tenantId, findings: this.#findings, served });
  }

  /** Waits until everything given up so far has left the kernel. */
  async settle(): Promise<void> {
    await this.#host.anchor.settle();
    await this.#host.kernel.settle();
  }

  /** Waits for what runs, refuses what is new, and leaves the kernel's state and the servers as they are. */
  close(): Promise<void> {
    this.#watcher.close();
    return this.#host.close(() => this.#dhcp?.close() ?? Promise.resolve());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #rebuild(): Promise<CnciReport> {
    this.#findings = await rebuild(this.#parts);
    return reportOf(this.#table, this.#findings);
  }

  async #repair(
    call: Call,
    isMeant: (finding: Finding) => boolean = () => true,
  ): Promise<CnciRepairReport> {
    const { findings } = await this.#rebuild();
    const repairer = new CnciRepairer(this.#parts, this.#subnets, call);
    const report = await repairer.run(findings.filter(isMeant));
    await this.#rebuild();
    return report;
  }

  #healing(): HealSource {
    return {
      findings: async () => (await this.audit()).findings,
      mend: async (isDue) => {
        const report = await this.#host.alone('heal', {}, (call) => this.#repair(call, isDue));
        if (report.repaired.length > 0) this.#watcher.tell({ ...report, type: 'healed' });
        return report;
      },
      tenantOf: () => this.#tenantId,
    };
  }

  #onDhcp(event: DhcpEvent): void {
    const { subnet } = event;
    const news = { type: 'dhcp', state: event.type, subnet, tenantId: this.#tenantId } as const;
    const more = event.type === 'failed' ? { error: event.error } : { pid: event.pid };
    this.#watcher.tell(Object.freeze({ ...news, ...more }));
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
      default:
        return refuse(operation, 'operation', 'an operation that can be planned');
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
