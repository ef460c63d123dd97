import type { JetStreamManager } from '@nats-io/jetstream';

import { APIError } from '../../errors';
import { asOurs, loadJetStream } from './client';
import type { NatsConnection } from './client';
import { describeConsumer, describeStreams } from './layout';
import type { NatsConsumerConfig, NatsLayoutOptions, NatsSetUp, NatsStreamConfig } from './layout';
import type { NatsNames } from './subjects';

/**
 * Not in the file of what users call: the client's own types do not compile for everybody, so that ours
 * must do without them.
 */
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

export async function managerOf(
  connection: NatsConnection,
  timeout: number,
): Promise<JetStreamManager> {
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

export function ignoreAbsence(error: unknown): undefined {
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
