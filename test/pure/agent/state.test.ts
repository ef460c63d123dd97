/** What an agent remembers, and when it tries again. */
import { DesiredState } from '#lib/agent/desired-state';
import { parseAgentRequest } from '#lib/agent/messages/index';
import type { TenantEvent } from '#lib/agent/messages/index';
import { isOvertaken, replacedBy, settled } from '#lib/agent/records';
import type { Wish } from '#lib/agent/records';
import { Retries } from '#lib/agent/retries';
import { sshMappings } from '#lib/agent/forwards';
import { parseIpv4, parseIpv4Cidr, SILENT_LOGGER } from '#lib/model/index';
import type { StoreChange, StoreProvider } from '#lib/store/index';

/** Tables of texts, as a database keeps them. */
class Tables implements StoreProvider {
  readonly rows = new Map<string, Map<string, string>>();
  transactions = 0;

  async open(tables: readonly string[]): Promise<void> {
    for (const table of tables) if (!this.rows.has(table)) this.rows.set(table, new Map());
  }
  async rebuild(table: string): Promise<ReadonlyMap<string, unknown>> {
    const rows = [...this.rows.get(table)!];
    return new Map(rows.map(([key, text]) => [key, JSON.parse(text) as unknown]));
  }
  get = async (table: string, key: string): Promise<unknown> => this.rows.get(table)?.get(key);
  add = (table: string, key: string, value: unknown) =>
    this.transaction([{ op: 'add', table, key, value }]);
  delete = (table: string, key: string) => this.transaction([{ op: 'delete', table, key }]);
  async transaction(changes: readonly StoreChange[]): Promise<void> {
    this.transactions += 1;
    for (const change of changes) {
      const table = this.rows.get(change.table)!;
      if (change.op === 'add') table.set(change.key, JSON.stringify(change.value));
      else table.delete(change.key);
    }
  }
  close = async (): Promise<void> => undefined;
}

const event = (index: number, kind: TenantEvent['kind'] = 'tenant-added'): TenantEvent =>
  parseAgentRequest(
    kind,
    JSON.stringify({
      [kind.replace('-', '_')]: {
        agent_uuid: `node-${String(index)}`,
        agent_ip: '192.0.2.1',
        tenant_subnet: '172.16.1.0/24',
        subnet_key: 1,
      },
    }),
  ) as TenantEvent;

async function reopened(store: StoreProvider): Promise<DesiredState> {
  const state = new DesiredState(store, SILENT_LOGGER);
  await state.open();
  return state;
}

test('wishes and reports are there again, in their order', async () => {
  const store = new Tables();
  const state = await reopened(store);
  const wish: Wish = {
    request: event(1),
    isSettled: false,
    order: { sequence: 7, count: 's' },
    replaced: [event(1), event(1, 'tenant-removed')],
  };
  await state.commit({ put: [wish] });
  for (const publicIp of ['10.0.0.9', '10.0.0.10', '10.0.0.1']) {
    await state.commit({
      report: {
        kind: 'public-ip-assigned',
        ...{ concentratorUuid: 'c', instanceUuid: 'i', publicIp, privateIp: '172.16.1.2' },
      },
    });
  }
  const again = await reopened(store);
  expect([...again.subnets.values()]).toEqual([wish]);
  expect([...again.reports.values()]).toEqual([...state.reports.values()]);
  const [first] = again.reports.keys();
  await again.forgetReport(first!);
  await again.commit({ drop: [wish] });
  const last = await reopened(store);
  expect([last.subnets.size, last.reports.size]).toEqual([0, 2]);
});

test('a row whose former wishes cannot be read is bad', async () => {
  const store = new Tables();
  const state = await reopened(store);
  await state.commit({ put: [{ request: event(1), isSettled: false }] });
  const rows = store.rows.get('subnets')!;
  const [[key, text] = ['', '']] = rows;
  const row = JSON.parse(text) as Record<string, unknown>;
  for (const replaced of [7, [7], [{}], [{ ...row, payload: 'tenant_added: [' }]]) {
    rows.set(key, JSON.stringify({ ...row, replaced }));
    const again = new DesiredState(store, SILENT_LOGGER);
    expect(await again.open()).toEqual({ badRows: 1 });
  }
});

test('what a wish replaces is what stood there, and what that one had not come to replace', () => {
  const isReplaced = (former: TenantEvent, now: TenantEvent) => former.agentIp !== now.agentIp;
  const at = (ip: string): TenantEvent => ({ ...event(1), agentIp: parseIpv4(ip, 'ip') });
  const wish = (agentIp: string, former?: Wish<TenantEvent>): Wish<TenantEvent> => ({
    request: at(agentIp),
    isSettled: false,
    ...replacedBy(at(agentIp), former, isReplaced),
  });
  const first = wish('192.0.2.1');
  const second = wish('192.0.2.2', first);
  expect(first).not.toHaveProperty('replaced');
  expect(second.replaced).toEqual([at('192.0.2.1')]);
  expect(wish('192.0.2.3', second).replaced).toEqual([at('192.0.2.1'), at('192.0.2.2')]);
  // Back, and forth: once each.
  const back = wish('192.0.2.1', second);
  expect(back.replaced).toEqual([at('192.0.2.2')]);
  expect(wish('192.0.2.2', back).replaced).toEqual([at('192.0.2.1')]);
  expect(wish('192.0.2.2', settled(second))).not.toHaveProperty('replaced');
});

