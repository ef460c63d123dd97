/** The outbox with its store: what it took is said at least once, in order, whoever dies and whatever fails. */
import { randomInt } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { TenantEventOutbox } from '#lib/agent/outbox/index';
import type { OutboxEvent } from '#lib/agent/outbox/index';
import type { TenantEvent } from '#lib/agent/messages/index';
import type { LauncherTransport } from '#lib/agent/transport';
import { NodeChild } from '../support/child';
import { NatsServer } from '../support/nats';
import { needs } from '../support/reasons';
import { sleep, until } from '../support/run';
import { Scratch } from './docker/bed';
import { AGENT, LAUNCHER, numbers, Publisher, Running, setUp } from './nats/bed';

const WAIT_MS = 20_000;

function event(
  kind: OutboxEvent['kind'],
  n: number,
  changes: Partial<OutboxEvent> = {},
): OutboxEvent {
  return {
    ...{ kind, cnciIp: '198.51.100.9', cnIp: '198.51.100.1', subnetKey: 1000 + n },
    ...{ tenantId: 'tenant', subnetId: `subnet${n}`, concId: AGENT, cnId: LAUNCHER },
    ...{ subnet: `172.16.${n}.0/24`, tunnel: 'gre', ...changes },
  };
}

/** A transport that keeps what it was given, and fails or waits as it is told. */
class Wire implements LauncherTransport {
  readonly name = 'nats';
  readonly sent: string[] = [];
  readonly ids: string[] = [];
  attempts = 0;
  isClosed = false;
  answer: (event: TenantEvent) => Promise<void> | undefined = () => undefined;

