import { constants } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';

import { APIError } from '../../errors';
import { parseCallOptions } from '../../model';
import type { CallOptionsInput } from '../../model';
import { acceptPeer } from './certificates';
import { asOurs, Connection, plainFrames, unreachable } from './connection';
import { within } from './deadline';
import type { SsntpFrame } from './frames';
import { Mailbox } from './mailbox';
import { parsePayload } from './message';
import {
  bitsOfRoles,
  CONNECT,
  CONNECTED,
  CONNECTION_ABORTED,
  CONNECTION_FAILURE,
  rolesOfBits,
  STATUS,
} from './numbers';
import type { SsntpRole } from './numbers';
import { endpoint, parseServerOptions } from './options';
import type { Endpoint, ServerOptions, SsntpServerOptions } from './options';
import { SsntpSession } from './session';
import { NIL_UUID } from './uuid';
import { VERSION } from './wire-frame';
import type { WireFrame } from './wire-frame';

/** What happens at a server, in order. */
export type SsntpServerEvent =
  | { readonly kind: 'connected'; readonly session: SsntpSession }
  | { readonly kind: 'frame'; readonly session: SsntpSession; readonly frame: SsntpFrame }
  | { readonly kind: 'disconnected'; readonly session: SsntpSession; readonly reason: APIError };

/**
 * The server's end: admits clients by their certificates, knows them by their UUIDs, and gives what they
 * send to its one reader, who also says where it goes.
 *
 * ```ts
 * await using server = await SsntpServer.listen({ uuid, certificate, ca });
 * for await (const event of server) …
 * ```
 */
export class SsntpServer implements AsyncIterable<SsntpServerEvent>, AsyncDisposable {
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Map<string, SsntpSession>();
  readonly #events = new Mailbox<SsntpServerEvent>();
  #configuration: Uint8Array;
  #address = endpoint('', 0);
  #closing: Promise<void> | undefined;

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.#configuration = options.configuration;
    const { pem, caPem } = options.credentials;
    this.#server = createServer({
      cert: pem,
      key: pem,
      ca: caPem,
      minVersion: 'TLSv1.2',
      requestCert: true,
      // `acceptPeer` decides, before anything is read.
      rejectUnauthorized: false,
      // A resumed session would be one whose certificate was judged some other day.
      secureOptions: constants.SSL_OP_NO_TICKET,
      handshakeTimeout: options.handshakeTimeoutMs,
    });
    this.#server.maxConnections = options.maxSessions;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('tlsClientError', ({ message }) => {
      this.#options.logger.warn('a client failed in TLS', { reason: message });
    });
    this.#server.on('secureConnection', (socket) => void this.#admit(socket));
  }

  /** Listens; clients are served from then on. */
  static async listen(options: SsntpServerOptions, call?: CallOptionsInput): Promise<SsntpServer> {
    const { signal } = parseCallOptions(call, 'listen');
    const server = new SsntpServer(parseServerOptions(options, 'listen'));
    if (signal?.aborted === true) {
      throw new APIError('SNNET_CALL_ABORTED', { operation: 'listen', cause: signal.reason });
    }
    await server.#listen();
    return server;
  }

  get uuid(): string {
    return this.#options.uuid;
  }

  /** Where it listens. */
  get address(): Endpoint {
    return this.#address;
  }

  /** Who is connected, by UUID. */
  get sessions(): ReadonlyMap<string, SsntpSession> {
    return this.#sessions;
  }

  /** What clients are told that connect from now on. */
  setConfiguration(configuration: string | Uint8Array): void {
    this.#configuration = parsePayload(configuration, 'configuration');
  }

  /** For one reader. Without one, clients have to wait. */
  [Symbol.asyncIterator](): AsyncIterator<SsntpServerEvent, undefined> {
    return this.#events;
  }

  /** Ends all sessions. What has come is still read, then the events end. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: Error) => {
        const detail = cause.message;
        reject(new APIError('SNNET_SSNTP_LISTEN', { operation: 'listen', detail, cause }));
      });
      this.#server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
    });
    const bound = this.#server.address() as AddressInfo;
    this.#address = endpoint(bound.address, bound.port);
    this.#server.removeAllListeners('error');
    this.#server.on('error', ({ message }: Error) => {
      this.#options.logger.error('the server cannot accept', { reason: message });
    });
  }

  async #close(): Promise<void> {
    const reason = new APIError('SNNET_HANDLE_CLOSED', { operation: 'close' });
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions.values()) this.#retire(session, reason);
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    this.#events.end();
  }

  async #admit(socket: TLSSocket): Promise<void> {
    const { credentials, handshakeTimeoutMs, limits, logger } = this.#options;
    const connection = new Connection(socket, limits);
    try {
      const granted = acceptPeer(socket, credentials);
      const frame = await within(handshakeTimeoutMs, connection, () => connection.receiveOne());
      const session = this.#judge(frame, granted, connection);
      if (session !== undefined) this.#welcome(session, connection);
    } catch (error) {
      const reason = asOurs(error);
      logger.warn('a client was not admitted', { reason: reason.message });
      if (reason.code === 'SNNET_SSNTP_CERTIFICATE') connection.close(reason);
      else connection.refuse(CONNECTION_FAILURE, reason);
    }
  }

  /** The session of who said CONNECT as it should be said; everybody else is told why not. */
  #judge(
    frame: WireFrame,
    granted: readonly SsntpRole[],
    connection: Connection,
  ): SsntpSession | undefined {
    if (frame.kind !== 'connect' || frame.operand !== CONNECT || frame.source === NIL_UUID) {
      throw new APIError('SNNET_SSNTP_MALFORMED', { detail: 'no CONNECT came first' });
    }
    const roles = rolesOfBits(frame.role);
    if (roles?.every((role) => granted.includes(role)) === true) {
      return new SsntpSession(frame.source, roles, connection, this.#options.uuid);
    }
    const detail = `role ${frame.role} is not of ${granted.join(', ')}`;
    const reason = new APIError('SNNET_SSNTP_ROLE', { object: { client: frame.source }, detail });
    this.#options.logger.warn('a client was not admitted', { reason: reason.message });
    connection.refuse(CONNECTION_ABORTED, reason);
    return undefined;
  }

  #welcome(session: SsntpSession, connection: Connection): void {
    if (connection.isOver) return;
    connection.forgetTypes();
    const older = this.#sessions.get(session.uuid);
    if (older !== undefined) this.#retire(older, unreachable('the client connected again'));
    this.#sessions.set(session.uuid, session);
    this.#events.push(Object.freeze({ kind: 'connected', session }));
    void connection.ended.then((reason) => this.#retire(session, reason));
    const { uuid, roles } = this.#options;
    const connected: WireFrame = {
      kind: 'connected',
      ...VERSION,
      type: STATUS,
      operand: CONNECTED,
      role: bitsOfRoles(roles),
      source: uuid,
      destination: session.uuid,
      payload: this.#configuration,
    };
    connection.send(connected).catch((error: unknown) => connection.close(asOurs(error)));
    connection.deliver(
      plainFrames(connection, (frame) => {
        this.#events.push(Object.freeze({ kind: 'frame', session, frame }));
        if (!this.#events.isFull) return true;
        this.#events.whenRoom(() => connection.resume());
        return false;
      }),
    );
  }

  /** A session ends once; its place may have been taken by then. */
  #retire(session: SsntpSession, reason: APIError): void {
    if (this.#sessions.get(session.uuid) !== session) return;
    this.#sessions.delete(session.uuid);
    this.#events.push(Object.freeze({ kind: 'disconnected', session, reason }));
    session.close(reason);
  }
}
