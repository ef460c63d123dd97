import { isIP } from 'node:net';
import { checkServerIdentity, connect } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';

import { APIError } from '../../errors';
import { acceptPeer } from './certificates';
import { asOurs, Connection, unreachable } from './connection';
import { within } from './deadline';
import {
  bitsOfRoles,
  COMMAND,
  CONNECT,
  CONNECTED,
  CONNECTION_ABORTED,
  CONNECTION_FAILURE,
  ERROR,
  OPERANDS,
  rolesOfBits,
} from './numbers';
import type { SsntpRole } from './numbers';
import type { ClientOptions, Endpoint } from './options';
import { NIL_UUID } from './uuid';
import { VERSION } from './wire-frame';
import type { WireFrame } from './wire-frame';

/** The server at the other end, as it presented itself. */
export interface SsntpPeer {
  readonly host: string;
  readonly port: number;
  readonly uuid: string;
  readonly roles: readonly SsntpRole[];
}

/** A connection whose handshake is done. */
export interface Dialled {
  readonly connection: Connection;
  readonly peer: SsntpPeer;
  readonly configuration: Uint8Array;
}

/** What {@link dial} needs. */
export interface DialOptions extends ClientOptions {
  readonly context: SecureContext;
  readonly signal: AbortSignal;
}

/** Connects to one server; rejects unless that is who it must be, and it said CONNECTED. */
export async function dial(server: Endpoint, options: DialOptions): Promise<Dialled> {
  const { context, handshakeTimeoutMs, limits, signal } = options;
  if (signal.aborted) throw unreachable('the client was closed');
  const { host, port } = server;
  const socket = connect({
    host,
    port,
    secureContext: context,
    // An address is no name to ask for.
    servername: isIP(host) === 0 ? host : '',
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    // `acceptPeer` decides, before anything is sent.
    rejectUnauthorized: false,
  });
  const connection = new Connection(socket, limits);
  const abort = (): void => connection.close(unreachable('the client was closed'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await within(handshakeTimeoutMs, connection, async () => {
      await secured(socket, connection);
      return await shakeHands(socket, connection, server, options);
    });
  } catch (error) {
    const reason = asOurs(error);
    if (reason.code === 'SNNET_SSNTP_ROLE') connection.refuse(CONNECTION_FAILURE, reason);
    else connection.close(reason);
    throw reason.withDetails({ object: { host, port } });
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function secured(socket: TLSSocket, connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    void connection.ended.then(reject);
  });
}

async function shakeHands(
  socket: TLSSocket,
  connection: Connection,
  { host, port }: Endpoint,
  { credentials, roles, uuid }: DialOptions,
): Promise<Dialled> {
  const granted = acceptPeer(socket, credentials, host);
  // Not waited for: a server that has judged our certificate may have closed already, and says why.
  connection
    .send({
      kind: 'connect',
      ...VERSION,
      type: COMMAND,
      operand: CONNECT,
      role: bitsOfRoles(roles),
      source: uuid,
      destination: NIL_UUID,
    })
    .catch(() => undefined);
  const answer = await connection.receiveOne();
  if (answer.kind !== 'connected' || answer.operand !== CONNECTED) throw refusalOf(answer);
  const serving = checkRoles(answer.role, granted);
  const peer = Object.freeze({ host, port, uuid: answer.source, roles: serving });
  return { connection, peer, configuration: answer.payload };
}

/** A server must be one: any client's certificate would do otherwise. */
function checkRoles(bits: number, granted: readonly SsntpRole[]): readonly SsntpRole[] {
  const roles = rolesOfBits(bits);
  const isServer = roles?.some((role) => role === 'SERVER' || role === 'SCHEDULER') === true;
  if (roles !== undefined && isServer && roles.every((role) => granted.includes(role))) {
    return roles;
  }
  const detail = `role ${bits} is no server's, or not of ${granted.join(', ')}`;
  throw new APIError('SNNET_SSNTP_ROLE', { detail });
}

function refusalOf(answer: WireFrame): APIError {
  if (answer.kind !== 'frame' || answer.type !== ERROR) {
    return new APIError('SNNET_SSNTP_MALFORMED', { detail: 'no CONNECTED came first' });
  }
  const name: string = OPERANDS.ERROR[answer.operand] ?? String(answer.operand);
  return new APIError('SNNET_SSNTP_REFUSED', { detail: name });
}

/** A refusal after which dialling again would change nothing. */
export function isFinal(error: APIError): boolean {
  return (
    error.code === 'SNNET_SSNTP_REFUSED' && error.detail === OPERANDS.ERROR[CONNECTION_ABORTED]
  );
}
