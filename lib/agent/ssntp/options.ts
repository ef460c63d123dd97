import { isIP } from 'node:net';

import type { Logger } from '../../model';
import {
  defineShape,
  optional,
  parseChoice,
  parseInteger,
  parseList,
  parseLogger,
  parseTimeoutMs,
  refuse,
  SILENT_LOGGER,
  withDefault,
  withOperation,
} from '../../model';
import { parseCredentials, parsePem } from './certificates';
import type { Credentials } from './certificates';
import type { ConnectionLimits } from './connection';
import { MOST_FRAME_BYTES } from './frame-decoder';
import { parsePayload } from './message';
import { ROLE_NAMES } from './numbers';
import type { SsntpRole } from './numbers';
import { parseUuid } from './uuid';

/** What both ends take. */
interface CommonOptionsInput {
  /** By which the other end knows this one; no two clients may share one. */
  readonly uuid: string;
  /** PEM: this end's certificate, then its private key. */
  readonly certificate: string | Uint8Array;
  /** PEM: the certificate of the authority that issues all others. */
  readonly ca: string | Uint8Array;
  /** What to be; the certificate must grant it. Default: all that it grants. */
  readonly roles?: readonly SsntpRole[] | undefined;
  /** The largest frame that is sent or accepted. Default: 16 MiB. */
  readonly maxFrameBytes?: number | undefined;
  /** How long a frame may take to be handed over. Default: 30 s. */
  readonly writeTimeoutMs?: number | undefined;
  /** How long TLS and the handshake may take. Default: 30 s. */
  readonly handshakeTimeoutMs?: number | undefined;
  readonly logger?: Logger | undefined;
}

export interface SsntpClientOptions extends CommonOptionsInput {
  /**
   * Servers, tried in their order: a name or address, with or without a port (8888). After them come
   * the addresses and names of the authority's certificate, and localhost. Default: none but those.
   */
  readonly servers?: readonly string[] | undefined;
}

export interface SsntpServerOptions extends CommonOptionsInput {
  /** Default: all addresses. */
  readonly host?: string | undefined;
  /** Default: 8888; 0 takes any that is free. */
  readonly port?: number | undefined;
  /** What every client is told when it has connected: YAML, most often. */
  readonly configuration?: string | Uint8Array | undefined;
  /** Clients at once. Default: 10000. */
  readonly maxSessions?: number | undefined;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Identity {
  readonly uuid: string;
  readonly credentials: Credentials;
  readonly roles: readonly SsntpRole[];
  readonly limits: ConnectionLimits;
  readonly handshakeTimeoutMs: number;
  readonly logger: Logger;
}

export interface ClientOptions extends Identity {
  readonly servers: readonly Endpoint[];
}

export interface ServerOptions extends Identity {
  readonly host: string | undefined;
  readonly port: number;
  readonly configuration: Uint8Array;
  readonly maxSessions: number;
}

const PORT = 8888;
const TIMEOUT_MS = 30_000;
const MOST_SERVERS = 64;

const COMMON = {
  uuid: parseUuid,
  certificate: parsePem,
  ca: parsePem,
  roles: optional(parseRoles),
  maxFrameBytes: withDefault(parseFrameBytes, MOST_FRAME_BYTES),
  writeTimeoutMs: withDefault(parseTimeoutMs, TIMEOUT_MS),
  handshakeTimeoutMs: withDefault(parseTimeoutMs, TIMEOUT_MS),
  logger: withDefault(parseLogger, SILENT_LOGGER),
};

const parseClientShape = defineShape('options', { ...COMMON, servers: optional(parseServers) });

const parseServerShape = defineShape('options', {
  ...COMMON,
  host: optional(parseHost),
  port: withDefault(parseListenPort, PORT),
  configuration: parsePayload,
  maxSessions: withDefault(parseSessions, 10_000),
});

export function parseClientOptions(input: unknown, operation: string): ClientOptions {
  const shape = parseClientShape(input, operation);
  return { ...identify(shape, operation), servers: shape.servers ?? [] };
}

export function parseServerOptions(input: unknown, operation: string): ServerOptions {
  const shape = parseServerShape(input, operation);
  const { host, port, configuration, maxSessions } = shape;
  return { ...identify(shape, operation), host, port, configuration, maxSessions };
}

/** What a name or address is dialled at; the port is the original's unless one is given. */
export function endpoint(host: string, port = PORT): Endpoint {
  return Object.freeze({ host, port });
}

function identify(
  shape: Readonly<ReturnType<typeof parseServerShape>> | ReturnType<typeof parseClientShape>,
  operation: string,
): Identity {
  const { uuid, maxFrameBytes, writeTimeoutMs, handshakeTimeoutMs, logger } = shape;
  return withOperation(operation, () => {
    const credentials = parseCredentials(shape.certificate, shape.ca);
    const roles = shape.roles ?? credentials.roles;
    if (!roles.every((role) => credentials.roles.includes(role))) {
      refuse(roles.join(', '), 'roles', `of the certificate's: ${credentials.roles.join(', ')}`);
    }
    const limits = { maxFrameBytes, writeTimeoutMs };
    return { uuid, credentials, roles, limits, handshakeTimeoutMs, logger };
  });
}

function parseRoles(value: unknown, field: string): readonly SsntpRole[] {
  const roles = parseList(
    value,
    field,
    (role, place) => parseChoice(role, place, ROLE_NAMES),
    ROLE_NAMES.length,
  );
  return roles.length > 0 ? roles : refuse(value, field, 'a role at least');
}

function parseServers(value: unknown, field: string): readonly Endpoint[] {
  return parseList(value, field, parseEndpoint, MOST_SERVERS);
}

function parseEndpoint(value: unknown, field: string): Endpoint {
  if (typeof value === 'string' && isIP(value) !== 0) return endpoint(value);
  const [, bracketed, plain, port] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]{1,253}))(?::(\d{1,5}))?$/.exec(
      typeof value === 'string' ? value : '',
    ) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? PORT : Number(port);
  return typeof value === 'string' && host !== undefined && number >= 1 && number <= 0xffff
    ? endpoint(host, number)
    : refuse(value, field, 'a name or an address, with a port or without');
}

function parseHost(value: unknown, field: string): string {
  return typeof value === 'string' && /^[\w.:-]{1,253}$/.test(value)
    ? value
    : refuse(value, field, 'an address of this machine');
}

function parseListenPort(value: unknown, field: string): number {
  return parseInteger(value, field, { least: 0, most: 0xffff });
}

function parseFrameBytes(value: unknown, field: string): number {
  return parseInteger(value, field, { least: 4096, most: 2 ** 30, unit: 'bytes' });
}

function parseSessions(value: unknown, field: string): number {
  return parseInteger(value, field, { least: 1, most: 100_000 });
}
