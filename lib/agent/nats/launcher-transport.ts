import { APIError } from '../../errors';
import { formatAgentRequest } from '../messages';
import type { TenantEvent } from '../messages';
import type { LauncherTransport } from '../transport';
import { asOurs, dial, hangUp, loadJetStream } from './client';
import type { JetStreamClient, NatsConnection } from './client';
import { parseNatsOptions } from './options';
import type { NatsOptions, NatsOptionsInput } from './options';
import { publish } from './publishing';
import { requestSubject } from './subjects';

interface Session {
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
}

/**
 * A launcher's events over NATS JetStream: an event that was sent lies in the stream until the
 * concentrator's agent has executed it. Connects when there is something to send.
 */
export class NatsLauncherTransport implements LauncherTransport {
  readonly name = 'nats';
  readonly #options: NatsOptions;
  readonly #closing = new AbortController();
  #session: Promise<Session> | undefined;

  /** @throws {@link APIError} `SNNET_INPUT_…`. */
  constructor(options: NatsOptionsInput) {
    this.#options = parseNatsOptions(options, 'NatsLauncherTransport');
  }

  /** @throws {@link APIError} `SNNET_NATS_…`. */
  async send(event: TenantEvent, messageId: string): Promise<void> {
    const operation = 'send';
    if (this.#closing.signal.aborted) throw new APIError('SNNET_HANDLE_CLOSED', { operation });
    const { names, timeoutMs, uuid } = this.#options;
    try {
      const { js } = await this.#connect();
      await publish(js, {
        subject: requestSubject(names, event.concentratorUuid, event.kind),
        stream: names.requests,
        payload: formatAgentRequest(event),
        messageId,
        headers: { 'Ciao-Origin': uuid },
        timeoutMs,
      });
    } catch (error) {
      throw asOurs(error).withDetails({ operation });
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const session = await this.#session?.catch(() => undefined);
    if (session !== undefined) await hangUp(session.connection);
  }

  #connect(): Promise<Session> {
    this.#session ??= this.#dial();
    return this.#session;
  }

  async #dial(): Promise<Session> {
    try {
      const { connection, peer } = await dial(this.#options, this.#closing.signal);
      this.#options.logger.info('connected to NATS', { peer });
      void connection.closed().then((reason) => {
        this.#session = undefined;
        const message = reason instanceof Error ? reason.message : 'closed';
        this.#options.logger.info('the connection to NATS has ended', { reason: message });
      });
      const js = loadJetStream().jetstream(connection, { timeout: this.#options.timeoutMs });
      return { connection, js };
    } catch (error) {
      this.#session = undefined;
      throw error;
    }
  }
}