test('of what was removed long ago only the newest is remembered', async () => {
  const store = new Tables();
  const state = await reopened(store);
  const put = Array.from({ length: 1200 }, (_, index): Wish => ({
    request: event(index, 'tenant-removed'),
    isSettled: true,
    order: { sequence: index, count: 's' },
  }));
  await state.commit({ put: [...put, { request: event(-1), isSettled: true }] });
  const again = await reopened(store);
  expect(again.subnets.size).toBe(1025);
  expect([...again.subnets.values()].filter(({ order }) => order?.sequence === 0)).toEqual([]);
  expect(store.rows.get('subnets')?.size).toBe(1025);
});

test('nor does a process that runs for long remember more and more', async () => {
  const state = await reopened(new Tables());
  for (let sequence = 0; sequence < 3000; sequence += 1) {
    const request = event(sequence, 'tenant-removed');
    const order = { sequence, count: 's' };
    await state.commit({ put: [{ request, isSettled: true, order }] });
  }
  expect(state.subnets.size).toBeLessThanOrEqual(2048);
  expect([...state.subnets.values()].at(-1)?.order?.sequence).toBe(2999);
});

test('reports that nobody takes do not fill the disk', async () => {
  const store = new Tables();
  const state = await reopened(store);
  for (let index = 0; index < 1003; index += 1) {
    await state.commit({
      report: {
        kind: 'public-ip-assigned',
        ...{ concentratorUuid: 'c', instanceUuid: String(index), publicIp: 'p', privateIp: 'q' },
      },
    });
  }
  expect(state.reports.size).toBe(1000);
  expect([...state.reports.values()][0]?.report).toMatchObject({ instanceUuid: '3' });
  expect(store.rows.get('reports')?.size).toBe(1000);
});

test.each([
  [{ sequence: 1, count: 'a' }, { sequence: 2, count: 'a' }, true],
  [{ sequence: 2, count: 'a' }, { sequence: 2, count: 'a' }, false],
  [{ sequence: 3, count: 'a' }, { sequence: 2, count: 'a' }, false],
  [{ sequence: 1, count: 'a' }, { sequence: 2, count: 'b' }, false],
  [undefined, { sequence: 2, count: 'a' }, false],
  [{ sequence: 1, count: 'a' }, undefined, false],
])('%j after %j is overtaken: %s', (order, known, expected) => {
  const wish: Wish = { request: event(1), isSettled: true, ...(known && { order: known }) };
  expect(isOvertaken(order, wish)).toBe(expected);
});

describe('what fails', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  test('is tried ever more seldom, until it succeeds', () => {
    const retries = new Retries();
    const tried: number[] = [];
    const began = Date.now();
    const fail = (): void => {
      tried.push((Date.now() - began) / 1000);
      retries.later('x', fail);
    };
    retries.later('x', fail);
    jest.advanceTimersByTime(260_000);
    expect(tried).toEqual([1, 3, 8, 18, 38, 78, 138, 198, 258]);
    expect(retries.size).toBe(1);
    retries.forget('x');
    expect(retries.size).toBe(0);
    retries.later('x', fail);
    jest.advanceTimersByTime(1000);
    expect(tried).toHaveLength(10);
    retries.close();
    retries.later('x', fail);
    jest.advanceTimersByTime(100_000);
    expect([tried.length, retries.size]).toEqual([10, 0]);
  });

  test('is tried once at a time', () => {
    const retries = new Retries();
    const again = jest.fn();
    retries.later('x', again);
    retries.later('x', again);
    jest.advanceTimersByTime(100_000);
    expect(again).toHaveBeenCalledTimes(1);
  });
});

describe('ports for SSH', () => {
  const ports = (cidr: string) => sshMappings(parseIpv4Cidr(cidr, 'subnet'), 'eth0');

  test('lead to port 22 of every workload, by the formula', () => {
    const mappings = ports('172.16.1.0/24');
    expect(mappings).toHaveLength(253);
    expect(mappings[0]).toEqual({
      protocol: 'tcp',
      externalDevice: 'eth0',
      externalPort: 33_258,
      internalIp: '172.16.1.2',
      internalPort: 22,
    });
  });

  test('are as many as there are', () => {
    expect(ports('172.16.0.0/16')).toHaveLength(127 * 256 - 2);
    expect(ports('172.16.126.0/24').at(-1)?.externalPort).toBe(65_510);
    expect(ports('172.16.127.0/24')).toEqual([]);
    // Several workloads would have the same.
    expect(ports('172.0.0.0/15')).toEqual([]);
    expect(ports('172.16.1.0/30')).toHaveLength(1);
  });
});
