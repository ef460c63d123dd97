import { randomUUID } from 'node:crypto';

import { isLibsnnetError } from '#lib/errors/index';
import {
  NIL,
  PAIRS,
  Raw,
  clientEvents,
  connectFrame,
  eventsOf,
  listen,
  next,
  open,
  plainFrame,
  text,
} from './helpers/ssntp';

const pair = PAIRS.openssl;

describe('a server', () => {
  test('refuses what is no message, by the name of the field', async () => {
    await using server = await listen(pair);
    await using client = open(pair, server.address.port);
    await next(clientEvents(client), 'connected');
    const good = { type: 'EVENT', operand: 'TenantAdded' };
    const bad: readonly (readonly [string, unknown])[] = [
      ['message', null],
      ['type', { ...good, type: 'NOISE' }],
      ['operand', { ...good, operand: 'CONNECT' }],
      ['operand', { ...good, operand: 256 }],
      ['payload', { ...good, payload: 7 }],
      ['origin', { ...good, origin: 'me' }],
      ['trace.path', { ...good, trace: { pathLength: 0, path: 3 } }],
      ['trace.path[0].uuid', { ...good, trace: { pathLength: 1, path: [{ uuid: '', role: 0 }] } }],
      [
        'trace.start.seconds',
        { ...good, trace: { pathLength: 0, path: [], start: { seconds: 0.5, nanoseconds: 0 } } },
      ],
    ];
    for (const [field, message] of bad) {
      await expect(client.send(message as never)).rejects.toMatchObject({
        code: 'SNNET_INPUT_INVALID',
        operation: 'send',
        field,
      });
    }
  });

  test('keeps the newer of two sessions with one UUID', async () => {
    await using server = await listen(pair);
    const uuid = randomUUID();
    const events = eventsOf(server);
    await using first = await Raw.connect(pair, server.address.port);
    first.socket.write(first.encoder.encode(connectFrame(uuid)));
    const older = (await next(events, 'connected')).session;
    await using second = await Raw.connect(pair, server.address.port);
    second.socket.write(second.encoder.encode(connectFrame(uuid)));
    expect((await next(events, 'disconnected')).session).toBe(older);
    const newer = (await next(events, 'connected')).session;
    await first.closed;
    expect(server.sessions.get(uuid)).toBe(newer);
    await second.read();
    await newer.send({ type: 'COMMAND', operand: 'RefreshCNCI' });
    expect(await second.read()).toMatchObject({ type: 0, operand: 10 });
    await expect(older.send({ type: 'STATUS', operand: 'FULL' })).rejects.toMatchObject({
      code: 'SNNET_SSNTP_UNREACHABLE',
    });
  });

  test('reads what a client sends before CONNECTED, types included', async () => {
    await using server = await listen(pair);
    await using raw = await Raw.connect(pair, server.address.port);
    const frames = [connectFrame(randomUUID()), plainFrame(1, 1), plainFrame(1, 2)];
    raw.socket.write(Buffer.concat(frames.map((frame) => raw.encoder.encode(frame))));
    const events = eventsOf(server);
    await next(events, 'connected');
    expect((await next(events, 'frame')).frame.operand).toBe('READY');
    expect((await next(events, 'frame')).frame.operand).toBe('FULL');
  });

  test.each([
    ['something else than CONNECT', plainFrame(1, 0)],
    ['CONNECT without a UUID', connectFrame(NIL)],
    ['CONNECT as another command', { ...connectFrame(randomUUID()), operand: 3 }],
  ])('answers %s with ConnectionFailure', async (_what, frame) => {
    await using server = await listen(pair);
    await using raw = await Raw.connect(pair, server.address.port);
    raw.socket.write(raw.encoder.encode(frame));
    expect(await raw.read()).toMatchObject({ kind: 'frame', type: 2, operand: 2 });
    await raw.closed;
  });

  test.each([
    ['noise', Buffer.alloc(5000, 0xa7)],
    ['a frame beyond the cap', Buffer.from('fc10000000', 'hex')],
  ])('answers %s with ConnectionFailure, and serves others on', async (_what, bytes) => {
    await using server = await listen(pair, { maxFrameBytes: 65_536 });
    await using raw = await Raw.connect(pair, server.address.port);
    raw.socket.write(bytes);
    expect(await raw.read()).toMatchObject({ kind: 'frame', type: 2, operand: 2 });
    await raw.closed;
    await using client = open(pair, server.address.port);
    await next(clientEvents(client), 'connected');
  });

  test('ends who says nothing', async () => {
    await using server = await listen(pair, { handshakeTimeoutMs: 200 });
    await using raw = await Raw.connect(pair, server.address.port);
    await raw.closed;
  });

  test('ends a session that sends nonsense, and says so', async () => {
    await using server = await listen(pair);
    await using raw = await Raw.connect(pair, server.address.port);
    raw.socket.write(raw.encoder.encode(connectFrame(randomUUID())));
    await raw.read();
    raw.socket.write(Buffer.alloc(100));
    const events = eventsOf(server);
    await next(events, 'connected');
    expect((await next(events, 'disconnected')).reason.code).toBe('SNNET_SSNTP_MALFORMED');
    await raw.closed;
  });

  test('ends a session that does not read', async () => {
    await using server = await listen(pair, { writeTimeoutMs: 300 });
    await using raw = await Raw.connect(pair, server.address.port);
    raw.socket.write(raw.encoder.encode(connectFrame(randomUUID())));
    const events = eventsOf(server);
    const { session } = await next(events, 'connected');
    await raw.read();
    raw.socket.pause();
    const payload = new Uint8Array(4 * 1024 * 1024);
    const sends = [];
    for (let index = 0; index < 8; index += 1) {
      sends.push(session.send({ type: 'EVENT', operand: 'TenantAdded', payload }));
    }
    const outcomes = await Promise.allSettled(sends);
    const last = outcomes.at(-1) as PromiseRejectedResult;
    expect(last.reason).toMatchObject({ code: 'SNNET_SSNTP_STALLED' });
    expect((await next(events, 'disconnected')).reason.code).toBe('SNNET_SSNTP_STALLED');
  });

  test('loses nothing of a client that sends faster than it is read', async () => {
    await using server = await listen(pair);
    await using client = open(pair, server.address.port);
    await next(clientEvents(client), 'connected');
    const count = 5000;
    const sends = Array.from({ length: count }, (_, index) =>
      client.send({ type: 'EVENT', operand: 'TenantAdded', payload: String(index) }),
    );
    await Promise.all(sends);
    const events = eventsOf(server);
    await next(events, 'connected');
    for (let index = 0; index < count; index += 1) {
      expect(text((await next(events, 'frame')).frame.payload)).toBe(String(index));
    }
  });

  test('says why it cannot listen, and what in its options is wrong', async () => {
    await using server = await listen(pair);
    await expect(listen(pair, { port: server.address.port })).rejects.toMatchObject({
      code: 'SNNET_SSNTP_LISTEN',
    });
    const bad: readonly (readonly [string, object])[] = [
      ['uuid', { uuid: 'x' }],
      ['certificate', { certificate: pair.server.certificate }],
      ['ca', { ca: 'no PEM' }],
      ['roles', { roles: ['CNCIAGENT'] }],
      ['port', { port: -1 }],
    ];
    for (const [field, options] of bad) {
      await expect(listen(pair, options)).rejects.toMatchObject({
        code: 'SNNET_INPUT_INVALID',
        field,
      });
    }
  });

  test('refuses to send what cannot be sent, and goes on', async () => {
    await using server = await listen(pair, { maxFrameBytes: 4096 });
    await using client = open(pair, server.address.port, { maxFrameBytes: 4096 });
    await next(clientEvents(client), 'connected');
    const payload = new Uint8Array(5000);
    const error = await client
      .send({ type: 'EVENT', operand: 'TenantAdded', payload })
      .catch((reason: unknown) => reason);
    expect(isLibsnnetError(error, 'SNNET_SSNTP_TOO_LARGE')).toBe(true);
    await client.send({ type: 'EVENT', operand: 'TenantAdded', payload: 'small' });
    const events = eventsOf(server);
    await next(events, 'connected');
    expect(text((await next(events, 'frame')).frame.payload)).toBe('small');
  });
});
