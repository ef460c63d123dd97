import type { Ipv4Address, Ipv4Cidr } from '../model';
import type { CnciView, KnownLink, KnownTunnel } from '../topology';
import type { MeshState } from './mesh-state';

/** One subnet of the tenant on this concentrator. */
export class CnciSubnet {
  readonly subnet: Ipv4Cidr;
  bridge: KnownLink | undefined;
  /** GRE and Geneve: by the compute node's address. */
  readonly tunnels = new Map<string, KnownTunnel>();
  /** VXLAN: one device, and the compute nodes in its forwarding table. */
  vxlan: KnownTunnel | undefined;
  readonly remotes = new Set<string>();
  /** Calls for one subnet follow each other. */
  queue: Promise<unknown> = Promise.resolve();

  constructor(subnet: Ipv4Cidr) {
    this.subnet = subnet;
  }

  /** The tunnel that leads to a compute node, of whatever kind. */
  tunnelTo(cnIp: Ipv4Address): KnownTunnel | undefined {
    return this.tunnels.get(cnIp) ?? (this.remotes.has(cnIp) ? this.vxlan : undefined);
  }
}

/** The subnets of a concentrator, by CIDR. */
export class CnciTable {
  readonly #subnets = new Map<string, CnciSubnet>();
  /** The mesh among the tenant's concentrators, as it was read or made last. */
  mesh: MeshState | undefined;

  get(subnet: Ipv4Cidr): CnciSubnet | undefined {
    return this.#subnets.get(subnet);
  }

  obtain(subnet: Ipv4Cidr): CnciSubnet {
    const known = this.#subnets.get(subnet);
    if (known !== undefined) return known;
    const fresh = new CnciSubnet(subnet);
    this.#subnets.set(subnet, fresh);
    return fresh;
  }

  all(): Iterable<CnciSubnet> {
    return this.#subnets.values();
  }

  /** Forgets a subnet of which nothing was made. */
  drop(entry: CnciSubnet): void {
    if (entry.bridge === undefined && entry.tunnels.size === 0 && entry.vxlan === undefined) {
      this.#subnets.delete(entry.subnet);
    }
  }

  /** Devices that keep the kernel's socket in use. */
  countVxlan(): number {
    let count = this.mesh?.link.kind === 'vxlan' ? 1 : 0;
    for (const entry of this.#subnets.values()) if (entry.vxlan !== undefined) count += 1;
    return count;
  }

  /** Replaces everything by what a dump showed. */
  replace(view: CnciView, remotesOf: (ifIndex: number) => Iterable<string>): void {
    this.#subnets.clear();
    for (const found of view.subnets.values()) {
      const entry = this.obtain(found.subnet as Ipv4Cidr);
      entry.bridge = found.bridge;
      entry.vxlan = found.vxlan;
      for (const [cnIp, tunnel] of found.tunnels) entry.tunnels.set(cnIp, tunnel);
      if (found.vxlan === undefined) continue;
      for (const remote of remotesOf(found.vxlan.ifIndex)) entry.remotes.add(remote);
    }
  }
}
