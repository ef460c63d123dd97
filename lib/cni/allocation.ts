import { parseIpv4Cidr, parseList, parseUnicastIpv4, refuse } from '../model';
import type { ContainerRoute, Ipv4Address, Ipv4Cidr } from '../model';
import { parseDns } from './dns';
import type { Dns } from './dns';
import { CniFailure, toCniFailure } from './failure';
import { isObject, parseObject } from './network-config';
import { parseAddress } from './wishes';

/** What an IPAM plugin gave to a container. */
export interface Allocation {
  readonly address: Ipv4Address;
  readonly gateway?: Ipv4Address;
  /** Absent where it said nothing of routes. */
  readonly routes?: readonly ContainerRoute[];
  readonly dns?: Dns;
}

const MOST = 1024;
/** What a route of version 1.1 can have, and we cannot give it. */
const ROUTE_EXTRAS = ['mtu', 'advmss', 'priority', 'table', 'scope'];

/** Parses what an IPAM plugin answered to ADD. */
export function parseAllocation(text: string, subnet: Ipv4Cidr): Allocation {
  try {
    return read(parseObject(text, 'what the IPAM plugin says'), subnet);
  } catch (error) {
    const { message, details } = toCniFailure(error);
    throw new CniFailure('ipam', `the IPAM plugin's answer does not fit: ${message}`, { details });
  }
}

function read(result: Readonly<Record<string, unknown>>, subnet: Ipv4Cidr): Allocation {
  const ips = parseList(result['ips'], 'ips', parseEntry, MOST);
  const [ip, ...others] = ips;
  if (ip === undefined || others.length > 0) {
    return refuse(ips.length, 'ips', 'exactly one IPv4 address: a VNIC has one');
  }
  const { address, gateway } = ip;
  const routes = parseList(result['routes'] ?? [], 'routes', parseRoute, MOST);
  const dns = result['dns'];
  return {
    address: parseAddress(address, 'ips[0].address', subnet),
    ...(gateway !== undefined && { gateway: parseUnicastIpv4(gateway, 'ips[0].gateway') }),
    ...(routes.length > 0 && { routes }),
    ...(dns !== undefined && dns !== null && { dns: parseDns(dns, 'dns') }),
  };
}

function parseEntry(value: unknown, field: string): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : refuse(value, field, 'an object');
}

function parseRoute(value: unknown, field: string): ContainerRoute {
  const route = parseEntry(value, field);
  const extra = ROUTE_EXTRAS.find((name) => route[name] !== undefined);
  if (extra !== undefined)
    return refuse(route[extra], `${field}.${extra}`, 'nothing: dst and gw only');
  const destination = parseIpv4Cidr(route['dst'], `${field}.dst`);
  const { gw } = route;
  const has = gw !== undefined && gw !== null && gw !== '';
  return { destination, ...(has && { via: parseUnicastIpv4(gw, `${field}.gw`) }) };
}
