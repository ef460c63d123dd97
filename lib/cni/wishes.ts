import { parseMac, parseUnicastIpv4, parseList, prefixLength, refuse } from '../model';
import type { Ipv4Address, Ipv4Cidr, MacAddress } from '../model';
import type { CniArguments } from './environment';
import { parseDns } from './dns';
import type { Dns } from './dns';
import { findKey, parseOptionalObject } from './network-config';
import type { NetworkHead } from './network-config';

/** What the runtime wants for this one container. */
export interface Wishes {
  readonly address?: Ipv4Address;
  readonly mac?: MacAddress;
  readonly dns?: Dns;
}

const MOST_ADDRESSES = 256;

/**
 * Reads wishes from wherever runtimes put them: capabilities (`runtimeConfig`), `args.cni` and
 * `CNI_ARGS`. All that say something must say the same.
 */
export function parseWishes(head: NetworkHead, args: CniArguments, subnet: Ipv4Cidr): Wishes {
  const runtime = parseOptionalObject(head.fields['runtimeConfig'], 'runtimeConfig');
  const all = parseOptionalObject(head.fields['args'], 'args');
  const cni = parseOptionalObject(all['cni'], 'args.cni');
  const addresses = [
    ...addressesIn(findKey(runtime, 'ips'), 'runtimeConfig.ips', subnet),
    ...addressesIn(findKey(cni, 'ips'), 'args.cni.ips', subnet),
    ...(args.ip === undefined ? [] : [parseAddress(args.ip, 'IP of CNI_ARGS', subnet)]),
  ];
  const macs = [
    macIn(findKey(runtime, 'mac'), 'runtimeConfig.mac'),
    macIn(findKey(cni, 'mac'), 'args.cni.mac'),
    macIn(args.mac, 'MAC of CNI_ARGS'),
  ].filter((mac) => mac !== undefined);
  const address = oneOf(addresses, 'ips', 'one address: a VNIC has one');
  const mac = oneOf(macs, 'mac', 'one MAC address');
  const dns = dnsIn(findKey(runtime, 'dns'));
  return {
    ...(address !== undefined && { address }),
    ...(mac !== undefined && { mac }),
    ...(dns !== undefined && { dns }),
  };
}

/** An address, with or without the length of its network's prefix. */
export function parseAddress(value: unknown, field: string, subnet: Ipv4Cidr): Ipv4Address {
  if (typeof value !== 'string') return refuse(value, field, 'an address');
  const [address, length] = value.split('/');
  if (length !== undefined && length !== String(prefixLength(subnet))) {
    return refuse(value, field, `an address of ${subnet}, with its prefix length or without`);
  }
  return parseUnicastIpv4(address, field);
}

function addressesIn(value: unknown, field: string, subnet: Ipv4Cidr): readonly Ipv4Address[] {
  if (value === undefined || value === null) return [];
  const parse = (item: unknown, where: string): Ipv4Address => parseAddress(item, where, subnet);
  return parseList(value, field, parse, MOST_ADDRESSES);
}

function macIn(value: unknown, field: string): MacAddress | undefined {
  return value === undefined || value === null || value === '' ? undefined : parseMac(value, field);
}

/** Some runtimes say the same thing twice. */
function oneOf<T extends string>(
  values: readonly T[],
  field: string,
  expected: string,
): T | undefined {
  const different = [...new Set(values)];
  return different.length > 1 ? refuse(different.join(' '), field, expected) : different[0];
}

/** The capability has names of its own. */
function dnsIn(value: unknown): Dns | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = parseOptionalObject(value, 'runtimeConfig.dns');
  const said = {
    nameservers: findKey(fields, 'servers') ?? [],
    search: findKey(fields, 'searches') ?? [],
    options: findKey(fields, 'options') ?? [],
  };
  return parseDns(said, 'runtimeConfig.dns');
}
