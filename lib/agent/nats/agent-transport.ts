import type { Consumer, ConsumerMessages } from '@nats-io/jetstream';

import { APIError } from '../../errors';
import { formatAgentReport } from '../messages';
import type { AgentReport } from '../messages';
import type { AgentTransport, TransportListener } from '../transport';
import { backOffMs, pause } from '../waiting';
import { asOurs, dial, hangUp, loadJetStream } from './client';
import type { JetStreamClient, JsMsg, NatsConnection } from './client';
import { InHand } from './in-hand';
import type { Arrival, Link } from './in-hand';
import { describeConsumer, MOST_IN_HAND } from './layout';
import { parseNatsAgentOptions } from './options';
import type { NatsAgentOptions, NatsAgentOptionsInput } from './options';
import { publish } from './publishing';
import { checkConsumer, ensureLayout } from './ensure-layout';
import { deadLetterSubject, kindOfRequest, reportSubject } from './subjects';

const LONGEST_PAUSE_MS = 30_000;
/** A connection that ends sooner counts as one that was not made. */
const STEADY_MS = 5000;
const NANOSECONDS = 1_000_000;
const LOOK_AGAIN_MS = 250;
const HEARTBEAT_MS = 5000;
/** Of a time as `2026-01-31T23:59:59.123456789Z`. */
const SECONDS = 19;

/**
 * Requests and reports over NATS JetStream: the server keeps an agent's requests until they are executed,
 * and delivers again what was not. See {@link InHand} for their order.
 */
export class NatsAgentTransport implements AgentTransport {
  readonly name = 'nats';
  readonly #options: NatsAgentOptions;
  #server: { readonly js: JetStreamClient } | undefined;

  /** @throws {@link APIError} `SNNET_INPUT_…`. */
  constructor(options: NatsAgentOptionsInput) {
    this.#options = parseNatsAgentOptions(options, 'NatsAgentTransport');
  }

  /** @throws {@link APIError} `SNNET_NATS_INCOMPLETE`: the client's packages are not installed. */
  async receive(listener: TransportListener, signal: AbortSignal): Promise<void> {
    loadJetStream();
    const { logger, mostAttempts } = this.#options;
    const inHand = new InHand(listener, { mostAttempts, logger });
    for (let failures = 0; !signal.aborted;) {
      const began = performance.now();
      try {
        await this.#serve(listener, inHand, signal);
      } catch (error) {
        const { code, message: reason } = asOurs(error);
        if (code !== 'SNNET_CALL_ABORTED')
          logger.warn('there is no connection to NATS', { reason });
      }
      failures = performance.now() - began >= STEADY_MS ? 0 : failures + 1;
      await pause(backOffMs(failures, LONGEST_PAUSE_MS), signal);
    }
    await inHand.close();
  }

  /** @throws {@link APIError} `SNNET_NATS_…`. */
  async report(report: AgentReport, messageId: string): Promise<void> {
    const js = this.#server?.js;
    if (js === undefined) {
      const detail = 'there is no connection at the moment';
      throw new APIError('SNNET_NATS_UNREACHABLE', { operation: 'report', detail });
    }
    const { names, uuid, timeoutMs } = this.#options;
    await publish(js, {
      subject: reportSubject(names, uuid, report.kind),
      stream: names.reports,
      payload: formatAgentReport(report),
      messageId,
      headers: { 'Ciao-Origin': uuid },
      timeoutMs,
    });
  }

