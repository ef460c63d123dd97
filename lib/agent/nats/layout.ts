import { consumerOf, subjectsOf } from './subjects';
import type { NatsNames } from './subjects';

/** What a stream is to be like, in the words of JetStream's own configuration; times in nanoseconds. */
export interface NatsStreamConfig {
  readonly name: string;
  readonly description: string;
  readonly subjects: readonly string[];
  readonly retention: 'workqueue' | 'limits';
  readonly storage: 'file';
  /** `new`: what does not fit is refused. */
  readonly discard: 'old' | 'new';
  readonly max_bytes: number;
  readonly max_age: number;
  readonly duplicate_window: number;
  readonly num_replicas: number;
}

/** What an agent's consumer is to be like, likewise. */
export interface NatsConsumerConfig {
  readonly durable_name: string;
  readonly description: string;
  readonly filter_subject: string;
  readonly deliver_policy: 'all';
  readonly ack_policy: 'explicit';
  readonly replay_policy: 'instant';
  readonly ack_wait: number;
  /** -1: without end. The agent counts, and puts aside what fails too often. */
  readonly max_deliver: number;
  readonly max_ack_pending: number;
}

/** What may be chosen of a layout. */
export interface NatsLayoutOptions {
  /** On how many servers of a cluster each stream lies. Default: 1. */
  readonly replicas?: number | undefined;
  /** The most that all requests together may take; beyond it, publishers are refused. Reports and dead letters may take as much each. Default: 256 MiB. */
  readonly maxBytes?: number | undefined;
  /** For how long reports and dead letters are kept. Default: 30 days. */
  readonly keepMs?: number | undefined;
  /** After how long a request whose agent died is delivered again. Default: 5 s. */
  readonly ackWaitMs?: number | undefined;
}

const MILLISECOND = 1_000_000;
const DAY_MS = 86_400_000;
/** What a publisher sends again within this time, the server recognises. */
const DUPLICATES_MS = 600_000;
/** What is at work is said to be so three times in this. */
const ACK_WAIT_MS = 5000;
/** How many requests of one agent are at work, or wait in it, at the most. */
export const MOST_IN_HAND = 64;

/**
 * The streams, as data.
 *
 * Requests are kept until their agent has executed them, however long it is away. Where there is no room
 * left the publisher hears of it, since a request that is dropped in silence is a tunnel that is missing.
 */
export function describeStreams(
  names: NatsNames,
  options: NatsLayoutOptions = {},
): readonly NatsStreamConfig[] {
  const { replicas = 1, maxBytes = 2 ** 28, keepMs = 30 * DAY_MS } = options;
  const common = {
    storage: 'file',
    duplicate_window: DUPLICATES_MS * MILLISECOND,
    num_replicas: replicas,
  } as const;
  const kept = {
    retention: 'limits',
    discard: 'old',
    max_bytes: maxBytes,
    max_age: keepMs * MILLISECOND,
  } as const;
  return Object.freeze([
    {
      name: names.requests,
      description: 'requests to the concentrators’ agents, until they are executed',
      subjects: [`${names.prefix}.cnci.*.*`],
      retention: 'workqueue',
      discard: 'new',
      max_bytes: maxBytes,
      max_age: 0,
      ...common,
    },
    {
      name: names.reports,
      description: 'what the agents report to the controllers',
      subjects: [`${names.prefix}.events.*.*`, `${names.prefix}.errors.*.*`],
      ...kept,
      ...common,
    },
    {
      name: names.deadLetters,
      description: 'requests that agents refused, or failed at too often',
      subjects: [`${names.prefix}.dead.*.*`],
      ...kept,
      ...common,
    },
  ]);
}

/** The consumer of one agent, as data. */
export function describeConsumer(
  names: NatsNames,
  uuid: string,
  { ackWaitMs = ACK_WAIT_MS }: Pick<NatsLayoutOptions, 'ackWaitMs'> = {},
): NatsConsumerConfig {
  return Object.freeze({
    durable_name: consumerOf(uuid),
    description: `requests to agent ${uuid}`,
    filter_subject: subjectsOf(names, 'cnci', uuid),
    deliver_policy: 'all',
    ack_policy: 'explicit',
    replay_policy: 'instant',
    ack_wait: ackWaitMs * MILLISECOND,
    max_deliver: -1,
    max_ack_pending: MOST_IN_HAND,
  });
}

/** What `setUpNats` found and made. */
export interface NatsSetUp {
  /** Names of streams and consumers that were made. */
  readonly made: readonly string[];
  /** Those that were there. */
  readonly found: readonly string[];
}
