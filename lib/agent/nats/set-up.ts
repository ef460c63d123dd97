import { asOurs, dial, hangUp } from './client';
import { ensureLayout, ignoreAbsence, managerOf } from './ensure-layout';
import { describeConsumer } from './layout';
import type { NatsLayoutOptions, NatsSetUp } from './layout';
import { parseNatsOptions } from './options';
import type { NatsOptionsInput } from './options';

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
