/** What an agent, an outbox and a message of SSNTP refuse, whatever they are given. */
import { parseNatsOptions } from '#lib/agent/nats/options';
import { parseAgentOptions } from '#lib/agent/options';
import { parseOutboxOptions } from '#lib/agent/outbox/options';
import { parseMessage } from '#lib/agent/ssntp/index';
import { parseClientOptions } from '#lib/agent/ssntp/options';
import { hostileValues, refusalOf } from '../helpers/refusal';

const UUID = '11111111-1111-4111-8111-111111111111';
const CNCI = { id: UUID, tenantId: UUID, computeNets: ['198.51.100.0/24'], managementNets: [] };
const nothing = (): void => undefined;
const STORE = {
  ...{ open: nothing, rebuild: nothing, get: nothing, add: nothing },
  ...{ delete: nothing, transaction: nothing, close: nothing },
};

const FIELDS = {
  'transport of an agent': (value: unknown) =>
    parseAgentOptions({ cnci: CNCI, transport: value, store: STORE }, 'test'),
  'observer of an agent': (value: unknown) =>
    parseAgentOptions(
      {
        cnci: CNCI,
        transport: { receive: nothing, report: nothing },
        store: STORE,
        observer: value,
      },
      'test',
    ),
  'store of an outbox': (value: unknown) =>
    parseOutboxOptions(
      { agentUuid: UUID, transport: { send: nothing, close: nothing }, store: value },
      'test',
    ),
  'transport of an outbox': (value: unknown) =>
    parseOutboxOptions({ agentUuid: UUID, transport: value, store: STORE }, 'test'),
  'payload of a message': (value: unknown) =>
    parseMessage(
      { type: 'STATUS', operand: 'READY', payload: typeof value === 'string' ? 7 : value } as never,
      UUID,
    ),
};

describe.each(Object.entries(FIELDS))('%s', (title, parse) => {
  const [field] = title.split(' ');
  test.each(hostileValues())('%s is refused', (_what, value) => {
    const error = refusalOf(() => parse(value));
    expect([error.code, error.field]).toEqual(['SNNET_INPUT_INVALID', field]);
  });
});

test.each(hostileValues())('%s is no server', (_what, value) => {
  const servers = [value];
  expect(refusalOf(() => parseNatsOptions({ uuid: UUID, servers }, 'test')).field).toBe(
    'servers[0]',
  );
  const ssntp = refusalOf(() => parseClientOptions({ uuid: UUID, servers }, 'test'));
  expect(`${ssntp.field ?? ''} ${ssntp.detail ?? ''}`).toContain('servers');
});

test('what has the methods is taken as it is, also where they are a class’s', () => {
  class Transport {
    readonly name = 'ssntp';
    receive = nothing;
    report(): string {
      return this.name;
    }
  }
  const transport = new Transport();
  const parsed = parseAgentOptions({ cnci: CNCI, transport, store: STORE }, 'test');
  expect(parsed.transport).toBe(transport);
  expect(parsed.subnetKeys).toBe('of-subnet');
});
