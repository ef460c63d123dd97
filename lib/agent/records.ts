import { APIError } from '../errors';
import { parseAgentReport, parseAgentRequest } from './messages';
import type {
  AgentReport,
  AgentReportKind,
  AgentRequest,
  AgentRequestKind,
  PublicIpRequest,
  RefreshRequest,
  TenantEvent,
} from './messages';

/** A request's place in a transport's count; see `AgentDelivery`. */
export interface Order {
  readonly sequence: number;
  readonly count: string;
}

/** What was asked for last of one subnet, one public address, or the neighbours. */
export interface Wish<R extends AgentRequest = AgentRequest> {
  readonly request: R;
  readonly order?: Order;
  /** It is so in the kernel, or was; one that is not is made so after a restart, whatever it costs. */
  readonly isSettled: boolean;
  /** What stood under its key before and has to go first. Whoever comes after a crash knows of it too. */
  readonly replaced?: readonly R[];
}

/** The tables of wishes, and what each holds. */
export interface Wishes {
  readonly subnets: TenantEvent;
  readonly publicIps: PublicIpRequest;
  readonly neighbours: RefreshRequest;
}
export type WishTable = keyof Wishes;

/** A result that the controllers have not been told yet. */
export interface PendingReport {
  readonly report: AgentReport;
  readonly messageId: string;
}

const KINDS: Readonly<Record<WishTable, readonly AgentRequestKind[]>> = {
  subnets: ['tenant-added', 'tenant-removed'],
  publicIps: ['assign-public-ip', 'release-public-ip'],
  neighbours: ['refresh-cnci'],
};
export const WISH_TABLES = Object.keys(KINDS) as readonly WishTable[];

/** Under which key a wish stands: what is wished later of the same replaces it. */
export function keyOf(request: AgentRequest): string {
  switch (request.kind) {
    case 'tenant-added':
    case 'tenant-removed':
      return `${request.agentUuid} ${request.tenantSubnet}`;
    case 'assign-public-ip':
    case 'release-public-ip':
      return request.publicIp;
    case 'refresh-cnci':
      return 'all';
  }
}

/** Whether a request was overtaken by one that is known already. The same once more is not. */
export function isOvertaken(order: Order | undefined, known: Wish | undefined): boolean {
  const last = known?.order;
  if (order === undefined || last === undefined) return false;
  return order.count === last.count && order.sequence < last.sequence;
}

/** What a request finds under its key that has to go first: of one that was not settled, what it found. */
export function replacedBy<R extends AgentRequest>(
  request: R,
  former: Wish<R> | undefined,
  isReplaced: (former: R, request: R) => boolean,
): Pick<Wish<R>, 'replaced'> {
  if (former === undefined) return {};
  const before = [...(former.replaced ?? []), former.request];
  const distinct = new Map(before.map((one) => [JSON.stringify(one), one]));
  const replaced = [...distinct.values()].filter((one) => isReplaced(one, request));
  return replaced.length === 0 ? {} : { replaced };
}

/** The wish when all of it is done. */
export function settled<R extends AgentRequest>({ request, order }: Wish<R>): Wish<R> {
  return { request, isSettled: true, ...(order && { order }) };
}

/** A row of the store: the message as it was accepted, so that one parser reads both. */
export interface WishRow {
  readonly kind: string;
  readonly payload: string;
  readonly isSettled: boolean;
  readonly sequence?: number;
  readonly count?: string;
  readonly replaced?: readonly Pick<WishRow, 'kind' | 'payload'>[];
}

/** Reads a row back; throws what is wrong with it. */
export function parseWishRow<T extends WishTable>(
  table: T,
  key: string,
  value: unknown,
): Wish<Wishes[T]> {
  const { isSettled, sequence, count, replaced = [], ...rest } = fieldsOf(value);
  if (typeof isSettled !== 'boolean') return bad('isSettled', isSettled, 'true or false');
  const request = parseRequestRow(table, key, rest);
  if (!Array.isArray(replaced)) return bad('replaced', replaced, 'a list');
  const before = replaced.map((one) => parseRequestRow(table, key, fieldsOf(one)));
  const hasOrder = Number.isSafeInteger(sequence) && typeof count === 'string';
  return Object.freeze({
    request,
    isSettled,
    ...(hasOrder && { order: { sequence: sequence as number, count } }),
    ...(before.length > 0 && { replaced: Object.freeze(before) }),
  });
}

function parseRequestRow<T extends WishTable>(
  table: T,
  key: string,
  { kind, payload }: Readonly<Record<string, unknown>>,
): Wishes[T] {
  const known = KINDS[table].find((candidate) => candidate === kind);
  if (known === undefined) return bad('kind', kind, KINDS[table].join(' or '));
  const request = parseAgentRequest(known, payload as string) as Wishes[T];
  return keyOf(request) === key ? request : bad('key', key, keyOf(request));
}

/** Reads a report back that was not sent; throws what is wrong with it. */
export function parseReportRow(value: unknown): PendingReport {
  const { kind, payload, messageId } = fieldsOf(value);
  if (typeof messageId !== 'string') return bad('messageId', messageId, 'a text');
  const report = parseAgentReport(kind as AgentReportKind, payload as string);
  return Object.freeze({ report, messageId });
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : bad('row', value, 'an object');
}

function bad(field: string, value: unknown, expected: string): never {
  throw new APIError('SNNET_INPUT_INVALID', { field, value, expected });
}
