import { APIError } from '../errors';
import { tryParseIpv4, tryParseIpv4Cidr, TUNNEL_KINDS } from '../model';
import type { Ipv4Address, Ipv4Cidr, TunnelKind } from '../model';
import { parseScope } from './scope';
import type { Scope } from './scope';

/** A subnet's bridge on a compute node. */
export interface CnBridgeAlias {
  readonly type: 'cn-bridge';
  readonly scope: Scope;
}

/** A subnet's tunnel on a compute node. */
export interface CnTunnelAlias {
  readonly type: 'cn-tunnel';
  readonly tunnel: TunnelKind;
  readonly scope: Scope;
}

/** A workload's VNIC on a compute node. */
export interface CnVnicAlias {
  readonly type: 'cn-vnic';
  readonly scope: Scope;
  readonly vnicIp: Ipv4Address;
}

/** The VNIC of a concentrator's VM. */
export interface CnciVnicAlias {
  readonly type: 'cnci-vnic';
  readonly tenantId: string;
  /** Everything after the first `_`; where it contains another `_`, the tenant's id may be longer than it looks. */
  readonly vnicId: string;
}

/** A subnet's bridge on a concentrator. */
export interface CnciBridgeAlias {
  readonly type: 'cnci-bridge';
  readonly subnet: Ipv4Cidr;
}

/** A subnet's tunnel to one compute node. */
export interface CnciPairTunnelAlias {
  readonly type: 'cnci-tunnel';
  readonly tunnel: Exclude<TunnelKind, 'vxlan'>;
  readonly subnet: Ipv4Cidr;
  readonly cnIp: Ipv4Address;
}

/** A subnet's VXLAN device on a concentrator: one, whatever the number of compute nodes. */
export interface CnciVxlanAlias {
  readonly type: 'cnci-tunnel';
  readonly tunnel: 'vxlan';
  readonly subnet: Ipv4Cidr;
  readonly cnIp?: undefined;
}

export type CnciTunnelAlias = CnciPairTunnelAlias | CnciVxlanAlias;

/** The tunnel among a tenant's concentrators. */
export interface MeshAlias {
  readonly type: 'mesh';
}

/** A link on its way out. */
export interface TrashAlias {
  readonly type: 'trash';
}

/** The link whose alias is `vxlan_anchor`. */
export interface AnchorAlias {
  readonly type: 'anchor';
}

/** Aliases without any identity in them. */
export type FixedAlias = MeshAlias | TrashAlias | AnchorAlias;

/** What an alias of ours says. */
export type ParsedAlias =
  | CnBridgeAlias
  | CnTunnelAlias
  | CnVnicAlias
  | CnciVnicAlias
  | CnciBridgeAlias
  | CnciTunnelAlias
  | FixedAlias;

/** Bytes (kernel: IFALIASZ less the closing zero). */
export const LONGEST_ALIAS = 255;

const FIXED: Readonly<Record<FixedAlias['type'], string>> = {
  mesh: 'cncitun',
  trash: 'trash',
  anchor: 'vxlan_anchor',
};
const FIXED_ALIASES: ReadonlyMap<string, FixedAlias> = new Map(
  (['mesh', 'trash', 'anchor'] as const).map((type) => [FIXED[type], Object.freeze({ type })]),
);

const BRIDGE = 'br_';
const VNIC = 'vnic_';
const CNCI_VNIC = 'cncivnic_';
const ADDRESS_MARK = '##';

/** Reads an alias; anything that is not one of ours gives nothing, also what is no text. Never throws. */
export function parseAlias(text: unknown): ParsedAlias | undefined {
  if (typeof text !== 'string') return undefined;
  const fixed = FIXED_ALIASES.get(text);
  if (fixed !== undefined) {
    return fixed;
  }
  if (Buffer.byteLength(text) > LONGEST_ALIAS) {
    return undefined;
  }
  const parsed = parseByPrefix(text);
  return parsed === undefined ? undefined : Object.freeze(parsed);
}

