import { networkAddress, parseList, prefixLength, refuse } from '../model';
import type { ContainerRoute, Ipv4Address, Ipv4Cidr } from '../model';
import type { Dns } from './dns';
import { mergeDns, parseDns } from './dns';
import { isObject } from './network-config';
import { isSince } from './version';
import type { CniVersion } from './version';

type Entry = Readonly<Record<string, unknown>>;

/** What an earlier plugin of the chain, or an earlier ADD of ours, said. Entries stay as they came. */
export interface PreviousResult {
  readonly interfaces: readonly Entry[];
  readonly ips: readonly Entry[];
  readonly routes: readonly Entry[];
  readonly dns: Dns;
}

/** What a container got. */
export interface Attached {
  /** The bridge that the host's end is a port of. */
  readonly bridge: string | undefined;
  /** The host's end. */
  readonly linkName: string;
  readonly ifname: string;
  /** Path of the namespace, as the runtime named it. */
  readonly sandbox: string;
  readonly mac: string;
  readonly mtu: number;
  readonly address: Ipv4Address;
  readonly subnet: Ipv4Cidr;
  readonly gateway: Ipv4Address;
  /** Each with the router it goes by. */
  readonly routes: readonly Required<ContainerRoute>[];
  readonly dns: Dns;
}

const MOST = 4096;
const NOTHING: PreviousResult = { interfaces: [], ips: [], routes: [], dns: {} };

/** Parses `prevResult`; what is not there is empty. */
export function parsePreviousResult(value: unknown): PreviousResult {
  if (value === undefined || value === null) return NOTHING;
  if (!isObject(value)) return refuse(value, 'prevResult', 'an object');
  const read = (name: string): readonly Entry[] =>
    parseList(value[name] ?? [], `prevResult.${name}`, parseEntry, MOST);
  return {
    interfaces: read('interfaces'),
    ips: read('ips'),
    routes: read('routes'),
    dns: parseDns(value['dns'] ?? {}, 'prevResult.dns'),
  };
}

/** What ADD answers, in the shape of that version; what came before in the chain stays in it. */
export function formatResult(
  cniVersion: CniVersion,
  attached: Attached,
  previous: PreviousResult = NOTHING,
): string {
  const { address, subnet, gateway } = attached;
  const own = interfacesOf(attached, cniVersion);
  const ip = {
    // Versions from 1.0.0 on see it in the address.
    ...(!isSince(cniVersion, '1.0.0') && { version: '4' }),
    address: `${address}/${String(prefixLength(subnet))}`,
    gateway,
    interface: previous.interfaces.length + own.length - 1,
  };
  const routes = attached.routes.map(({ destination, via }) => ({ dst: destination, gw: via }));
  return JSON.stringify({
    cniVersion,
    interfaces: [...previous.interfaces, ...own],
    ips: [...previous.ips, ip],
    routes: [...previous.routes, ...routes],
    dns: mergeDns(attached.dns, previous.dns),
  });
}

/** The container's end is the last. */
function interfacesOf(attached: Attached, cniVersion: CniVersion): object[] {
  const { bridge, linkName, ifname, sandbox, mac } = attached;
  const mtu = isSince(cniVersion, '1.1.0') ? { mtu: attached.mtu } : {};
  return [
    ...(bridge === undefined ? [] : [{ name: bridge }]),
    { name: linkName, ...mtu },
    { name: ifname, mac, ...mtu, sandbox },
  ];
}

/** The address that a result gives to an interface of a container, without its prefix length. */
export function addressFor(
  { interfaces, ips }: PreviousResult,
  ifname: string,
): string | undefined {
  const index = interfaces.findIndex(
    ({ name, sandbox }) => name === ifname && typeof sandbox === 'string' && sandbox !== '',
  );
  const ip = ips.find((entry) => entry['interface'] === index);
  const address = ip?.['address'];
  return typeof address === 'string' ? networkAddress(address as Ipv4Cidr) : undefined;
}

function parseEntry(value: unknown, field: string): Entry {
  return isObject(value) ? value : refuse(value, field, 'an object');
}
