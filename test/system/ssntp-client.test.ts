import { randomUUID } from 'node:crypto';

import { SsntpClient } from '#lib/agent/ssntp/index';
import type { WireFrame } from '#lib/agent/ssntp/index';
import {
  HEADER,
  LOOPBACK,
  NIL,
  PAIRS,
  Raw,
  Stand,
  clientEvents,
  connectFrame,
  eventsOf,
  listen,
  next,
  open,
  plainFrame,
  portOf,
  rawServer,
  text,
} from './helpers/ssntp';

const pair = PAIRS.openssl;

describe('a client', () => {
  test('never sends before CONNECTED, and pipelined frames of a server all arrive', async () => {
    const received: number[] = [];
    await using peer = await rawServer(pair, (raw) => {
      raw.socket.on('data', (chunk: Buffer) => received.push(chunk.length));
      void raw.read().then((frame) => {
        expect(frame.kind).toBe('connect');
        const ends = { source: randomUUID(), destination: NIL };
        const connected = { kind: 'connected', ...HEADER, type: 1, operand: 0, role: 8 } as const;
        const frames: WireFrame[] = [{ ...connected, ...ends, payload: new Uint8Array(0) }];
        for (let index = 0; index < 500; index += 1) {
          frames.push(plainFrame(3, 0, Buffer.from(String(index))));
        }
        raw.socket.write(Buffer.concat(frames.map((one) => raw.encoder.encode(one))));
      });
    });
    await using client = open(pair, portOf(peer));
    await expect(client.send({ type: 'STATUS', operand: 'READY' })).rejects.toMatchObject({
      code: 'SNNET_SSNTP_UNREACHABLE',
    });
    const events = clientEvents(client);
    await next(events, 'connected');
    for (let index = 0; index < 500; index += 1) {
      expect(text((await next(events, 'frame')).frame.payload)).toBe(String(index));
    }
    expect(received.reduce((sum, length) => sum + length, 0)).toBeLessThan(200);
  });

  test('waits longer from round to round, and dials at once after a steady connection', async () => {
    const stand = new Stand();
    await using server = await listen(pair);
    const { port } = server.address;
    await using client = open(pair, port, {}, stand);
    const events = clientEvents(client);
    await next(events, 'connected');
    stand.nowMs += 60_000;
    await server.close();
    await next(events, 'disconnected');
    await stand.until(() => stand.waits.length >= 6);
    expect(stand.waits.slice(0, 6)).toEqual([5000, 10_000, 20_000, 40_000, 5000, 10_000]);
    expect(stand.warnings[0]).toMatch(/cannot be reached/);

    await using again = await listen(pair, { port });
    expect((await next(events, 'connected')).server.uuid).toBe(again.uuid);
    await client.send({ type: 'EVENT', operand: 'ConcentratorInstanceAdded', payload: 'x' });
    const atServer = eventsOf(again);
    await next(atServer, 'connected');
    expect((await next(atServer, 'frame')).frame.operand).toBe('ConcentratorInstanceAdded');
  });

  test('backs off from a server that admits it and drops it at once', async () => {
    const stand = new Stand();
    await using server = await listen(pair);
    await using client = open(pair, server.address.port, {}, stand);
    const events = clientEvents(client);
    for (const waits of [0, 1, 2]) {
      await next(events, 'connected');
      expect(stand.waits).toHaveLength(waits);
      server.sessions.get(client.uuid)?.close();
      await next(events, 'disconnected');
    }
  });

  test('gives up when a server aborts, and goes on when it only fails', async () => {
    let operand = 2;
    await using peer = await rawServer(pair, (raw) => {
      void raw.read().then(() => raw.socket.end(raw.encoder.encode(plainFrame(2, operand))));
    });
    const stand = new Stand();
    await using client = open(pair, portOf(peer), {}, stand);
    await stand.until(() => stand.waits.length >= 3);
    operand = 4;
    await expect(clientEvents(client).next()).rejects.toMatchObject({
      code: 'SNNET_SSNTP_REFUSED',
    });
    await expect(client.send({ type: 'STATUS', operand: 'READY' })).rejects.toMatchObject({
      code: 'SNNET_SSNTP_REFUSED',
    });
  });

  test('a server that answers nothing, or nonsense, is left', async () => {
    const answers = [Buffer.alloc(0), Buffer.from('fd0fffff', 'hex'), Buffer.alloc(4000, 0xf7)];
    for (const answer of answers) {
      const stand = new Stand();
      stand.hold = true;
      await using peer = await rawServer(pair, (raw) => {
        raw.socket.removeAllListeners('data');
        raw.socket.resume();
        raw.socket.write(answer);
      });
      const limits = { handshakeTimeoutMs: 300, maxFrameBytes: 4096 };
      await using client = open(pair, portOf(peer), limits, stand);
      await stand.until(() => stand.waits.length > 0);
      expect(stand.warnings[0]).toMatch(/in time|too large|cannot be read/);
      expect(client.isConnected).toBe(false);
    }
  });

  test('an unknown type of frame is answered, and nobody is bothered with it', async () => {
    await using server = await listen(pair);
    const uuid = randomUUID();
    await using raw = await Raw.connect(pair, server.address.port);
    raw.socket.write(raw.encoder.encode(connectFrame(uuid)));
    await raw.read();
    raw.socket.write(raw.encoder.encode(plainFrame(9, 1)));
    expect(await raw.read()).toMatchObject({ type: 2, operand: 0, origin: NIL });
    raw.socket.write(raw.encoder.encode(plainFrame(1, 77)));
    const events = eventsOf(server);
    await next(events, 'connected');
    expect((await next(events, 'frame')).frame).toMatchObject({ type: 'STATUS', operand: 77 });
  });

  test('a signal closes it, also while it waits', async () => {
    const stand = new Stand();
    stand.hold = true;
    const { pem } = pair.agent;
    const stop = new AbortController();
    const client = SsntpClient.open(
      { uuid: randomUUID(), certificate: pem, ca: pair.ca.certificate, servers: [`${LOOPBACK}:1`] },
      { signal: stop.signal },
      stand.around,
    );
    await stand.until(() => stand.waits.length > 0);
    stop.abort();
    expect(await clientEvents(client).next()).toEqual({ done: true, value: undefined });
    await client.close();
  });

  test('tries the named servers, then those of the authority, then this machine', async () => {
    const stand = new Stand();
    stand.hold = true;
    const servers = ['scheduler.invalid', '[::1]:99', `${LOOPBACK}:8888`];
    await using client = open(pair, 1, { servers }, stand);
    expect(client.servers.map(({ host, port }) => `${host} ${port}`)).toEqual([
      'scheduler.invalid 8888',
      '::1 99',
      `${LOOPBACK} 8888`,
      'localhost 8888',
    ]);
  });
});
