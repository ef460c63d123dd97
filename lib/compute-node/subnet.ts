import type { Scope } from '../alias';
import type { Host, SharedWork } from '../host';
import type { TunnelKind, VnicConfig } from '../model';
import type { Step } from '../plan';
import { identityKey } from '../topology';
import type { ComputeNodeView, KnownLink, KnownTunnel, KnownVnic, SubnetView } from '../topology';
import type { LinkIndex, LinkOwner } from '../watch';
import type { CreatedVnic, DestroyedVnic } from './results';

// Each is a subnet that has gone and whose concentrator was not told; the callers are long away.
const MOST_OWED = 10_000;

/** A VNIC of the database, there or in the making. */
export interface VnicEntry {
  readonly ip: string;
  status: 'creating' | 'ready' | 'destroying';
  known: KnownVnic | undefined;
  /** As this process was told; `undefined` for what it found. */
  config: VnicConfig | undefined;
  /** What is being done with it: one thing at a time. */
  work: SharedWork<unknown> | undefined;
  /** The same, where it is its creation or a look whether it is as it should be. */
  creation: SharedWork<CreatedVnic> | undefined;
  /** The same, where it is its destruction. */
  destruction: SharedWork<DestroyedVnic> | undefined;
}

/**
 * One tenant subnet on this node. Its bridge and tunnel come with its first VNIC and go with its
 * last; while they do, `transition` is set and every other call for the subnet waits for it.
 */
export class Subnet {
  readonly scope: Scope;
  bridge: KnownLink | undefined;
  tunnel: KnownTunnel | undefined;
  /** The key that the tunnel has or is being made with. */
  key: number | undefined;
  /** The caller of some `createVnic` has the event about the tunnel that there is. */
  isAnnounced = false;
  /** A container runtime was told of the network. */
  hasContainerNetwork = false;
  readonly vnics = new Map<string, VnicEntry>();
  transition: Promise<void> | undefined;
  #owner: LinkOwner | undefined;

  constructor(scope: Scope) {
    this.scope = scope;
  }

  /** Who its links belong to. */
  ownerIn(table: SubnetTable): LinkOwner {
    this.#owner ??= new SubnetOwner(this, table);
    return this.#owner;
  }

  get isComplete(): boolean {
    return this.bridge !== undefined && this.tunnel !== undefined;
  }

  /** Nothing of it is there, and nothing is being done with it. */
  get isVoid(): boolean {
    return (
      this.vnics.size === 0 &&
      this.transition === undefined &&
      this.bridge === undefined &&
      this.tunnel === undefined
    );
  }
}

class SubnetOwner implements LinkOwner {
  readonly scope: string;
  readonly tenantId?: string;
  readonly #subnet: Subnet;
  readonly #table: SubnetTable;

  constructor(subnet: Subnet, table: SubnetTable) {
    this.scope = subnet.scope.text;
    if (subnet.scope.ids !== undefined) this.tenantId = subnet.scope.ids.tenantId;
    this.#subnet = subnet;
    this.#table = table;
  }

  masterOf(link: KnownLink): number | undefined {
    const { bridge } = this.#subnet;
    return link === bridge ? undefined : bridge?.ifIndex;
  }

