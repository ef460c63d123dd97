import { describeType } from '../errors';
import {
  defineShape,
  nested,
  optional,
  parseId,
  parseIpv4Cidr,
  parseList,
  parseMtu,
  parseTenantSubnet,
  parseTunnelKey,
  parseTunnelMode,
  parseUnicastIpv4,
  refuse,
} from '../model';
import type {
  ConcId,
  ContainerRoute,
  Ipv4Address,
  Ipv4Cidr,
  SubnetId,
  TenantId,
  TunnelKey,
  TunnelMode,
} from '../model';
import { parseDns } from './dns';
import type { Dns } from './dns';
import { CniFailure, formatFailure } from './failure';
import { isCniVersion, NEWEST_VERSION, parseCniVersion } from './version';
import type { CniVersion } from './version';

/** A network configuration, as far as every command needs it. */
export interface NetworkHead {
  readonly cniVersion: CniVersion;
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Which subnet of which tenant a network is. The names are those of `createVnic`. */
export interface Network {
  readonly tenantId: TenantId;
  readonly subnetId: SubnetId;
  readonly concId: ConcId;
  readonly concIp: Ipv4Address;
  readonly subnet: Ipv4Cidr;
  readonly subnetKey: TunnelKey;
  readonly mtu?: number;
  /** Checked against the node's, which it cannot change. */
  readonly mode?: TunnelMode;
  readonly routes?: readonly ContainerRoute[];
  readonly dns?: Dns;
}

const NETWORK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const MOST_ROUTES = 1024;

/** What runtimes and their libraries put there, and what the front reads. */
const OTHERS = new Set([
  ...['cniVersion', 'cniVersions', 'name', 'type', 'capabilities', 'runtimeConfig', 'args'],
  ...['prevResult', 'ipam', 'disableCheck', 'disableGC', 'loadOnlyInlinedPlugins'],
  ...['daemon', 'daemonSocket', 'snnetCommand', 'timeoutMs', 'node'],
]);

const parseRoute = nested({
  dst: parseIpv4Cidr,
  gw: optional(parseUnicastIpv4),
});

function parseRoutes(value: unknown, field: string): readonly ContainerRoute[] {
  const routes = parseList(value, field, parseRoute, MOST_ROUTES);
  return Object.freeze(
    routes.map(({ dst, gw }) => ({ destination: dst, ...(gw !== undefined && { via: gw }) })),
  );
}

const parseShape = defineShape('the network configuration', {
  tenantId: (value: unknown, field: string) => parseId<TenantId>(value, field),
  subnetId: (value: unknown, field: string) => parseId<SubnetId>(value, field),
  concId: (value: unknown, field: string) => parseId<ConcId>(value, field),
  concIp: parseUnicastIpv4,
  subnet: parseTenantSubnet,
  subnetKey: parseTunnelKey,
  mtu: optional(parseMtu),
  mode: optional(parseTunnelMode),
  routes: optional(parseRoutes),
  dns: optional(parseDns),
});

/** Parses what every command needs. */
export function parseHead(text: string): NetworkHead {
  const fields = parseObject(text, 'the network configuration');
  const cniVersion = parseCniVersion(fields['cniVersion']);
  const name = fields['name'];
  if (typeof name !== 'string' || !NETWORK_NAME.test(name)) {
    throw new CniFailure('config', 'the network has no name of letters, digits, “_”, “.” and “-”', {
      details: `name is ${JSON.stringify(name)}`,
    });
  }
  return { cniVersion, name, fields };
}

/** Parses the keys that are ours; whatever nobody knows is refused, since it may be one of ours misspelt. */
export function parseNetwork({ fields }: NetworkHead, operation: string): Network {
  const own = Object.entries(fields).filter(([name]) => !OTHERS.has(name) && !isForeign(name));
  return parseShape(Object.fromEntries(own), operation);
}

/** Whether an IPAM plugin gives out the addresses. */
export function hasIpam({ fields }: NetworkHead): boolean {
  const { ipam } = fields;
  return isObject(ipam) && typeof ipam['type'] === 'string' && ipam['type'] !== '';
}

/** A failure as the runtime is to read it: in its version, where that can be told. */
export function tellFailure(failure: CniFailure, config: string): string {
  let said: unknown;
  try {
    said = parseObject(config, 'the network configuration')['cniVersion'];
  } catch {
    // What is no JSON names no version.
  }
  return formatFailure(failure, isCniVersion(said) ? said : NEWEST_VERSION);
}

/** Parses JSON that must be an object. */
export function parseObject(text: string, what: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CniFailure('decode', `${what} is not JSON`, { details: String(cause), cause });
  }
  if (isObject(value)) return value;
  throw new CniFailure('decode', `${what} is not a JSON object`);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return describeType(value) === 'object';
}

/** A key's value, whatever its case: Go's runtimes write some capitalised. */
export function findKey(fields: Readonly<Record<string, unknown>>, name: string): unknown {
  if (name in fields) return fields[name];
  const key = Object.keys(fields).find((other) => other.toLowerCase() === name.toLowerCase());
  return key === undefined ? undefined : fields[key];
}

/** An object where one may be. */
export function parseOptionalObject(
  value: unknown,
  field: string,
): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  return isObject(value) ? value : refuse(value, field, 'an object');
}

/** `cni.dev/valid-attachments`, `k8s.v1.cni.cncf.io/…`. */
function isForeign(name: string): boolean {
  return name.includes('/');
}