/** Writes an alias. Throws `SNNET_ALIAS_TOO_LONG` where it would not fit. */
export function formatAlias(parsed: ParsedAlias): string {
  const text = writeAlias(parsed);
  const length = Buffer.byteLength(text);
  if (length > LONGEST_ALIAS) {
    throw new APIError('SNNET_ALIAS_TOO_LONG', {
      object: { alias: text },
      detail: `${String(length)} bytes, ${String(length - LONGEST_ALIAS)} too many`,
    });
  }
  return text;
}

function parseByPrefix(text: string): ParsedAlias | undefined {
  if (text.startsWith(BRIDGE)) {
    return parseBridge(text.slice(BRIDGE.length));
  }
  if (text.startsWith(VNIC)) {
    return parseVnic(text.slice(VNIC.length));
  }
  if (text.startsWith(CNCI_VNIC)) {
    return parseCnciVnic(text.slice(CNCI_VNIC.length));
  }
  const tunnel = TUNNEL_KINDS.find((kind) => text.startsWith(`${kind}_`));
  return tunnel === undefined ? undefined : parseTunnel(tunnel, text.slice(tunnel.length + 1));
}

function parseBridge(rest: string): ParsedAlias | undefined {
  const subnet = readSubnet(rest);
  if (subnet !== undefined) {
    return { type: 'cnci-bridge', subnet };
  }
  const scope = parseScope(rest);
  return scope === undefined ? undefined : { type: 'cn-bridge', scope };
}

function parseVnic(rest: string): ParsedAlias | undefined {
  // An id may contain the mark, the address after the last one cannot.
  const mark = rest.lastIndexOf(ADDRESS_MARK);
  if (mark < 0) {
    return undefined;
  }
  const scope = parseScope(rest.slice(0, mark));
  const vnicIp = tryParseIpv4(rest.slice(mark + ADDRESS_MARK.length));
  return scope === undefined || vnicIp === undefined
    ? undefined
    : { type: 'cn-vnic', scope, vnicIp };
}

function parseCnciVnic(rest: string): ParsedAlias | undefined {
  const end = rest.indexOf('_');
  const tenantId = rest.slice(0, Math.max(end, 0));
  const vnicId = rest.slice(end + 1);
  return tenantId === '' || vnicId === '' ? undefined : { type: 'cnci-vnic', tenantId, vnicId };
}

function parseTunnel(tunnel: TunnelKind, rest: string): ParsedAlias | undefined {
  const scope = parseScope(rest);
  if (scope !== undefined) {
    return { type: 'cn-tunnel', tunnel, scope };
  }
  if (tunnel === 'vxlan') {
    const subnet = readSubnet(rest);
    return subnet === undefined ? undefined : { type: 'cnci-tunnel', tunnel, subnet };
  }
  const [network = '', address = '', ...more] = rest.split(ADDRESS_MARK);
  const subnet = readSubnet(network);
  const cnIp = tryParseIpv4(address);
  if (subnet === undefined || cnIp === undefined || more.length > 0) {
    return undefined;
  }
  return { type: 'cnci-tunnel', tunnel, subnet, cnIp };
}

function writeAlias(parsed: ParsedAlias): string {
  switch (parsed.type) {
    case 'cn-bridge':
      return BRIDGE + parsed.scope.text;
    case 'cn-tunnel':
      return `${parsed.tunnel}_${parsed.scope.text}`;
    case 'cn-vnic':
      return VNIC + parsed.scope.text + ADDRESS_MARK + parsed.vnicIp;
    case 'cnci-vnic':
      return `${CNCI_VNIC}${parsed.tenantId}_${parsed.vnicId}`;
    case 'cnci-bridge':
      return BRIDGE + writeSubnet(parsed.subnet);
    case 'cnci-tunnel': {
      const subnet = `${parsed.tunnel}_${writeSubnet(parsed.subnet)}`;
      return parsed.tunnel === 'vxlan' ? subnet : subnet + ADDRESS_MARK + parsed.cnIp;
    }
    default:
      return FIXED[parsed.type];
  }
}

/** A network in an alias has `+` for its slash. */
function writeSubnet(subnet: Ipv4Cidr): string {
  return subnet.replace('/', '+');
}

function readSubnet(text: string): Ipv4Cidr | undefined {
  return text.includes('/') ? undefined : tryParseIpv4Cidr(text.replace('+', '/'));
}
