import { addressToNumber, numberToAddress, readPortKey, readPortTarget } from '../model';
import type { Forwarding, Ipv4Address, PortMapping, PublicIp } from '../model';

/** What a public address leads to. */
export interface Published {
  readonly internal: number;
  readonly device: string;
}

/** What a firewall holds, as plain data: the kernel's tables in the words of the API. */
export interface FirewallState {
  /** Links that lead outside. */
  readonly externalDevices: readonly string[];
  /** Links of tenants that are no bridges of ours; those are always inside. */
  readonly internalDevices: readonly string[];
  readonly forwardings: readonly Forwarding[];
  readonly ports: readonly PortMapping[];
  readonly publicIps: readonly PublicIp[];
  /** What comes in from outside for another device's address is refused. */
  readonly guardInput: boolean;
  /** Whether the machine forwarded before; `shutdown` makes it so again. */
  readonly forwardedBefore: boolean;
}

/** Options that live in the table. */
export interface LedgerOptions {
  readonly guardInput: boolean;
  readonly forwardedBefore: boolean;
}

/**
 * What stands in our table, found in O(1): plain numbers, for there may be sixty thousand mappings. It
 * is an index of the kernel's state, read from there and given up when somebody else changed it.
 */
export class Ledger {
  readonly external = new Set<string>();
  readonly inside = new Set<string>();
  /** External link -> tenants' links. */
  readonly pairs = new Map<string, Set<string>>();
  /** External link -> key of protocol and port -> target. */
  readonly ports = new Map<string, Map<number, number>>();
  readonly published = new Map<number, Published>();
  /** External link -> workload -> public address. */
  readonly sources = new Map<string, Map<number, number>>();
  options: LedgerOptions;

  constructor(options: LedgerOptions) {
    this.options = options;
  }

  /** Another with the same in it. */
  copy(): Ledger {
    const copy = new Ledger(this.options);
    for (const device of this.external) copy.external.add(device);
    for (const device of this.inside) copy.inside.add(device);
    for (const [device, insides] of this.pairs) copy.pairs.set(device, new Set(insides));
    for (const [device, ports] of this.ports) copy.ports.set(device, new Map(ports));
    for (const [address, published] of this.published) copy.published.set(address, published);
    for (const [device, sources] of this.sources) copy.sources.set(device, new Map(sources));
    return copy;
  }

  /** Whether anything depends on this external link. */
  isUsed(device: string): boolean {
    const held = [this.pairs, this.ports, this.sources].map((map) => map.get(device)?.size ?? 0);
    return held.some((size) => size > 0);
  }

  portsOf(device: string): Map<number, number> {
    return entryOf(this.ports, device, () => new Map<number, number>());
  }
  sourcesOf(device: string): Map<number, number> {
    return entryOf(this.sources, device, () => new Map<number, number>());
  }
  pairsOf(device: string): Set<string> {
    return entryOf(this.pairs, device, () => new Set<string>());
  }

  /** Mappings of all devices. */
  get portCount(): number {
    let count = 0;
    for (const ports of this.ports.values()) count += ports.size;
    return count;
  }

  /** A frozen picture, sorted. */
  toState(): FirewallState {
    const byName = (a: string, b: string): number => Number(a > b) - Number(a < b);
    const forwardings = [...this.pairs].flatMap(([externalDevice, devices]) =>
      [...devices].map((internalDevice) => Object.freeze({ externalDevice, internalDevice })),
    );
    forwardings.sort(
      (a, b) =>
        byName(a.externalDevice, b.externalDevice) || byName(a.internalDevice, b.internalDevice),
    );
    return Object.freeze({
      externalDevices: Object.freeze([...this.external].sort()),
      internalDevices: Object.freeze([...this.inside].sort()),
      forwardings: Object.freeze(forwardings),
      ports: Object.freeze(this.#portList()),
      publicIps: Object.freeze(this.#publicIpList()),
      ...this.options,
    });
  }

  #portList(): PortMapping[] {
    return [...this.ports]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([device, ports]) =>
        [...ports]
          .sort(([a], [b]) => a - b)
          .map(([key, target]) => portMapping(device, key, target)),
      );
  }

  #publicIpList(): PublicIp[] {
    return [...this.published]
      .sort(([a], [b]) => a - b)
      .map(([address, { internal, device }]) => publicIp(address, internal, device));
  }
}

/** One mapping in the words of the API. */
export function portMapping(device: string, key: number, target: number): PortMapping {
  const { protocol, port } = readPortKey(key);
  const { address, port: internalPort } = readPortTarget(target);
  return Object.freeze({
    protocol,
    externalDevice: device,
    externalPort: port,
    internalIp: address,
    internalPort,
  });
}

export function publicIp(address: number, internal: number, device: string): PublicIp {
  return Object.freeze({
    internalIp: numberToAddress(internal),
    publicIp: numberToAddress(address),
    externalDevice: device,
  });
}

/** Addresses are keys of maps by their numbers. */
export function numberOf(address: Ipv4Address): number {
  return addressToNumber(address);
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
