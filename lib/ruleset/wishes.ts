import { APIError } from '../errors';
import { PORT_BYTES, addressToNumber, containsAddress, numberToAddress } from '../model';
import type {
  FirewallAction,
  Forwarding,
  Ipv4Address,
  Ipv4Cidr,
  PortList,
  PublicIp,
} from '../model';
import type { Change, Edit, PairRow, PublicRow } from './edits';
import type { Ledger } from './ledger';
import { BRIDGE_PREFIX } from './names';
import { NO_PORTS, choosePorts } from './port-choice';

/** A network that a tenant's device is in. */
export interface TenantNetwork {
  readonly device: string;
  readonly network: Ipv4Cidr;
}

/** What is to be opened between tenants' devices and the outside, or closed. */
export function changeForwardings(
  ledger: Ledger,
  action: FirewallAction,
  wishes: readonly Forwarding[],
): Change {
  const rows = new Map<string, PairRow>();
  const inside = new Set<string>();
  for (const { externalDevice, internalDevice } of wishes) {
    const isThere = ledger.pairs.get(externalDevice)?.has(internalDevice) === true;
    if (action === 'enable') {
      refuseUnknown(ledger, externalDevice);
      refuseExternal(ledger, internalDevice);
      // It stays closed by itself when the pair goes again.
      const isKnown = internalDevice.startsWith(BRIDGE_PREFIX) || ledger.inside.has(internalDevice);
      if (!isKnown) inside.add(internalDevice);
    }
    if (isThere === (action === 'enable')) continue;
    rows.set(`${externalDevice}/${internalDevice}`, [externalDevice, internalDevice]);
  }
  const edits: Edit[] = [];
  if (inside.size > 0) edits.push({ type: 'inside', put: [...inside], drop: [] });
  if (rows.size > 0) edits.push({ type: 'pairs', ...sided(action, [...rows.values()]) });
  return { edits, changed: rows.size, unchanged: wishes.length - rows.size };
}

/** Which ports of external devices are to lead to workloads, or no longer. */
export function changePorts(
  ledger: Ledger,
  action: FirewallAction,
  wishes: readonly PortList[],
): Change {
  const edits: Edit[] = [];
  let changed = 0;
  let asked = 0;
  for (const wish of wishes) {
    const { device, ports } = wish;
    if (action === 'enable') refuseUnknown(ledger, device);
    const chosen = choosePorts(ledger.ports.get(device), action, wish);
    asked += ports.length / PORT_BYTES;
    changed += chosen.length / PORT_BYTES;
    const [put, drop] = action === 'enable' ? [chosen, NO_PORTS] : [NO_PORTS, chosen];
    if (chosen.length > 0) edits.push({ type: 'ports', device, put, drop });
  }
  return { edits, changed, unchanged: asked - changed };
}

/**
 * Which public addresses are to be workloads' own, or no longer.
 *
 * @param networks - Of tenants: an address of theirs is nobody's public one.
 */
export function changePublicIps(
  ledger: Ledger,
  action: FirewallAction,
  wishes: readonly PublicIp[],
  networks: readonly TenantNetwork[] = [],
): Change {
  const rows =
    action === 'enable'
      ? additions(ledger, wishes, networks)
      : wishes.map(toRow).filter((row) => isSamePublic(ledger.published.get(row.address), row));
  const distinct = [...new Map(rows.map((row) => [row.address, row])).values()];
  const edits: Edit[] =
    distinct.length === 0 ? [] : [{ type: 'public', ...sided(action, distinct) }];
  return { edits, changed: distinct.length, unchanged: wishes.length - distinct.length };
}

function additions(
  ledger: Ledger,
  wishes: readonly PublicIp[],
  networks: readonly TenantNetwork[],
): readonly PublicRow[] {
  const rows = new Map<number, PublicRow>();
  const sources = new Map<string, number>();
  for (const wish of wishes) {
    const row = toRow(wish);
    refuseUnknown(ledger, wish.externalDevice);
    const other = ledger.published.get(row.address) ?? rows.get(row.address);
    if (isSamePublic(other, row)) continue;
    if (other !== undefined) throw addressTaken(wish, other);
    refuseTenants(wish, networks);
    const source = `${row.device}/${String(row.internal)}`;
    const second = ledger.sources.get(row.device)?.get(row.internal) ?? sources.get(source);
    if (second !== undefined) throw workloadTaken(wish, second);
    rows.set(row.address, row);
    sources.set(source, row.address);
  }
  return [...rows.values()];
}

function isSamePublic(
  present: { readonly internal: number; readonly device: string } | undefined,
  row: PublicRow,
): boolean {
  return present?.internal === row.internal && present.device === row.device;
}

function toRow({ internalIp, publicIp, externalDevice }: PublicIp): PublicRow {
  return {
    address: addressToNumber(publicIp),
    internal: addressToNumber(internalIp),
    device: externalDevice,
  };
}

function sided<T>(
  action: FirewallAction,
  rows: readonly T[],
): { put: readonly T[]; drop: readonly T[] } {
  return action === 'enable' ? { put: rows, drop: [] } : { put: [], drop: rows };
}

function refuseUnknown(ledger: Ledger, device: string): void {
  if (ledger.external.has(device)) return;
  throw new APIError('SNNET_DEVICE_NOT_FOUND', {
    field: 'externalDevice',
    value: device,
    expected: `one of ${[...ledger.external].join(', ')}`,
  });
}

function refuseExternal(ledger: Ledger, device: string): void {
  if (!ledger.external.has(device)) return;
  throw new APIError('SNNET_FIREWALL_CONFLICT', {
    field: 'internalDevice',
    value: device,
    expected: "a tenant's link",
    detail: 'it is one of the external devices',
  });
}

function refuseTenants(wish: PublicIp, networks: readonly TenantNetwork[]): void {
  const tenant = networks.find(({ network }) => containsAddress(network, wish.publicIp));
  if (tenant === undefined) return;
  throw new APIError('SNNET_FIREWALL_CONFLICT', {
    field: 'publicIp',
    value: wish.publicIp,
    expected: 'an address of the outside',
    detail: `it lies in ${tenant.network}, which is the tenant's on ${tenant.device}`,
  });
}

function addressTaken(
  wish: PublicIp,
  other: { readonly internal: number; readonly device: string },
): APIError {
  const { publicIp, internalIp, externalDevice } = wish;
  const holder = `${numberToAddress(other.internal)} on ${other.device}`;
  return new APIError('SNNET_FIREWALL_CONFLICT', {
    object: { publicIp },
    detail: `it belongs to ${holder}, so not to ${internalIp} on ${externalDevice}`,
  });
}

function workloadTaken(wish: PublicIp, address: number): APIError {
  const { publicIp, internalIp, externalDevice } = wish;
  const present: Ipv4Address = numberToAddress(address);
  return new APIError('SNNET_FIREWALL_CONFLICT', {
    object: { internalIp, device: externalDevice },
    detail: `what it sends leaves as ${present}, so not as ${publicIp}`,
  });
}
