import { parseAlias } from '../alias';
import { Host, resetLinks } from '../host';
import type { HostHooks, PhysicalLink, ResetReport } from '../host';
import { gatewayOf, parseCallOptions, parseCnciOptions, parseRemoteSubnet } from '../model';
import type {
  CallOptionsInput,
  CnciOptions,
  CnciOptionsInput,
  RemoteSubnetConfigInput,
  TunnelKind,
} from '../model';
import { rebuildCnci } from '../topology';
import type { Finding, KnownTunnel } from '../topology';
import type {
  CnciReport,
  CnciSubnetTopology,
  CnciTopology,
  RemoteSubnet,
  RemovedSubnet,
} from './results';
import { RemoteSubnets } from './subnets';
import { CnciTable } from './table';
import type { CnciSubnet } from './table';

const ANY_MAC = '00:00:00:00:00:00';

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
  #findings: readonly Finding[] = [];

  private constructor(host: Host, tenantId: string) {
    this.#host = host;
    this.#tenantId = tenantId;
    this.#subnets = new RemoteSubnets(host, this.#table);
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
    const host = await Host.open('Cnci.open', options, hooks);
    const cnci = new Cnci(host, options.tenantId);
    try {
      await cnci.rebuildTopology();
    } catch (error) {
      await host.close();
      throw error;
    }
    return cnci;
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

  /** Throws the database away and builds it from the kernel. Inconsistencies are reported. */
  async rebuildTopology(options?: CallOptionsInput): Promise<CnciReport> {
    const parsed = parseCallOptions(options, 'rebuildTopology');
    return await this.#host.alone('rebuildTopology', parsed, () => this.#rebuild());
  }

  /** Deletes everything of this concentrator, goes on past errors and reports them. */
  async shutdown(options?: CallOptionsInput): Promise<ResetReport> {
    const parsed = parseCallOptions(options, 'shutdown');
    return await this.#host.alone('shutdown', parsed, async () => {
      const report = await resetLinks(this.#host, 'shutdown', (row) => isCnciLink(row.alias));
      await this.#rebuild();
      return report;
    });
  }

  /** The topology at this moment: plain, frozen data. */
  topology(): CnciTopology {
    const { linkName, address, mtu } = this.#host.computeLink;
    return Object.freeze({
      type: 'cnci',
      id: this.id,
      tenantId: this.#tenantId,
      mode: this.mode,
      computeLink: Object.freeze({ linkName, address, mtu }),
      subnets: Object.freeze([...this.#table.all()].map(viewOf)),
      findings: this.#findings,
    });
  }

  /** Waits until everything given up so far has left the kernel. */
  async settle(): Promise<void> {
    await this.#host.anchor.settle();
    await this.#host.kernel.settle();
  }

  /** Waits for what runs, refuses what is new, and leaves the kernel's state as it is. */
  close(): Promise<void> {
    return this.#host.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #rebuild(): Promise<CnciReport> {
    const view = rebuildCnci(await this.#host.links());
    const remotes = await this.#readRemotes();
    this.#table.replace(view, (ifIndex) => remotes.get(ifIndex) ?? []);
    this.#host.anchor.adopt(view.anchors);
    this.#host.anchor.update(this.#table.countVxlan());
    this.#findings = Object.freeze([...view.findings]);
    let tunnels = 0;
    for (const entry of this.#table.all()) tunnels += entry.tunnels.size + entry.remotes.size;
    return Object.freeze({ subnets: view.subnets.size, tunnels, findings: this.#findings });
  }

  // The all-zero entries of VXLAN devices: one for each compute node.
  async #readRemotes(): Promise<Map<number, string[]>> {
    const remotes = new Map<number, string[]>();
    for (const { ifindex, lladdr, address } of await this.#host.kernel.forwardingEntries()) {
      if (lladdr !== ANY_MAC || address === undefined) continue;
      remotes.set(ifindex, [...(remotes.get(ifindex) ?? []), address]);
    }
    return remotes;
  }
}

/** Opens a concentrator with hooks that only tests use. @internal */
export async function openCnci(options: CnciOptionsInput, hooks: HostHooks): Promise<Cnci> {
  return await Cnci.openWith(parseCnciOptions(options, 'Cnci.open'), hooks);
}

// A compute node in the same namespace has its own.
function isCnciLink(alias: string): boolean {
  const type = parseAlias(alias)?.type;
  return type === 'cnci-bridge' || type === 'cnci-tunnel' || type === 'mesh' || type === 'anchor';
}

function viewOf(entry: CnciSubnet): CnciSubnetTopology {
  const tunnels = [
    ...[...entry.tunnels].map(([cnIp, tunnel]) => tunnelView(cnIp, tunnel)),
    ...[...entry.remotes].flatMap((cnIp) =>
      entry.vxlan === undefined ? [] : [tunnelView(cnIp, entry.vxlan)],
    ),
  ];
  const { bridge } = entry;
  return Object.freeze({
    subnet: entry.subnet,
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
