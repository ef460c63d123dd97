import type { JetStreamManager } from '@nats-io/jetstream';

import { APIError } from '../../errors';
import { asOurs, dial, hangUp, loadJetStream } from './client';
import type { NatsConnection } from './client';
import { describeConsumer, describeStreams } from './layout';
import type { NatsConsumerConfig, NatsLayoutOptions, NatsStreamConfig } from './layout';
import { parseNatsOptions } from './options';
import type { NatsOptionsInput } from './options';
import type { NatsNames } from './subjects';

/** What {@link setUpNats} found and made. */
export interface NatsSetUp {
  /** Names of streams and consumers that were made. */
  readonly made: readonly string[];
  /** Those that were there. */
  readonly found: readonly string[];
}

/**
 * Makes the streams, and a consumer for each of these agents, where they are not there. What is there is
 * left as it is. It takes an account's full rights to JetStream.
 *
 * @param agents - UUIDs.
 * @throws {@link APIError} `SNNET_NATS_UNREACHABLE`, `SNNET_NATS_REFUSED`, `SNNET_NATS_INCOMPLETE`
 * (JetStream is off), `SNNET_INPUT_…`.
 */
export async function setUpNats(
  options: NatsOptionsInput,
  agents: readonly string[],
  layout: NatsLayoutOptions = {},
): Promise<NatsSetUp> {
  const parsed = parseNatsOptions(options, 'setUpNats');
  const { connection } = await dial(parsed, new AbortController().signal);
  try {
    const { names, timeoutMs } = parsed;
    return await ensureLayout(connection, { names, timeoutMs, agents, layout });
  } finally {
    await hangUp(connection);
  }
}

/**
 * Deletes an agent's consumer, and its requests that were not executed: for a concentrator that is gone
 * for good.
 */
export async function removeNatsAgent(options: NatsOptionsInput, agent: string): Promise<void> {
  const { names, timeoutMs, ...rest } = parseNatsOptions(options, 'removeNatsAgent');
  const { connection } = await dial({ names, timeoutMs, ...rest }, new AbortController().signal);
  try {
    const manager = await managerOf(connection, timeoutMs);
    const { durable_name, filter_subject } = describeConsumer(names, agent);
    await manager.consumers.delete(names.requests, durable_name).catch(ignoreAbsence);
    await manager.streams.purge(names.requests, { filter: filter_subject });
  } catch (error) {
    throw asOurs(error).withDetails({ operation: 'removeNatsAgent' });
  } finally {
    await hangUp(connection);
  }
}

export async function ensureLayout(
  connection: NatsConnection,
  wanted: {
    readonly names: NatsNames;
    readonly timeoutMs: number;
    readonly agents: readonly string[];
    readonly layout?: NatsLayoutOptions;
  },
): Promise<NatsSetUp> {
  const { names, timeoutMs, agents, layout = {} } = wanted;
  const made: string[] = [];
  const found: string[] = [];
  const note = (isMade: boolean, name: string): void => void (isMade ? made : found).push(name);
  try {
    const manager = await managerOf(connection, timeoutMs);
    for (const stream of describeStreams(names, layout)) {
      note(await ensureStream(manager, stream), stream.name);
    }
    for (const agent of agents) {
      const consumer = describeConsumer(names, agent, layout);
      note(await ensureConsumer(manager, names.requests, consumer), consumer.durable_name);
    }
    return Object.freeze({ made: Object.freeze(made), found: Object.freeze(found) });
  } catch (error) {
    throw asOurs(error).withDetails({ operation: 'setUpNats' });
  }
}

async function managerOf(connection: NatsConnection, timeout: number): Promise<JetStreamManager> {
  return await loadJetStream().jetstreamManager(connection, { timeout });
}

async function ensureStream(
  manager: JetStreamManager,
  { subjects, ...config }: NatsStreamConfig,
): Promise<boolean> {
  const isThere = await manager.streams.info(config.name).then(() => true, ignoreAbsence);
  if (isThere !== undefined) return false;
  // Of two that make it at the same time, the second finds it as it wants it.
  await manager.streams.add({ ...config, subjects: [...subjects] });
  return true;
}

async function ensureConsumer(
  manager: JetStreamManager,
  stream: string,
  config: NatsConsumerConfig,
): Promise<boolean> {
  const name = config.durable_name;
  const isThere = await manager.consumers.info(stream, name).then(() => true, ignoreAbsence);
  if (isThere !== undefined) return false;
  await manager.consumers.add(stream, config);
  return true;
}

function ignoreAbsence(error: unknown): undefined {
  const ours = asOurs(error);
  if (ours.code !== 'SNNET_NATS_INCOMPLETE' || isOff(error)) throw ours;
}

function isOff(error: unknown): boolean {
  return !(error instanceof Error && error.name.endsWith('NotFoundError'));
}

/** Refuses a consumer by which requests could get lost, or out of their order. */
export function checkConsumer(
  found: Readonly<Record<string, unknown>>,
  wanted: NatsConsumerConfig,
): void {
  for (const name of ['filter_subject', 'ack_policy', 'max_deliver'] as const) {
    if (found[name] === wanted[name]) continue;
    throw new APIError('SNNET_NATS_INCOMPLETE', {
      object: { consumer: wanted.durable_name },
      detail: `its ${name} is ${String(found[name])}, and must be ${String(wanted[name])}`,
    });
  }
}
