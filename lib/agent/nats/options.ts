import { isIP } from 'node:net';

import type { Logger } from '../../model';
import {
  defineShape,
  nested,
  optional,
  parseBoolean,
  parseInteger,
  parseList,
  parseLogger,
  parseLooseId,
  parseTimeoutMs,
  refuse,
  SILENT_LOGGER,
  withDefault,
  withOperation,
} from '../../model';
import { namesOf } from './subjects';
import type { NatsNames } from './subjects';

/** What every client of the server takes. */
export interface NatsOptionsInput {
  /** Servers of one cluster: a name or address, with or without a port (4222). */
  readonly servers: readonly string[];
  /** By which agents know this launcher, or launchers and controllers this agent. */
  readonly uuid: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  /** The seed of an nkey, `SU…`. */
  readonly nkeySeed?: string | undefined;
  /** The text of a credentials file (a JWT and its seed). */
  readonly credentials?: string | undefined;
  /** `{}` demands TLS, and a certificate that an authority of the system issued. Default: as the server wants it. */
  readonly tls?: NatsTlsInput | undefined;
  /** What all subjects begin with. Default: `ciao.v1`. */
  readonly prefix?: string | undefined;
  /** What the names of the streams begin with. Default: `CIAO`. */
  readonly streams?: string | undefined;
  /** How long connecting, and each answer of the server, may take. Default: 5 s. */
  readonly timeoutMs?: number | undefined;
  readonly logger?: Logger | undefined;
}

export interface NatsTlsInput {
  /** PEM: the authorities to believe. Default: the system's. */
  readonly ca?: string | undefined;
  /** PEM: this end's certificate, and its private key. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** The server begins with TLS at once (its option `handshake_first`). Default: false. */
  readonly handshakeFirst?: boolean | undefined;
}

/** Options of a {@link NatsAgentTransport}. */
export interface NatsAgentOptionsInput extends NatsOptionsInput {
  /**
   * Makes the streams and the agent's consumer where they are not there. That takes rights which agents had
   * better not have: see {@link setUpNats}. Default: false.
   */
  readonly setUp?: boolean | undefined;
  /** After how many failures a request is put aside. Default: 20. */
  readonly mostAttempts?: number | undefined;
}

export interface NatsServer {
  readonly host: string;
  readonly port: number;
}

export interface NatsTls {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly handshakeFirst: boolean;
}

/** How a client shows who it is. */
export type NatsLogin =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'nkey'; readonly seed: string }
  | { readonly kind: 'credentials'; readonly text: string };

/** Parsed {@link NatsOptionsInput}. */
export interface NatsOptions {
  readonly servers: readonly NatsServer[];
  readonly uuid: string;
  readonly login: NatsLogin;
  readonly tls?: NatsTls;
  readonly names: NatsNames;
  readonly timeoutMs: number;
  readonly logger: Logger;
}

/** Parsed {@link NatsAgentOptionsInput}. */
export interface NatsAgentOptions extends NatsOptions {
  readonly setUp: boolean;
  readonly mostAttempts: number;
}

const PORT = 4222;
const TIMEOUT_MS = 5000;
const MOST_SERVERS = 64;
const ATTEMPTS = { least: 1, most: 1_000_000 };
const NKEY_SEED = /^SU[A-Z2-7]{56}$/;

const COMMON = {
  servers: parseServers,
  uuid: parseLooseId<never>,
  user: optional(parseSecret),
  password: optional(parseSecret),
  token: optional(parseSecret),
  nkeySeed: optional(parseSeed),
  credentials: optional(parseCredentials),
  tls: optional(
    nested({
      ca: optional(parsePem),
      certificate: optional(parsePem),
      key: optional(parsePem),
      handshakeFirst: withDefault(parseBoolean, false),
    }),
  ),
  prefix: withDefault(parsePrefix, 'ciao.v1'),
  streams: withDefault(parseStreams, 'CIAO'),
  timeoutMs: withDefault(parseTimeoutMs, TIMEOUT_MS),
  logger: withDefault<Logger>(parseLogger, SILENT_LOGGER),
};

const parseShape = defineShape('options', COMMON);
const parseAgentShape = defineShape('options', {
  ...COMMON,
  setUp: withDefault(parseBoolean, false),
  mostAttempts: withDefault((value, field) => parseInteger(value, field, ATTEMPTS), 20),
});