  forget(link: KnownLink): void {
    if (this.#subnet.bridge === link) this.#table.setBridge(this.#subnet, undefined);
    else if (this.#subnet.tunnel === link) this.#table.setTunnel(this.#subnet, undefined);
    else this.#table.forgetVnic(this.#subnet, link);
  }
}

/** A subnet's links as they are when its tunnel leads elsewhere. */
export interface MovedSubnet {
  readonly subnet: Subnet;
  readonly scope: Scope;
  readonly bridge: KnownLink | undefined;
  readonly tunnel: KnownTunnel | undefined;
  readonly vnics: readonly KnownVnic[];
  readonly steps: readonly Step[];
}

/** The subnets of a node, by the identity in the text of their scope. */
export class SubnetTable {
  readonly links: LinkIndex;
  readonly #host: Pick<Host, 'anchor'>;
  readonly #subnets = new Map<string, Subnet>();
  readonly #byKey = new Map<number, Set<Subnet>>();
  readonly #owed = new Map<string, DestroyedVnic>();
  readonly #tunnels: Record<TunnelKind, number> = { gre: 0, vxlan: 0, geneve: 0 };

  constructor(host: Pick<Host, 'anchor'>, links: LinkIndex) {
    this.#host = host;
    this.links = links;
  }

  get(scopeText: string): Subnet | undefined {
    return this.#subnets.get(identityKey(scopeText));
  }

  obtain(scope: Scope): Subnet {
    const key = identityKey(scope.text);
    const known = this.#subnets.get(key);
    if (known !== undefined) return known;
    const subnet = new Subnet(scope);
    this.#subnets.set(key, subnet);
    return subnet;
  }

  /** Forgets a subnet that has nothing left. */
  drop(subnet: Subnet): void {
    if (!subnet.isVoid) return;
    this.setKey(subnet, undefined);
    const key = identityKey(subnet.scope.text);
    if (this.#subnets.get(key) === subnet) this.#subnets.delete(key);
  }

  all(): Iterable<Subnet> {
    return this.#subnets.values();
  }

  withKey(key: number): Iterable<Subnet> {
    return this.#byKey.get(key) ?? [];
  }

  /** Every other call for the subnet waits until the work is over. */
  hold(subnet: Subnet, work: Promise<unknown>): void {
    const release = (): void => {
      subnet.transition = undefined;
      this.drop(subnet);
    };
    subnet.transition = work.then(release, release);
  }

  setKey(subnet: Subnet, key: number | undefined): void {
    if (subnet.key === key) return;
    if (subnet.key !== undefined) {
      const sharers = this.#byKey.get(subnet.key);
      sharers?.delete(subnet);
      if (sharers?.size === 0) this.#byKey.delete(subnet.key);
    }
    subnet.key = key;
    if (key === undefined) return;
    const sharers = this.#byKey.get(key) ?? new Set();
    this.#byKey.set(key, sharers.add(subnet));
  }

  setBridge(subnet: Subnet, bridge: KnownLink | undefined): void {
    subnet.bridge = bridge;
    if (bridge === undefined) return;
    this.links.own(bridge, subnet.ownerIn(this));
  }

  setTunnel(subnet: Subnet, tunnel: KnownTunnel | undefined): void {
    if (subnet.tunnel !== undefined) this.#tunnels[subnet.tunnel.kind] -= 1;
    subnet.tunnel = tunnel;
    if (tunnel !== undefined) {
      this.#tunnels[tunnel.kind] += 1;
      this.setKey(subnet, tunnel.key ?? subnet.key);
      this.links.own(tunnel, subnet.ownerIn(this));
    }
    this.#host.anchor.update(this.#tunnels.vxlan);
  }

  setVnic(subnet: Subnet, entry: VnicEntry, known: KnownVnic): void {
    entry.known = known;
    entry.status = 'ready';
    if (subnet.vnics.get(entry.ip) !== entry) subnet.vnics.set(entry.ip, entry);
    this.links.own(known, subnet.ownerIn(this));
  }

  /** Somebody else deleted a link; if it still is that of a VNIC, the VNIC is no more. */
  forgetVnic(subnet: Subnet, link: KnownLink): void {
    const entry = isVnic(link) ? subnet.vnics.get(link.ip) : undefined;
    if (entry?.known !== link) return;
    subnet.vnics.delete(entry.ip);
    this.drop(subnet);
  }

  /** From now on what happens to its links is somebody else's doing. */
  own(subnet: Subnet): void {
    this.setBridge(subnet, subnet.bridge);
    this.setTunnel(subnet, subnet.tunnel);
    for (const entry of [...subnet.vnics.values()]) {
      if (entry.known !== undefined) this.setVnic(subnet, entry, entry.known);
    }
  }

  /** Its concentrator has another address: the same links under another identity. */
  move({ subnet, scope, bridge, tunnel, vnics }: MovedSubnet): void {
    const { key, isAnnounced, hasContainerNetwork } = subnet;
    const known = new Map(vnics.map((vnic) => [vnic.ip, vnic]));
    const entries = [...subnet.vnics.values()];
    subnet.vnics.clear();
    this.clear(subnet);
    this.drop(subnet);
    const moved = this.obtain(scope);
    this.setKey(moved, key);
    this.setBridge(moved, bridge);
    this.setTunnel(moved, tunnel);
    Object.assign(moved, { isAnnounced, hasContainerNetwork });
    for (const { ip, config } of entries) {
      const vnic = known.get(ip);
      const told = config && Object.freeze({ ...config, concIp: scope.concIp });
      if (vnic !== undefined) this.setVnic(moved, newEntry(ip, 'ready', told), vnic);
    }
  }

  /** Keeps what a caller who gave up should have told others; whoever calls next for the subnet gets it. */
  owe(subnet: Subnet, result: DestroyedVnic): void {
    if (result.event === undefined && result.container === undefined) return;
    const [oldest] = this.#owed.keys();
    if (oldest !== undefined && this.#owed.size >= MOST_OWED) this.#owed.delete(oldest);
    this.#owed.set(identityKey(subnet.scope.text), result);
  }

  takeOwed(scopeText: string): DestroyedVnic | undefined {
    const key = identityKey(scopeText);
    const owed = this.#owed.get(key);
    this.#owed.delete(key);
    return owed;
  }

  /** Forgets the bridge, the tunnel, and what was said about them. */
  clear(subnet: Subnet): void {
    this.setBridge(subnet, undefined);
    this.setTunnel(subnet, undefined);
    this.setKey(subnet, undefined);
    subnet.hasContainerNetwork = false;
    subnet.isAnnounced = false;
  }

  /** Replaces everything by what a dump showed; keeps what only this process knows of the same links. */
  replace(view: ComputeNodeView): void {
    const before = new Map(this.#subnets);
    this.#subnets.clear();
    this.#byKey.clear();
    Object.assign(this.#tunnels, { gre: 0, vxlan: 0, geneve: 0 });
    for (const [key, found] of view.subnets) this.#adopt(found, before.get(key));
    this.#host.anchor.update(this.#tunnels.vxlan);
  }

  #adopt(found: SubnetView, old: Subnet | undefined): void {
    const isSame = old?.scope.text === found.scope.text;
    const subnet = isSame ? old : new Subnet(found.scope);
    this.#subnets.set(identityKey(found.scope.text), subnet);
    const hasNetwork = old !== undefined && keepsContainerNetwork(old, found);
    // Where there is no VNIC, the process that made the tunnel died before it could tell.
    subnet.isAnnounced = old?.isAnnounced ?? found.vnics.size > 0;
    const key = found.tunnel?.key ?? old?.key;
    // Counted and listed they are no more.
    subnet.key = undefined;
    subnet.tunnel = undefined;
    this.setKey(subnet, key);
    this.setBridge(subnet, found.bridge);
    this.setTunnel(subnet, found.tunnel);
    subnet.hasContainerNetwork = hasNetwork;
    this.#adoptVnics(subnet, found, old);
  }

  /** Of thousands most are as they were: what is there is changed, not made anew. */
  #adoptVnics(subnet: Subnet, { vnics }: SubnetView, old: Subnet | undefined): void {
    for (const known of vnics.values()) {
      const same = old?.vnics.get(known.ip);
      const config = same?.known?.ifIndex === known.ifIndex ? same.config : undefined;
      const entry = subnet.vnics.get(known.ip) ?? newEntry(known.ip, 'ready', config);
      entry.config = config;
      this.setVnic(subnet, entry, known);
      if (known.role === 'container') subnet.hasContainerNetwork = true;
    }
    if (subnet.vnics.size === vnics.size) return;
    for (const ip of [...subnet.vnics.keys()]) if (!vnics.has(ip)) subnet.vnics.delete(ip);
  }
}

function keepsContainerNetwork(old: Subnet, found: SubnetView): boolean {
  return old.hasContainerNetwork && found.bridge?.ifIndex === old.bridge?.ifIndex;
}

function isVnic(link: KnownLink): link is KnownVnic {
  return 'ip' in link;
}

export function newEntry(
  ip: string,
  status: VnicEntry['status'],
  config: VnicConfig | undefined,
): VnicEntry {
  return {
    ip,
    status,
    known: undefined,
    config,
    work: undefined,
    creation: undefined,
    destruction: undefined,
  };
}