  async send(tenantEvent: TenantEvent, messageId: string): Promise<void> {
    this.attempts += 1;
    await this.answer(tenantEvent);
    const { kind, tenantSubnet } = tenantEvent;
    this.sent.push(`${kind.slice('tenant-'.length)} ${tenantSubnet.split('.')[2]}`);
    this.ids.push(messageId);
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

function open(scratch: Scratch, transport: LauncherTransport): Promise<TenantEventOutbox> {
  const dataDir = join(scratch.path, 'outbox');
  return TenantEventOutbox.open({ agentUuid: LAUNCHER, transport, dataDir });
}

async function rejectionOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test('says what it is given, in order for each subnet, with all its fields', async () => {
  using scratch = new Scratch();
  const wire = new Wire();
  const whole: TenantEvent[] = [];
  wire.answer = (one) => void whole.push(one);
  await using outbox = await open(scratch, wire);
  await outbox.post(undefined);
  await outbox.post(event('tunnel-add', 1));
  await outbox.flush();
  await outbox.post(event('tunnel-del', 1));
  await outbox.post(event('tunnel-add', 2));
  await outbox.flush();
  expect(wire.sent.filter((text) => text.endsWith(' 1'))).toEqual(['added 1', 'removed 1']);
  expect(wire.sent).toContain('added 2');
  expect(whole[0]).toEqual({
    kind: 'tenant-added',
    agentUuid: LAUNCHER,
    agentIp: '198.51.100.1',
    tenantUuid: 'tenant',
    tenantSubnet: '172.16.1.0/24',
    concentratorUuid: AGENT,
    concentratorIp: '198.51.100.9',
    subnetKey: 1001,
    tunnel: 'gre',
  });
});

test('what failed is tried again under the same id, less and less often, and flush waits for it', async () => {
  using scratch = new Scratch();
  const wire = new Wire();
  const ids = new Set<string>();
  let left = 3;
  wire.send = async function send(this: Wire, one, id) {
    ids.add(id);
    this.attempts += 1;
    if (left-- > 0) throw new Error('offline');
    await Wire.prototype.send.call(this, one, id);
  };
  await using outbox = await open(scratch, wire);
  await outbox.post(event('tunnel-add', 1));
  expect(outbox.pending).toBe(1);
  expect(await until(() => outbox.pending === 0, WAIT_MS)).toBe(true);
  expect(ids.size).toBe(1);
  expect(wire.sent).toEqual(['added 1']);
});

test('one that always fails holds up nobody but its own subnet', async () => {
  using scratch = new Scratch();
  const wire = new Wire();
  wire.answer = ({ tenantSubnet }) =>
    tenantSubnet === '172.16.1.0/24' ? Promise.reject(new Error('never')) : undefined;
  await using outbox = await open(scratch, wire);
  await Promise.all(numbers(20).map((n) => outbox.post(event('tunnel-add', n))));
  expect(await until(() => outbox.pending === 1, WAIT_MS)).toBe(true);
  expect(wire.sent).toHaveLength(19);
  await outbox.post(event('tunnel-del', 1));
  expect(outbox.pending).toBe(1);
  const timedOut = await rejectionOf(outbox.flush({ timeoutMs: 50 }));
  expect(timedOut).toMatchObject({ code: 'SNNET_CALL_TIMEOUT', object: { pending: 1 } });
  const controller = new AbortController();
  const aborted = rejectionOf(outbox.flush({ signal: controller.signal }));
  controller.abort();
  expect(await aborted).toMatchObject({ code: 'SNNET_CALL_ABORTED' });
});

test('what waits when it is closed is sent after the next opening, under the same id', async () => {
  using scratch = new Scratch();
  const offline = new Wire();
  const ids: string[] = [];
  offline.send = (_event, id) => {
    ids.push(id);
    return Promise.reject(new Error('offline'));
  };
  const first = await open(scratch, offline);
  await first.post(event('tunnel-add', 1));
  await first.post(event('tunnel-add', 2));
  await first.post(event('tunnel-del', 2));
  await until(() => ids.length > 0, WAIT_MS);
  await first.close();
  expect(offline.isClosed).toBe(true);
  expect(await rejectionOf(first.post(event('tunnel-add', 3)))).toMatchObject({
    code: 'SNNET_HANDLE_CLOSED',
  });
  const wire = new Wire();
  await using next = await open(scratch, wire);
  await next.flush();
  expect([...wire.sent].sort()).toEqual(['added 1', 'removed 2']);
  expect(wire.ids).toContain(ids[0]);
  expect(next.pending).toBe(0);
});

test('closing does not wait for a transport that hangs', async () => {
  using scratch = new Scratch();
  const wire = new Wire();
  wire.answer = () => new Promise(() => undefined);
  const outbox = await open(scratch, wire);
  await outbox.post(event('tunnel-add', 1));
  await until(() => wire.attempts > 0, WAIT_MS);
  await outbox.close();
  await using next = await open(scratch, new Wire());
  await next.flush();
});

test('says again what is there, where that is asked for', async () => {
  using scratch = new Scratch();
  const wire = new Wire();
  const dataDir = join(scratch.path, 'outbox');
  const options = { agentUuid: LAUNCHER, transport: wire, dataDir, repeatMs: 20 };
  await using outbox = await TenantEventOutbox.open(options);
  await outbox.post(event('tunnel-add', 1));
  await outbox.post(event('tunnel-add', 2));
  await outbox.flush();
  await outbox.post(event('tunnel-del', 2));
  expect(await until(() => wire.sent.length > 10, WAIT_MS)).toBe(true);
  expect(wire.sent.filter((text) => text === 'removed 2')).toEqual(['removed 2']);
  const after = wire.sent.slice(wire.sent.indexOf('removed 2') + 1);
  expect(new Set(after)).toEqual(new Set(['added 1']));
});

test('a store that refuses is the caller’s to hear of, and what it holds is sent all the same', async () => {
  const wire = new Wire();
  let isFull = true;
  const tables = new Map<string, unknown>();
  const store = {
    open: () => Promise.resolve(),
    rebuild: () => Promise.resolve(new Map()),
    get: () => Promise.resolve(undefined),
    add: () => Promise.resolve(),
    delete: () => Promise.resolve(),
    transaction: (changes: readonly { key: string }[]) => {
      if (isFull) return Promise.reject(new Error('no space left on device'));
      for (const { key } of changes) tables.set(key, true);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  await using outbox = await TenantEventOutbox.open({
    agentUuid: LAUNCHER,
    transport: wire,
    store,
  });
  expect(await rejectionOf(outbox.post(event('tunnel-add', 1)))).toMatchObject({
    message: 'no space left on device',
  });
  expect(wire.sent).toEqual([]);
  isFull = false;
  await outbox.flush();
  expect(wire.sent).toEqual(['added 1']);
  expect(tables.size).toBeGreaterThan(0);
});

test('two thousand tunnels', async () => {
  using scratch = new Scratch();
  const wire = new Wire();
  await using outbox = await open(scratch, wire);
  const many = numbers(2000).map((n) =>
    event('tunnel-add', n % 250, { subnetId: `s${n}`, subnetKey: n + 1 }),
  );
  await Promise.all(many.map((one) => outbox.post(one)));
  await outbox.flush({ timeoutMs: 60_000 });
  expect(wire.sent).toHaveLength(2000);
}, 90_000);

/** Posts without end; says what it has posted. What is sent goes to a file, at once. */
const POSTER = `
const { appendFileSync } = require('node:fs');
const { TenantEventOutbox } = require('./dist/agent/outbox/index.js');
const [dataDir, file, agentUuid, first] = process.argv.slice(1);
const transport = {
  name: 'nats',
  send: async ({ kind, tenantSubnet }) => {
    await new Promise((resolve) => setImmediate(resolve));
    appendFileSync(file, kind + ' ' + tenantSubnet + '\\n');
  },
  close: async () => undefined,
};
(async () => {
  const outbox = await TenantEventOutbox.open({ agentUuid, transport, dataDir });
  for (let i = Number(first); ; i += 1) {
    const n = (i * 7) % 5;
    const kind = (i * 13) % 3 === 0 ? 'tunnel-del' : 'tunnel-add';
    process.send([i, 'begins']);
    await outbox.post({
      kind, cnciIp: '198.51.100.9', cnIp: '198.51.100.1', subnetKey: 1000 + n, tenantId: 'tenant',
      subnetId: 'subnet' + n, concId: agentUuid, cnId: agentUuid, subnet: '172.16.' + n + '.0/24', tunnel: 'gre',
    });
    process.send([i, 'posted']);
  }
})();
`;

function kindOf(i: number): string {
  return (i * 13) % 3 === 0 ? 'tenant-removed' : 'tenant-added';
}

test('killed at any instant, it says in the end what it was given last', async () => {
  using scratch = new Scratch();
  const file = join(scratch.path, 'sent');
  writeFileSync(file, '');
  const dataDir = join(scratch.path, 'outbox');
  let next = 0;
  for (let round = 0; round < 8; round += 1) {
    const args = [dataDir, file, AGENT, String(next)];
    await using child = new NodeChild({ code: POSTER }, { args });
    await child.waitForMessages(8 + randomInt(60));
    await sleep(randomInt(5));
    await child.kill();
    const last = child.messages.at(-1) as [number, string];
    next = last[0] + 1;
  }
  // What it was given last was taken, or it was not: nobody knows.
  const doubtful = next - 1;
  const transport = new Wire();
  transport.send = ({ kind, tenantSubnet }) => {
    appendFileSync(file, `${kind} ${tenantSubnet}\n`);
    return Promise.resolve();
  };
  await using outbox = await TenantEventOutbox.open({ agentUuid: AGENT, transport, dataDir });
  await outbox.flush();
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  for (const n of numbers(5)) {
    const own = lines.filter((line) => line.endsWith(` 172.16.${n}.0/24`));
    const given = numbers(next).filter((i) => (i * 7) % 5 === n);
    const last = given.at(-1) as number;
    const before = given.at(-2) as number;
    const expected = [kindOf(last), ...(last === doubtful ? [kindOf(before)] : [])];
    expect(expected).toContain(own.at(-1)?.split(' ')[0]);
  }
}, 60_000);

needs('nats-server')('over NATS, with the server away for a while', async () => {
  using scratch = new Scratch();
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers);
  const publisher = new Publisher({ servers, timeoutMs: 1000 });
  await using outbox = await open(scratch, publisher.transport);
  await outbox.post(event('tunnel-add', 1));
  await outbox.flush();
  await server.kill();
  await outbox.post(event('tunnel-del', 1));
  await Promise.all(numbers(10).map((n) => outbox.post(event('tunnel-add', 10 + n))));
  expect(outbox.pending).toBe(11);
  await server.resume();
  expect(await until(() => outbox.pending === 0, WAIT_MS)).toBe(true);
  await using agent = new Running({ servers, uuid: AGENT });
  const heard = await agent.recorder.hears(12);
  expect(heard.filter((text) => text.endsWith(' 1'))).toEqual(['added 1', 'removed 1']);
  expect(new Set(heard).size).toBe(12);
});
