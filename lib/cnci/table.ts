import type { Host } from '../host';
import type { Ipv4Address, Ipv4Cidr, TunnelKind } from '../model';
import type { CnciView, KnownLink, KnownTunnel } from '../topology';
import type { LinkIndex } from '../watch';
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
  /** Calls that hold on to it: it is not forgotten meanwhile. */
  callers = 0;

  constructor(subnet: Ipv4Cidr) {
    this.subnet = subnet;
  }

  /** The tunnel that leads to a compute node, of whatever kind. */
  tunnelTo(cnIp: Ipv4Address): KnownTunnel | undefined {
    return this.tunnels.get(cnIp) ?? (this.remotes.has(cnIp) ? this.vxlan : undefined);
  }

  get allTunnels(): readonly KnownTunnel[] {
    return [...this.tunnels.values(), ...(this.vxlan === undefined ? [] : [this.vxlan])];
  }
}

/** A tunnel that somebody else deleted: of it the kernel knows nothing any more. */
export interface LostTunnel {
  readonly subnet: Ipv4Cidr;
  readonly cnIp: string;
  readonly kind: TunnelKind;
  readonly key: number;
}

/** The subnets of a concentrator, by CIDR. */
export class CnciTable {
  readonly links: LinkIndex;
  readonly #host: Pick<Host, 'anchor'>;
  readonly #tenantId: string;
  readonly #subnets = new Map<string, CnciSubnet>();
  readonly #lost = new Map<string, LostTunnel>();
  #mesh: MeshState | undefined;

  constructor(host: Pick<Host, 'anchor'>, links: LinkIndex, tenantId: string) {
    this.#host = host;
    this.links = links;
    this.#tenantId = tenantId;
  }

  /** The mesh among the tenant's concentrators, as it was read or made last. */
  get mesh(): MeshState | undefined {
    return this.#mesh;
  }

  set mesh(state: MeshState | undefined) {
    this.#mesh = state;
    if (state !== undefined) {
      this.#own(state.link, undefined, () => {
        if (this.#mesh === state) this.mesh = undefined;
      });
    }
    this.#count();
  }

  get(subnet: string): CnciSubnet | undefined {
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
    if (entry.callers > 0 || entry.bridge !== undefined || entry.allTunnels.length > 0) return;
    if (this.#subnets.get(entry.subnet) === entry) this.#subnets.delete(entry.subnet);
  }

  setBridge(entry: CnciSubnet, bridge: KnownLink | undefined): void {
    entry.bridge = bridge;
    if (bridge === undefined) return;
    this.#own(bridge, entry, () => {
      if (entry.bridge !== bridge) return;
      entry.bridge = undefined;
      this.drop(entry);
    });
  }

  /** Notes that a compute node is reached by a tunnel; on VXLAN others are by the same. */
  setTunnel(entry: CnciSubnet, cnIp: string, tunnel: KnownTunnel): void {
    this.#lost.delete(lostKey(entry.subnet, cnIp));
    if (tunnel.kind === 'vxlan') {
      entry.remotes.add(cnIp);
      this.setVxlan(entry, tunnel);
      return;
    }
    entry.tunnels.set(cnIp, tunnel);
    this.#own(tunnel, entry, () => {
      if (entry.tunnels.get(cnIp) !== tunnel) return;
      this.#lose(entry, cnIp, tunnel);
      entry.tunnels.delete(cnIp);
      this.drop(entry);
    });
  }

  setVxlan(entry: CnciSubnet, vxlan: KnownTunnel): void {
    entry.vxlan = vxlan;
    this.#count();
    this.#own(vxlan, entry, () => {
      if (entry.vxlan !== vxlan) return;
      for (const cnIp of entry.remotes) this.#lose(entry, cnIp, vxlan);
      entry.remotes.clear();
      entry.vxlan = undefined;
      this.#count();
      this.drop(entry);
    });
  }

  /** A compute node is reached no longer, as somebody asked for. */
  removeTunnel(entry: CnciSubnet, cnIp: string): void {
    this.forgetLost(entry.subnet, cnIp);
    entry.tunnels.delete(cnIp);
    entry.remotes.delete(cnIp);
    if (entry.remotes.size === 0) entry.vxlan = undefined;
    this.#count();
  }

  get lost(): Iterable<LostTunnel> {
    return this.#lost.values();
  }

  forgetLost(subnet: string, cnIp: string): void {
    this.#lost.delete(lostKey(subnet, cnIp));
  }

  /** Forgets what others deleted: nobody wants it back. */
  forgetAllLost(): void {
    this.#lost.clear();
  }

  /** Devices that keep the kernel's socket in use. */
  countVxlan(): number {
    let count = this.mesh?.link.kind === 'vxlan' ? 1 : 0;
    for (const entry of this.#subnets.values()) if (entry.vxlan !== undefined) count += 1;
    return count;
  }

  /** Replaces everything by what a dump showed. */
  replace(view: CnciView, remotesOf: (ifIndex: number) => Iterable<string>): void {
    // Our own calls are over by now: what has gone, others took, whether that was heard or not.
    for (const entry of this.#subnets.values()) this.#loseAll(entry);
    this.#subnets.clear();
    for (const found of view.subnets.values()) {
      const entry = this.obtain(found.subnet as Ipv4Cidr);
      this.setBridge(entry, found.bridge);
      for (const [cnIp, tunnel] of found.tunnels) this.setTunnel(entry, cnIp, tunnel);
      if (found.vxlan === undefined) continue;
      this.setVxlan(entry, found.vxlan);
      for (const remote of remotesOf(found.vxlan.ifIndex)) {
        this.setTunnel(entry, remote, found.vxlan);
      }
    }
  }

  #loseAll(entry: CnciSubnet): void {
    for (const [cnIp, tunnel] of entry.tunnels) this.#lose(entry, cnIp, tunnel);
    for (const cnIp of entry.remotes) {
      if (entry.vxlan !== undefined) this.#lose(entry, cnIp, entry.vxlan);
    }
  }

  #lose({ subnet }: CnciSubnet, cnIp: string, { kind, key }: KnownTunnel): void {
    if (key !== undefined) this.#lost.set(lostKey(subnet, cnIp), { subnet, cnIp, kind, key });
  }

  #count(): void {
    this.#host.anchor.update(this.countVxlan());
  }

  // A bridge is no port, nor is the mesh.
  #own(link: KnownLink, entry: CnciSubnet | undefined, forget: () => void): void {
    this.links.own(link, {
      ...(entry !== undefined && { scope: entry.subnet }),
      tenantId: this.#tenantId,
      masterOf: () => (entry?.bridge === link ? undefined : entry?.bridge?.ifIndex),
      forget,
    });
  }
}

function lostKey(subnet: string, cnIp: string): string {
  return `${subnet} ${cnIp}`;
}
