import { createHash } from 'node:crypto';

import type { TunnelEvent } from '../../compute-node';
import {
  defineShape,
  optional,
  parseChoice,
  parseLooseId,
  parseTenantSubnet,
  parseTunnelKey,
  parseTunnelKind,
  parseUnicastIpv4,
  TUNNEL_KINDS,
} from '../../model';
import type { Ipv4Address, Ipv4Cidr, TunnelKey, TunnelKind } from '../../model';
import { identityKey } from '../../topology';
import type { TenantEvent } from '../messages';

/** What an outbox takes: what `createVnic`, `destroyVnic`, the CNI daemon and the audit say of a tunnel. */
export interface OutboxEvent extends Omit<TunnelEvent, 'code' | 'subnet'> {
  readonly code?: TunnelEvent['code'];
  /** Absent where whoever says it was never told: the kernel does not keep it. */
  readonly subnet?: string;
}

/** Whose a tunnel is. */
export interface TunnelOwner {
  readonly tenantId: string;
  readonly subnetId: string;
  readonly concId: string;
}

/** One tunnel of this node, as its concentrator has to know it. */
export interface Tunnel extends TunnelOwner {
  readonly subnet: Ipv4Cidr;
  readonly subnetKey: TunnelKey;
  readonly cnIp: Ipv4Address;
  readonly kind: TunnelKind;
  /** The concentrator's address; the same concentrator may move to another one. */
  readonly concIp: Ipv4Address;
}

/** What is to be said of a tunnel, and whether it was. */
export interface TunnelRecord extends Tunnel {
  readonly state: 'added' | 'removed';
  /** The transport took it over. */
  readonly isDelivered: boolean;
  /** Its place among all that this outbox ever had to say. */
  readonly order: number;
  /** The same for every attempt. */
  readonly messageId: string;
}

const IDS = {
  tenantId: parseLooseId<never>,
  subnetId: parseLooseId<never>,
  concId: parseLooseId<never>,
};
const FACTS = {
  ...IDS,
  subnetKey: parseTunnelKey,
  cnIp: parseUnicastIpv4,
};

const parseEventShape = defineShape('event', {
  ...FACTS,
  kind: (value, field) => parseChoice(value, field, ['tunnel-add', 'tunnel-del'] as const),
  code: optional((value) => (value === 2 || value === 4 ? value : undefined)),
  cnciIp: parseUnicastIpv4,
  subnet: optional(parseTenantSubnet),
  cnId: parseLooseId<never>,
  tunnel: parseTunnelKind,
});

const parseRecordShape = defineShape('record', {
  ...FACTS,
  subnet: parseTenantSubnet,
  kind: (value, field) => parseChoice(value, field, TUNNEL_KINDS),
  concIp: parseUnicastIpv4,
  state: (value, field) => parseChoice(value, field, ['added', 'removed'] as const),
  isDelivered: (value) => value === true,
  order: (value) => (Number.isSafeInteger(value) ? Number(value) : 0),
  messageId: (value) => String(value),
});

/** An event without the network, where the outbox may know that. */
export type ParsedEvent = ReturnType<typeof parseEventShape>;

export function parseOutboxEvent(event: unknown, operation: string): ParsedEvent {
  return parseEventShape(event, operation);
}

/** A record as the store gives it back; nothing where it is none. */
export function readRecord(value: unknown): TunnelRecord | undefined {
  try {
    return parseRecordShape(value, 'open');
  } catch {
    return undefined;
  }
}

export function tunnelOf(event: ParsedEvent, subnet: Ipv4Cidr): Tunnel {
  const { tenantId, subnetId, concId, subnetKey, cnIp, tunnel: kind, cnciIp: concIp } = event;
  return { tenantId, subnetId, concId, subnet, subnetKey, cnIp, kind, concIp };
}

/** What one tunnel is told from all others by, at its concentrator. */
export function tunnelKey(tunnel: Tunnel): string {
  const { subnet, subnetKey, cnIp, kind } = tunnel;
  return digestOf([ownerKey(tunnel), subnet, subnetKey, cnIp, kind].join(' '));
}

export function ownerKey({ tenantId, subnetId, concId }: TunnelOwner): string {
  return [tenantId, subnetId, concId].map(identityKey).join(' ');
}

/** Ids may be longer than a key of a store. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What is said about one subnet to one concentrator is said in order. */
export function laneOf({ concId, subnet }: Tunnel): string {
  return `${identityKey(concId)} ${subnet}`;
}

/** @param agentUuid - By which the concentrator knows this node. */
export function tenantEventOf(record: TunnelRecord, agentUuid: string): TenantEvent {
  return Object.freeze({
    kind: record.state === 'added' ? 'tenant-added' : 'tenant-removed',
    agentUuid,
    agentIp: record.cnIp,
    tenantUuid: record.tenantId,
    tenantSubnet: record.subnet,
    concentratorUuid: record.concId,
    concentratorIp: record.concIp,
    subnetKey: record.subnetKey,
    tunnel: record.kind,
  });
}