  /** One connection, from its beginning to its end. */
  async #serve(listener: TransportListener, inHand: InHand, signal: AbortSignal): Promise<void> {
    const { connection, peer } = await dial(this.#options, signal);
    let isConnected = false;
    let reason: Error = new APIError('SNNET_CALL_ABORTED', { cause: signal.reason });
    try {
      const js = loadJetStream().jetstream(connection, { timeout: this.#options.timeoutMs });
      const consumer = await this.#openConsumer(connection, js);
      void this.#tellErrors(connection);
      this.#server = { js };
      isConnected = true;
      listener.connected(peer);
      await this.#consume({ connection, js, consumer, inHand }, signal);
    } catch (error) {
      reason = asOurs(error, peer);
      throw reason;
    } finally {
      this.#server = undefined;
      if (!signal.aborted) inHand.detach();
      else await inHand.close();
      await hangUp(connection);
      if (isConnected) listener.disconnected(reason);
    }
  }

  async #openConsumer(connection: NatsConnection, js: JetStreamClient): Promise<Consumer> {
    const { names, uuid, timeoutMs, setUp } = this.#options;
    if (setUp) await ensureLayout(connection, { names, timeoutMs, agents: [uuid] });
    const wanted = describeConsumer(names, uuid);
    const consumer = await js.consumers.get(names.requests, wanted.durable_name);
    const { config } = await consumer.info(true);
    checkConsumer({ ...config }, wanted);
    return consumer;
  }

  async #consume(
    { connection, js, consumer, inHand }: Session,
    signal: AbortSignal,
  ): Promise<void> {
    const { created, stream_name, name, config } = await consumer.info(true);
    // To the second: a server of version 2.9 that has restarted says it some microseconds later.
    const count = `${stream_name}/${name}@${created.slice(0, SECONDS)}`;
    await inHand.attach(this.#linkOver(connection, js), count);
    const messages = await consumer.consume({
      max_messages: MOST_IN_HAND,
      idle_heartbeat: HEARTBEAT_MS,
      abort_on_missing_resource: true,
    });
    const stop = (): void => void messages.close();
    signal.addEventListener('abort', stop, { once: true });
    const keeping = setInterval(() => inHand.keepAll(), keepEvery(config.ack_wait));
    try {
      await Promise.all([take(messages, inHand, count), this.#order(consumer, messages, inHand)]);
    } finally {
      clearInterval(keeping);
      signal.removeEventListener('abort', stop);
      stop();
    }
    // The iterator ends in silence where the connection does.
    if (!signal.aborted) throw (await connection.closed()) ?? new Error('the connection has ended');
  }

  /** Lets requests begin as soon as everything is here that the server had delivered before. */
  async #order(consumer: Consumer, messages: ConsumerMessages, inHand: InHand): Promise<void> {
    const over = new AbortController();
    void messages.closed().then(() => over.abort());
    try {
      while (!over.signal.aborted) {
        // In this order: what comes while we ask does not count.
        const { size } = inHand;
        const { num_ack_pending: waiting } = await consumer.info();
        if (waiting <= size) break;
        await inHand.change(LOOK_AGAIN_MS);
      }
      inHand.begin();
    } catch (error) {
      void messages.close();
      throw error;
    }
  }

  #linkOver(connection: NatsConnection, js: JetStreamClient): Link {
    const { names, uuid, timeoutMs } = this.#options;
    const tell = (reply: string, word: string): void => {
      if (!connection.isClosed()) connection.publish(reply, word);
    };
    return {
      acknowledge: async (reply) => {
        await connection.request(reply, '+ACK', { timeout: timeoutMs });
      },
      keep: (reply) => tell(reply, '+WPI'),
      release: (reply) => tell(reply, '-NAK'),
      bury: async ({ subject, sequence, deliveries, payload, count }, reason) => {
        await publish(js, {
          subject: deadLetterSubject(names, uuid, subject),
          stream: names.deadLetters,
          payload,
          messageId: `${count} ${String(sequence)}`,
          headers: {
            'Ciao-Origin': uuid,
            'Dead-Reason': reason,
            'Dead-Subject': subject,
            'Dead-Sequence': String(sequence),
            'Dead-Deliveries': String(deliveries),
          },
          timeoutMs,
        });
      },
    };
  }

  /** What the server refuses without a request that would fail of it: rights that are missing, most often. */
  async #tellErrors(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type !== 'error') continue;
      this.#options.logger.warn('the NATS server objects', { reason: status.error.message });
    }
  }
}

interface Session {
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly consumer: Consumer;
  readonly inHand: InHand;
}

async function take(messages: ConsumerMessages, inHand: InHand, count: string): Promise<void> {
  for await (const message of messages) inHand.take(arrivalOf(message, count));
}

function arrivalOf(message: JsMsg, count: string): Arrival {
  const { subject, seq, info, data } = message;
  return {
    count,
    sequence: seq,
    deliveries: info.deliveryCount,
    subject,
    kind: kindOfRequest(subject),
    payload: new TextDecoder().decode(data),
    reply: replyOf(message),
  };
}

/** It is acknowledged over whichever connection there is then; the client's types keep where from us. */
function replyOf(message: JsMsg): string {
  const { reply } = message as JsMsg & { readonly reply?: unknown };
  if (typeof reply === 'string' && reply !== '') return reply;
  const detail = 'the client does not say where a message is acknowledged';
  throw new APIError('SNNET_NATS_INCOMPLETE', { detail });
}

/** Three times before the server would deliver it again. */
function keepEvery(ackWait: number | undefined): number {
  return Math.max((ackWait ?? 0) / NANOSECONDS / 3, 100);
}