export function parseNatsOptions(input: unknown, operation: string): NatsOptions {
  return withOperation(operation, () => together(parseShape(input, operation)));
}

export function parseNatsAgentOptions(input: unknown, operation: string): NatsAgentOptions {
  const { setUp, mostAttempts, ...common } = parseAgentShape(input, operation);
  return withOperation(operation, () =>
    Object.freeze({ ...together(common), setUp, mostAttempts }),
  );
}

/** What streams and subjects are called, from the options that say it. */
export function parseNatsNames(
  input: { readonly prefix?: string | undefined; readonly streams?: string | undefined } = {},
): NatsNames {
  const { prefix = 'ciao.v1', streams = 'CIAO' } = input;
  return namesOf(parsePrefix(prefix, 'prefix'), parseStreams(streams, 'streams'));
}

function together(shape: ReturnType<typeof parseShape>): NatsOptions {
  const { servers, uuid, tls, timeoutMs, logger } = shape;
  if ((tls?.certificate === undefined) !== (tls?.key === undefined)) {
    refuse('…', 'tls.key', 'a certificate and its key together');
  }
  return Object.freeze({
    ...{ servers, uuid, timeoutMs, logger },
    login: loginOf(shape),
    ...(tls !== undefined && { tls }),
    names: namesOf(shape.prefix, shape.streams),
  });
}

function loginOf({
  user,
  password,
  token,
  nkeySeed,
  credentials,
}: ReturnType<typeof parseShape>): NatsLogin {
  const ways: NatsLogin[] = [];
  if (user !== undefined && password !== undefined) ways.push({ kind: 'password', user, password });
  else if (user !== undefined) refuse(undefined, 'password', 'the password of the user');
  else if (password !== undefined) refuse(undefined, 'user', 'the user with this password');
  if (token !== undefined) ways.push({ kind: 'token', token });
  if (nkeySeed !== undefined) ways.push({ kind: 'nkey', seed: nkeySeed });
  if (credentials !== undefined) ways.push({ kind: 'credentials', text: credentials });
  if (ways.length > 1) {
    const kinds = ways.map(({ kind }) => kind).join(', ');
    refuse(kinds, 'credentials', 'one way to log in');
  }
  return ways[0] ?? { kind: 'nothing' };
}

function parseServers(value: unknown, field: string): readonly NatsServer[] {
  const servers = parseList(value, field, parseServer, MOST_SERVERS);
  return servers.length > 0 ? servers : refuse(value, field, 'a server at least');
}

function parseServer(value: unknown, field: string): NatsServer {
  if (typeof value === 'string' && isIP(value) !== 0) return { host: value, port: PORT };
  const [, bracketed, plain, port] =
    /^(?:(?:nats|tls):\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([\w.-]{1,253}))(?::(\d{1,5}))?\/?$/.exec(
      typeof value === 'string' ? value : '',
    ) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? PORT : Number(port);
  return host !== undefined && number >= 1 && number <= 0xffff
    ? Object.freeze({ host, port: number })
    : refuse(value, field, 'a name or an address, with a port or without');
}

function parsePrefix(value: unknown, field: string): string {
  const isPrefix = typeof value === 'string' && /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(value);
  return isPrefix && value.length <= 100
    ? value
    : refuse(value, field, 'words of letters, digits, _ and - with dots between them');
}

function parseStreams(value: unknown, field: string): string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{1,60}$/.test(value)
    ? value
    : refuse(value, field, 'a word of letters, digits, _ and -');
}

function parseSecret(value: unknown, field: string): string {
  return typeof value === 'string' && value !== ''
    ? value
    : refuse('…', field, 'a text that is not empty');
}

function parseSeed(value: unknown, field: string): string {
  const seed = typeof value === 'string' ? value.trim() : '';
  return NKEY_SEED.test(seed) ? seed : refuse('…', field, 'the seed of a user’s nkey, SU…');
}

function parseCredentials(value: unknown, field: string): string {
  const isCredentials =
    typeof value === 'string' && value.includes('NATS USER JWT') && value.includes('NKEY SEED');
  return isCredentials ? value : refuse('…', field, 'the text of a credentials file');
}

function parsePem(value: unknown, field: string): string {
  return typeof value === 'string' && value.includes('-----BEGIN ')
    ? value
    : refuse('…', field, 'PEM');
}
