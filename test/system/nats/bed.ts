/** What the tests over NATS have in common: agents that record, and messages. */
import { randomUUID } from 'node:crypto';

import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { formatAgentRequest, parseAgentRequest } from '#lib/agent/messages/index';
import type { TenantEvent } from '#lib/agent/messages/index';
import { NatsAgentTransport, NatsLauncherTransport, setUpNats } from '#lib/agent/nats/index';
import type {
  NatsAgentOptionsInput,
  NatsLayoutOptions,
  NatsOptionsInput,
} from '#lib/agent/nats/index';
import type { AgentDelivery, TransportListener } from '#lib/agent/transport';
import { patience, until } from '../../support/run';

export const AGENT = '11111111-1111-4111-8111-111111111111';
export const OTHER = '22222222-2222-4222-8222-222222222222';
export const LAUNCHER = '33333333-3333-4333-8333-333333333333';
export const TENANT = '44444444-4444-4444-8444-444444444444';
const WAIT_MS = 30_000 * patience;

/** A tunnel to subnet 172.16.<n>.0/24. */
export function tenantEvent(
  kind: TenantEvent['kind'],
  subnet: number,
  changes: Partial<Record<keyof TenantEvent, unknown>> = {},
): TenantEvent {
  const yaml = formatAgentRequest({
    kind,
    agentUuid: LAUNCHER,
    agentIp: '198.51.100.1',
    tenantUuid: TENANT,
    tenantSubnet: `172.16.${subnet}.0/24`,
    concentratorUuid: AGENT,
    concentratorIp: '198.51.100.9',
    subnetKey: 1000 + subnet,
    ...changes,
  } as TenantEvent);
  return parseAgentRequest(kind, yaml) as TenantEvent;
}

/** `added 7`: what a request says, in short. */
export function brief({ kind, payload }: Pick<AgentDelivery, 'kind' | 'payload'>): string {
  const [, third = payload] = /tenant_subnet: 172\.16\.(\d+)\.0/.exec(payload) ?? [];
  return `${kind.replace('tenant-', '')} ${third}`;
}

type Answer = 'done' | 'refused' | Error;

/** Hears requests, and answers as it is told. */
export class Recorder implements TransportListener {
  readonly heard: AgentDelivery[] = [];
  readonly log: string[] = [];
  connections = 0;
  atWork = 0;
  mostAtWork = 0;
  answer: (delivery: AgentDelivery) => Answer | Promise<Answer> = () => 'done';

  get brief(): string[] {
    return this.heard.map(brief);
  }

  connected(): void {
    this.connections += 1;
    this.log.push('connected');
  }

  disconnected(): void {
    this.log.push('disconnected');
  }

  async request(delivery: AgentDelivery): Promise<'done' | 'refused'> {
    this.heard.push(delivery);
    this.atWork += 1;
    this.mostAtWork = Math.max(this.mostAtWork, this.atWork);
    try {
      const answer = await this.answer(delivery);
      if (answer instanceof Error) throw answer;
      return answer;
    } finally {
      this.atWork -= 1;
    }
  }

  async hears(count: number): Promise<string[]> {
    await until(() => this.heard.length >= count, WAIT_MS);
    return this.brief;
  }

  async isConnected(times = 1): Promise<void> {
    expect(await until(() => this.connections >= times, WAIT_MS)).toBe(true);
  }
}

/** An agent's transport that receives until it is stopped. */
export class Running implements AsyncDisposable {
  readonly transport: NatsAgentTransport;
  readonly recorder: Recorder;
  readonly warnings: string[] = [];
  readonly #ending = new AbortController();
  readonly #received: Promise<void>;

  constructor(options: NatsAgentOptionsInput, recorder = new Recorder()) {
    this.recorder = recorder;
    const note = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      const { error, reason } = fields;
      const why = error instanceof Error ? error.message : reason;
      this.warnings.push(`${message}: ${String(why)}`);
    };
    const logger = { debug: () => undefined, info: () => undefined, warn: note, error: note };
    this.transport = new NatsAgentTransport({ logger, ...options });
    this.#received = this.transport.receive(recorder, this.#ending.signal);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#received;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** A launcher's transport that is closed by itself. */
export class Publisher implements AsyncDisposable {
  readonly transport: NatsLauncherTransport;

  constructor(options: Partial<NatsOptionsInput> & Pick<NatsOptionsInput, 'servers'>) {
    this.transport = new NatsLauncherTransport({ uuid: LAUNCHER, ...options });
  }

  async send(event: TenantEvent, messageId: string = randomUUID()): Promise<void> {
    await this.transport.send(event, messageId);
  }

  /** `added`, `removed` of subnets, one after the other. */
  async sendAll(...briefs: readonly string[]): Promise<void> {
    for (const text of briefs) {
      const [what = '', subnet = ''] = text.split(' ');
      await this.send(tenantEvent(`tenant-${what}` as TenantEvent['kind'], Number(subnet)));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.transport.close();
  }
}

/** Streams, and consumers for {@link AGENT} and {@link OTHER}. */
export async function setUp(
  servers: readonly string[],
  options: Partial<NatsOptionsInput> = {},
  layout: NatsLayoutOptions = {},
): Promise<void> {
  await setUpNats({ servers, uuid: 'admin', ...options }, [AGENT, OTHER], layout);
}

/** What lies in a stream: subject, text and headers of each message. */
export async function contentOf(
  servers: readonly string[],
  stream: string,
  login: { readonly user?: string; readonly pass?: string } = {},
): Promise<{ subject: string; text: string; headers: Record<string, string> }[]> {
  const connection = await connect({ servers: [...servers], ...login });
  try {
    const manager = await jetstreamManager(connection);
    const { state } = await manager.streams.info(stream);
    const found = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
      const message = await manager.streams.getMessage(stream, { seq }).catch(() => null);
      if (message === null) continue;
      const { subject, header } = message;
      const headers = Object.fromEntries([...header].map(([name, [value = '']]) => [name, value]));
      found.push({ subject, text: message.string(), headers });
    }
    return found;
  } finally {
    await connection.close();
  }
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

export { WAIT_MS };
