import { createSecureContext } from 'node:tls';

import { APIError } from '../../errors';
import { parseCallOptions } from '../../model';
import type { CallOptionsInput } from '../../model';
import { backOffMs, REAL_SURROUNDINGS } from './backoff';
import type { Surroundings } from './backoff';
import { namesOf } from './certificates';
import { asOurs, plainFrames, unreachable } from './connection';
import type { Connection } from './connection';
import { dial, isFinal } from './dial';
import type { Dialled, DialOptions, SsntpPeer } from './dial';
import type { SsntpFrame } from './frames';
import { Mailbox } from './mailbox';
import { parseMessage } from './message';
import type { SsntpMessage } from './message';
import { endpoint, parseClientOptions } from './options';
import type { Endpoint, SsntpClientOptions } from './options';

/** What happens at a client, in order. */
export type SsntpClientEvent =
  | {
      readonly kind: 'connected';
      readonly server: SsntpPeer;
      /** What the server tells all its clients; may be empty. */
      readonly configuration: Uint8Array;
    }
  | { readonly kind: 'frame'; readonly frame: SsntpFrame }
  | { readonly kind: 'disconnected'; readonly reason: APIError };

/** A connection that ends sooner counts as one that was not made: a server may drop whom it admits. */
const STEADY_MS = 5000;

/**
 * The client's end: stays connected to the first server that it reaches, and dials again whenever the
 * connection is lost.
 *
 * ```ts
 * await using client = SsntpClient.open({ uuid, certificate, ca, servers: ['scheduler.example'] });
 * for await (const event of client) …
 * ```
 *
 * The events end when the client is closed; they end with an error when a server refuses it for good.
 */
export class SsntpClient implements AsyncIterable<SsntpClientEvent>, AsyncDisposable {
  readonly #options: DialOptions;
  readonly #servers: readonly Endpoint[];
  readonly #around: Surroundings;
  readonly #closing = new AbortController();
  readonly #events = new Mailbox<SsntpClientEvent>();
  readonly #finished: Promise<void>;
  #connection: Connection | undefined;
  #over: APIError | undefined;

  private constructor(options: SsntpClientOptions, around: Surroundings) {
    const parsed = parseClientOptions(options, 'open');
    const { caPem, pem, anchors } = parsed.credentials;
    const context = createSecureContext({ ca: caPem, cert: pem, key: pem, minVersion: 'TLSv1.2' });
    this.#options = { ...parsed, context, signal: this.#closing.signal };
    this.#servers = listServers(parsed.servers, namesOf(anchors));
    this.#around = around;
    this.#finished = this.#run();
  }

  /**
   * Begins to dial, and goes on until it is closed.
   *
   * @param call - Its signal closes the client.
   * @param around - The clock and the chance by which it waits.
   */
  static open(
    options: SsntpClientOptions,
    call?: Pick<CallOptionsInput, 'signal'>,
    around: Surroundings = REAL_SURROUNDINGS,
  ): SsntpClient {
    const { signal } = parseCallOptions(call, 'open');
    if (signal?.aborted === true) {
      throw new APIError('SNNET_CALL_ABORTED', { operation: 'open', cause: signal.reason });
    }
    const client = new SsntpClient(options, around);
    const close = (): void => void client.close();
    signal?.addEventListener('abort', close, { once: true });
    void client.#finished.then(() => signal?.removeEventListener('abort', close));
    return client;
  }

  get uuid(): string {
    return this.#options.uuid;
  }

  /** The servers in the order in which they are tried. */
  get servers(): readonly Endpoint[] {
    return this.#servers;
  }

  get isConnected(): boolean {
    return this.#connection?.isOver === false;
  }

  /** For one reader. Without one, the server has to wait. */
  [Symbol.asyncIterator](): AsyncIterator<SsntpClientEvent, undefined> {
    return this.#events;
  }

  /**
   * Resolves when the frame has been handed to the kernel: nobody tells whether it arrived. Rejects
   * where there is no connection: nothing is kept for the next one.
   */
  async send(message: SsntpMessage): Promise<void> {
    const frame = parseMessage(message, this.uuid);
    if (this.#over !== undefined) throw this.#over.withDetails({ operation: 'send' });
    if (this.#connection === undefined) throw unreachable('there is no connection at the moment');
    await this.#connection.send(frame);
  }

  /** Ends the connection in order and dials no more. What has come is still read, then the events end. */
  async close(): Promise<void> {
    const reason = new APIError('SNNET_HANDLE_CLOSED', { operation: 'close' });
    this.#over ??= reason;
    this.#connection?.finish(reason);
    this.#closing.abort();
    await this.#finished;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    let round = 0;
    while (this.#over === undefined) {
      const livedMs = await this.#useFirstReachable();
      if (livedMs >= STEADY_MS) round = 0;
      else await this.#backOff(round++);
    }
    this.#events.end(this.#over.code === 'SNNET_HANDLE_CLOSED' ? undefined : this.#over);
  }

  /** How long a connection lasted that could be made; 0 if none could. */
  async #useFirstReachable(): Promise<number> {
    for (const server of this.#servers) {
      if (this.#over !== undefined) break;
      try {
        const dialled = await dial(server, this.#options);
        const began = this.#around.now();
        await this.#use(dialled);
        return this.#around.now() - began;
      } catch (error) {
        const reason = asOurs(error);
        this.#options.logger.warn('a server could not be used', { reason: reason.message });
        if (isFinal(reason)) this.#over ??= reason;
      }
    }
    return 0;
  }

  async #use({ connection, peer, configuration }: Dialled): Promise<void> {
    this.#connection = connection;
    // It may have been closed in the very turn in which the handshake was done.
    if (this.#over !== undefined) connection.finish(this.#over);
    this.#options.logger.info('connected', { host: peer.host, port: peer.port });
    this.#events.push(Object.freeze({ kind: 'connected', server: peer, configuration }));
    connection.deliver(
      plainFrames(connection, (frame) => {
        this.#events.push(Object.freeze({ kind: 'frame', frame }));
        if (!this.#events.isFull) return true;
        this.#events.whenRoom(() => connection.resume());
        return false;
      }),
    );
    const reason = await connection.ended;
    this.#connection = undefined;
    this.#options.logger.warn('disconnected', { reason: reason.message });
    this.#events.push(Object.freeze({ kind: 'disconnected', reason }));
  }

  async #backOff(round: number): Promise<void> {
    const { signal } = this.#closing;
    if (this.#over !== undefined || signal.aborted) return;
    const ms = backOffMs(round, this.#around.random());
    this.#options.logger.info('dialling again later', { ms });
    // Closing ends the wait; the caller looks whether it did.
    await this.#around.wait(ms, signal).catch(() => undefined);
    if (this.#events.isFull) await this.#room();
  }

  /** A reader that has gone away must not make the events grow with every connection. */
  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#events.whenRoom(resolve);
      this.#closing.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}

/** As the original tries them, each once: the named ones, those of the authority, this machine. */
function listServers(
  named: readonly Endpoint[],
  ofAuthority: readonly string[],
): readonly Endpoint[] {
  const all = [...named, ...[...ofAuthority, 'localhost'].map((host) => endpoint(host))];
  const distinct = new Map(all.map((one) => [`${one.host} ${one.port}`, one]));
  return Object.freeze([...distinct.values()]);
}
