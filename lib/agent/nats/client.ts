import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type * as JetStream from '@nats-io/jetstream';
import type * as Transport from '@nats-io/transport-node';
import type { Authenticator, NatsConnection } from '@nats-io/transport-node';

import { APIError, isLibsnnetError } from '../../errors';
import type { APIErrorCode } from '../../errors';
import { inboxOf } from './subjects';
import type { NatsOptions, NatsServer } from './options';

export type { JetStreamClient, JsMsg, PubAck } from '@nats-io/jetstream';
export type { NatsConnection } from '@nats-io/transport-node';

/** A server that says nothing for twice as long is gone. */
const PING_MS = 10_000;
const FLUSH_MS = 1000;
/** What JetStream calls a stream and a consumer that are not there, and that it is off altogether. */
const ABSENT: ReadonlySet<number> = new Set([10_014, 10_059, 10_039, 10_076]);

/** A connection, and what it leads to. */
export interface Dialled {
  readonly connection: NatsConnection;
  readonly peer: string;
}

// When it is first needed: a program that speaks SSNTP, or nothing, does without.
function load<T>(name: string): T {
  try {
    return createRequire(__filename)(name) as T;
  } catch (cause) {
    const detail = `the package ${name} is not installed`;
    throw new APIError('SNNET_NATS_INCOMPLETE', { detail, cause });
  }
}

export function loadTransport(): typeof Transport {
  return load('@nats-io/transport-node');
}

export function loadJetStream(): typeof JetStream {
  return load('@nats-io/jetstream');
}

/**
 * Connects to the first server that takes us, in a new order each time. A connection that breaks is not
 * made again by itself: what it was used for has to be looked at anew.
 */
export async function dial(options: NatsOptions, signal: AbortSignal): Promise<Dialled> {
  let reason: APIError | undefined;
  for (const server of shuffled(options.servers)) {
    if (signal.aborted) break;
    try {
      return await dialOne(server, options, signal);
    } catch (error) {
      reason = asOurs(error, `${server.host}:${String(server.port)}`);
      if (reason.code === 'SNNET_NATS_INCOMPLETE') throw reason;
      options.logger.debug('a NATS server could not be used', { reason: reason.message });
    }
  }
  throw reason ?? new APIError('SNNET_CALL_ABORTED', { cause: signal.reason });
}

/** Closes it; what is waited for fails. What was published before goes first, if the server answers. */
export async function hangUp(connection: NatsConnection): Promise<void> {
  if (!connection.isClosed()) {
    await Promise.race([
      connection.flush().catch(() => undefined),
      connection.closed(),
      sleep(FLUSH_MS),
    ]);
  }
  await connection.close().catch(() => undefined);
}

/** What went wrong, in our terms. */
export function asOurs(error: unknown, peer?: string): APIError {
  if (error instanceof APIError) return error;
  if (isLibsnnetError(error)) return new APIError('SNNET_NATS_UNREACHABLE', { cause: error });
  const detail = isError(error) ? error.message : String(error);
  const object = peer === undefined ? undefined : { server: peer };
  return new APIError(codeOf(error), { object, detail, cause: error });
}

async function dialOne(
  server: NatsServer,
  options: NatsOptions,
  signal: AbortSignal,
): Promise<Dialled> {
  const { host, port } = server;
  const address = `${isIP(host) === 6 ? `[${host}]` : host}:${String(port)}`;
  const { connect } = loadTransport();
  const { login, timeoutMs, uuid } = options;
  const connecting = connect({
    servers: [address],
    name: `libsnnet ${uuid}`,
    reconnect: false,
    timeout: timeoutMs,
    pingInterval: PING_MS,
    maxPingOut: 2,
    inboxPrefix: inboxOf(uuid),
    noAsyncTraces: true,
    ignoreClusterUpdates: true,
    ...tlsOf(options, host),
    ...(login.kind === 'nothing' ? {} : { authenticator: authenticatorOf(login) }),
  });
  const hurry = (): void => {
    void connecting.then(hangUp, () => undefined);
  };
  signal.addEventListener('abort', hurry, { once: true });
  try {
    return { connection: await connecting, peer: address };
  } finally {
    signal.removeEventListener('abort', hurry);
  }
}

function tlsOf({ tls }: NatsOptions, host: string): { tls?: Transport.TlsOptions } {
  if (tls === undefined) return {};
  const { ca, certificate: cert, key, handshakeFirst } = tls;
  return {
    tls: {
      handshakeFirst,
      // Whom the certificate must be for, where that is an address: the client hands it on to Node.
      ...{ host, minVersion: 'TLSv1.2' },
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    },
  };
}

function authenticatorOf(login: Exclude<NatsOptions['login'], { kind: 'nothing' }>): Authenticator {
  const nats = loadTransport();
  switch (login.kind) {
    case 'password':
      return nats.usernamePasswordAuthenticator(login.user, login.password);
    case 'token':
      return nats.tokenAuthenticator(login.token);
    case 'nkey':
      return nats.nkeyAuthenticator(Buffer.from(login.seed));
    case 'credentials':
      return nats.credsAuthenticator(Buffer.from(login.text));
  }
}

function codeOf(error: unknown): APIErrorCode {
  for (let cause = error, depth = 0; isError(cause) && depth < 5; depth += 1) {
    if (isRefusal(cause)) return 'SNNET_NATS_REFUSED';
    if (isAbsence(cause)) return 'SNNET_NATS_INCOMPLETE';
    cause = cause.cause;
  }
  return 'SNNET_NATS_UNREACHABLE';
}

/** Node's own errors may be of another realm than ours. */
function isError(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value;
}

function isRefusal(error: Error): boolean {
  const { AuthorizationError, PermissionViolationError, UserAuthenticationExpiredError } =
    loadTransport();
  const { code, status } = error as { readonly code?: unknown; readonly status?: unknown };
  return (
    error instanceof AuthorizationError ||
    error instanceof PermissionViolationError ||
    error instanceof UserAuthenticationExpiredError ||
    // What JetStream has decided; 503 is that it cannot at the moment.
    (error.name === 'JetStreamApiError' && status !== 503 && !ABSENT.has(Number(code))) ||
    // What OpenSSL and Node say of certificates.
    (typeof code === 'string' && /CERT|^ERR_TLS|^ERR_SSL|SELF_SIGNED|UNABLE_TO/.test(code))
  );
}

function isAbsence(error: Error): boolean {
  const { NoRespondersError } = loadTransport();
  if (error instanceof NoRespondersError || error.name === 'JetStreamNotEnabled') return true;
  const { code } = error as { readonly code?: unknown };
  return error.name.startsWith('JetStream') || error.name.endsWith('NotFoundError')
    ? typeof code === 'number' && ABSENT.has(code)
    : false;
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((value) => ({ value, place: Math.random() }))
    .sort((left, right) => left.place - right.place)
    .map(({ value }) => value);
}
