import { DhcpServers } from '../dhcp';
import type { DhcpEvent, DhcpStatus, HostInput, Lease } from '../dhcp';
import { APIError, isLibsnnetError } from '../errors';
import type { Host } from '../host';
import { gatewayOf } from '../model';
import type { DhcpChoice } from '../model';
import type { Finding } from '../topology';
import type { CnciSubnet } from './table';

/**
 * The DHCP servers of a concentrator's subnets. Opened when the first is needed: a concentrator without
 * subnets leaves no trace, and one that was shut down begins anew.
 */
export class SubnetDhcp {
  readonly #host: Host;
  readonly #choice: DhcpChoice;
  readonly #onEvent: (event: DhcpEvent) => void;
  #opening: Promise<DhcpServers> | undefined;
  #servers: DhcpServers | undefined;

  constructor(host: Host, choice: DhcpChoice, onEvent: (event: DhcpEvent) => void) {
    this.#host = host;
    this.#choice = choice;
    this.#onEvent = onEvent;
  }

  /** Sees to it that a subnet with a bridge is served, as its tunnels are now. */
  async ensure(entry: CnciSubnet): Promise<void> {
    const { subnet, bridge } = entry;
    if (bridge === undefined) return;
    const mtus = [...entry.tunnels.values(), entry.vxlan].map((tunnel) => tunnel?.mtu ?? Infinity);
    const servers = await this.#open();
    await servers.ensure({
      subnet,
      linkName: bridge.linkName,
      ifindex: bridge.ifIndex,
      gateway: gatewayOf(subnet),
      // What fits through every tunnel of the subnet.
      mtu: Math.min(bridge.mtu, ...mtus),
    });
  }

  /** The same for all subnets at once; what could not be served is found. */
  async ensureAll(entries: readonly CnciSubnet[]): Promise<Finding[]> {
    const outcomes = await Promise.all(
      entries.map(async (entry) => {
        try {
          await this.ensure(entry);
          return undefined;
        } catch (error) {
          if (!isLibsnnetError(error)) throw error;
          return notServed(entry, error.message);
        }
      }),
    );
    return outcomes.filter((finding) => finding !== undefined);
  }

  /** Subnets with a bridge whose server does not run. */
  unserved(entries: Iterable<CnciSubnet>): Finding[] {
    const served = this.status();
    return [...entries].flatMap((entry) =>
      entry.bridge === undefined || served.get(entry.subnet)?.pid !== undefined
        ? []
        : [notServed(entry, 'its server does not run')],
    );
  }

  async setHosts(hosts: readonly HostInput[]): Promise<void> {
    await (await this.#open()).setHosts(hosts);
  }

  async removeHosts(addresses: readonly string[]): Promise<void> {
    await (await this.#open()).removeHosts(addresses);
  }

  async release(address: string): Promise<boolean> {
    return await (await this.#open()).release(address);
  }

  async leases(subnet: string): Promise<readonly Lease[]> {
    return await (await this.#open()).leases(subnet);
  }

  /** How a subnet's server is doing, by CIDR. */
  status(): ReadonlyMap<string, DhcpStatus> {
    return new Map(this.#servers?.status().map((status) => [status.subnet, status]));
  }

  /** Ends a subnet's server. */
  async stop(subnet: string): Promise<void> {
    await this.#servers?.stop(subnet);
  }

  /** Lets go of the servers, which run on. */
  async close(): Promise<void> {
    const servers = await this.#opening?.catch(() => undefined);
    this.#forget();
    await servers?.close();
  }

  /** Ends all servers, those of an earlier process too, and removes their files. */
  async shutdown(): Promise<void> {
    const servers = await this.#open();
    this.#forget();
    await servers.shutdown();
  }

  #forget(): void {
    this.#opening = undefined;
    this.#servers = undefined;
  }

  async #open(): Promise<DhcpServers> {
    this.#opening ??= DhcpServers.open(this.#host.kernel, {
      ...this.#choice,
      owner: this.#host.options.id,
      logger: this.#host.logger,
      onEvent: this.#onEvent,
    });
    try {
      this.#servers = await this.#opening;
      return this.#servers;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}

/** What fails deeper down failed in this operation of the concentrator. */
export async function inTheNameOf<T>(operation: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof APIError ? error.withDetails({ operation }) : error;
  }
}

function notServed({ subnet, bridge }: CnciSubnet, why: string): Finding {
  return {
    type: 'no-dhcp',
    text: `${subnet} has neither DHCP nor DNS: ${why}`,
    subnet,
    remedy: 'remake',
    ...(bridge !== undefined && {
      link: { linkName: bridge.linkName, ifIndex: bridge.ifIndex, alias: bridge.alias },
    }),
  };
}
