import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { connect, createServer as createTlsServer } from 'node:tls';
import type { ConnectionOptions, Server, TLSSocket } from 'node:tls';

import { FrameDecoder, FrameEncoder, SsntpClient, SsntpServer } from '#lib/agent/ssntp/index';
import type {
  SsntpClientEvent,
  SsntpClientOptions,
  SsntpServerEvent,
  SsntpServerOptions,
  Surroundings,
  WireFrame,
} from '#lib/agent/ssntp/index';
import { isLibsnnetError } from '#lib/errors/index';
import { authority, issue } from '../support/certificates';
import type { Authority, CertificateOptions, Family, Issued } from '../support/certificates';

const LOOPBACK = [127, 0, 0, 1].join('.');
const SCHEDULER = 2;
const CNCI_AGENT = 6;
const NIL = '00000000-0000-0000-0000-000000000000';
const CONFIGURATION = 'configure:\n  scheduler:\n    storage_uri: ""\n';

interface Pair {
  readonly ca: Issued;
  readonly server: Issued;
  readonly agent: Issued;
}

function issuePair(family: Family, more: { server?: object; agent?: object } = {}): Pair {
  const ca = authority(family);
  const issuer: Authority = ca;
  const base = { issuer, names: [LOOPBACK, 'DNS:localhost'] };
  return {
    ca,
    server: issue({ ...base, roles: [SCHEDULER], name: 'scheduler', ...more.server }),
    agent: issue({ ...base, roles: [CNCI_AGENT], name: 'agent', ...more.agent }),
  };
}

const PAIRS: Readonly<Record<Family, Pair>> = {
  ciao: issuePair('ciao'),
  openssl: issuePair('openssl'),
};

/** Waits as long as it is told by the test, and no longer. */
class Stand {
  readonly waits: number[] = [];
  readonly warnings: string[] = [];
  nowMs = 0;
  /** From the first time on, each wait ends at once, unless it is held. */
  hold = false;
  readonly around: Surroundings = {
    now: () => this.nowMs,
    random: () => 0.999,
    wait: (ms, signal) => {
      this.waits.push(ms);
      this.#wake?.();
      if (!this.hold) return Promise.resolve();
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
      });
    },
  };
  readonly logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_message: string, fields?: Readonly<Record<string, unknown>>) => {
      this.warnings.push(String(fields?.['reason']));
      this.#wake?.();
    },
    error: () => undefined,
  };
  #wake: (() => void) | undefined;

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

function listen(pair: Pair, options: Partial<SsntpServerOptions> = {}): Promise<SsntpServer> {
  return SsntpServer.listen({
    uuid: randomUUID(),
    host: LOOPBACK,
    port: 0,
    certificate: pair.server.pem,
    ca: pair.ca.certificate,
    configuration: CONFIGURATION,
    ...options,
  });
}

function open(
  pair: Pair,
  port: number,
  options: Partial<SsntpClientOptions> = {},
  stand = new Stand(),
): SsntpClient {
  return SsntpClient.open(
    {
      uuid: randomUUID(),
      servers: [`${LOOPBACK}:${port}`],
      certificate: pair.agent.pem,
      ca: pair.ca.certificate,
      logger: stand.logger,
      ...options,
    },
    {},
    stand.around,
  );
}

async function next<K extends string, E extends { readonly kind: string }>(
  events: AsyncIterator<E, undefined>,
  kind: K,
): Promise<Extract<E, { readonly kind: K }>> {
  const { value } = await events.next();
  expect(value?.kind).toBe(kind);
  return value as Extract<E, { readonly kind: K }>;
}

const eventsOf = (end: SsntpServer): AsyncIterator<SsntpServerEvent, undefined> =>
  end[Symbol.asyncIterator]();
const clientEvents = (end: SsntpClient): AsyncIterator<SsntpClientEvent, undefined> =>
  end[Symbol.asyncIterator]();

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** A TLS peer without manners of its own. */
class Raw implements AsyncDisposable {
  readonly decoder = new FrameDecoder();
  readonly encoder = new FrameEncoder();
  readonly closed: Promise<void>;
  readonly socket: TLSSocket;
  readonly #reads: ((frame: WireFrame) => void)[] = [];
  readonly #frames: WireFrame[] = [];

  constructor(socket: TLSSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.decoder.feed(chunk);
      for (let frame = this.decoder.read(); frame; frame = this.decoder.read()) {
        const read = this.#reads.shift();
        if (read === undefined) this.#frames.push(frame);
        else read(frame);
      }
    });
  }

  static async connect(pair: Pair, port: number, more: ConnectionOptions = {}): Promise<Raw> {
    const { pem } = pair.agent;
    const socket = connect({
      host: LOOPBACK,
      port,
      cert: pem,
      key: pem,
      rejectUnauthorized: false,
      ...more,
    });
    const raw = new Raw(socket);
    await Promise.race([
      new Promise<void>((done) => socket.once('secureConnect', done)),
      raw.closed,
    ]);
    return raw;
  }

  read(): Promise<WireFrame> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    return new Promise((resolve) => this.#reads.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}

const HEADER = { major: 0, minor: 1 };
const connectFrame = (uuid: string, role = 0x20): WireFrame => {
  const ends = { source: uuid, destination: NIL };
  return { kind: 'connect', ...HEADER, type: 0, operand: 0, role, ...ends };
};
const plainFrame = (type: number, operand: number, payload = new Uint8Array(0)): WireFrame => {
  return { kind: 'frame', ...HEADER, type, operand, origin: NIL, payload };
};

/** A server that does with each connection what it is told to. */
async function rawServer(pair: Pair, serve: (raw: Raw) => void): Promise<Server & AsyncDisposable> {
  const { pem } = pair.server;
  const sockets = new Set<TLSSocket>();
  const server = createTlsServer(
    { cert: pem, key: pem, ca: pair.ca.certificate, requestCert: true, rejectUnauthorized: false },
    (socket) => {
      sockets.add(socket);
      serve(new Raw(socket));
    },
  );
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  return Object.assign(server, {
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

describe.each(['ciao', 'openssl'] as const)('with certificates as of %s', (family) => {
  const pair = PAIRS[family];

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('a raw client speaks %s', async (version) => {
    await using server = await listen(pair);
    const versions = { minVersion: version, maxVersion: version };
    await using raw = await Raw.connect(pair, server.address.port, versions);
    expect(raw.socket.getProtocol()).toBe(version);
    raw.socket.write(raw.encoder.encode(connectFrame(randomUUID())));
    expect(await raw.read()).toMatchObject({ kind: 'connected', type: 1, operand: 0, role: 8 });
  });

  test('two ends shake hands and talk both ways', async () => {
    await using server = await listen(pair);
    await using client = open(pair, server.address.port);
    const atServer = eventsOf(server);
    const atClient = clientEvents(client);

    const connected = await next(atClient, 'connected');
    expect(connected.server).toMatchObject({ uuid: server.uuid, roles: ['SCHEDULER'] });
    expect(text(connected.configuration)).toBe(CONFIGURATION);
    const { session } = await next(atServer, 'connected');
    expect(session.uuid).toBe(client.uuid);
    expect(session.roles).toEqual(['CNCIAGENT']);
    expect(server.sessions.get(client.uuid)).toBe(session);

    await session.send({ type: 'EVENT', operand: 'TenantAdded', payload: 'tenant_added: {}\n' });
    const down = (await next(atClient, 'frame')).frame;
    expect([down.type, down.operand, down.origin]).toEqual(['EVENT', 'TenantAdded', server.uuid]);
    expect(text(down.payload)).toBe('tenant_added: {}\n');

    const trace = { label: Buffer.from('a label'), pathLength: 0, path: [] };
    await client.send({ type: 'EVENT', operand: 'PublicIPAssigned', origin: server.uuid, trace });
    const up = (await next(atServer, 'frame')).frame;
    expect([up.operand, up.origin]).toEqual(['PublicIPAssigned', server.uuid]);
    expect(text(up.trace!.label!)).toBe('a label');

    await client.close();
    expect((await atClient.next()).value).toMatchObject({ kind: 'disconnected' });
    expect(await atClient.next()).toEqual({ done: true, value: undefined });
    expect((await next(atServer, 'disconnected')).session).toBe(session);
    expect(server.sessions.size).toBe(0);
  });

  const REFUSED_SERVERS: readonly (readonly [string, Partial<CertificateOptions>, RegExp])[] = [
    ['has expired', { from: -9, to: -1 }, /CERTIFICATE|EXPIRED|expired/i],
    ['is not valid yet', { from: 1 }, /NOT_YET_VALID|not valid yet/],
    ['is for another address', { names: ['192.0.2.1', 'DNS:elsewhere'] }, /not for|ALTNAME/],
    ['is from another authority', { issuer: authority(family) }, /no authority|SIGNATURE|UNABLE/],
    ['is a client’s', { roles: [CNCI_AGENT] }, /claims a role/],
    ['grants no role that is claimed', { roles: [5, SCHEDULER] }, /^$/],
  ];

  test.each(REFUSED_SERVERS.slice(0, -1))(
    'a server whose certificate %s is refused',
    async (_what, more, words) => {
      const bad = issuePair(family, { agent: {} });
      const server = { ...bad, server: issue({ ...serverOf(bad), ...more }) };
      const seen: Promise<WireFrame>[] = [];
      await using peer = await rawServer(server, (raw) => {
        seen.push(raw.read());
        raw.socket.on('data', () => {
          // What any client's certificate would allow: to claim what it grants.
          const claim = { ...connectFrame(randomUUID(), 0x20), type: 1, payload: Buffer.alloc(0) };
          raw.socket.write(raw.encoder.encode({ ...claim, kind: 'connected' } as WireFrame));
        });
      });
      const stand = new Stand();
      stand.hold = true;
      await using client = open(server, portOf(peer), {}, stand);
      await stand.until(() => stand.waits.length > 0);
      expect(stand.warnings.find((warning) => words.test(warning))).toBeDefined();
      expect(client.isConnected).toBe(false);
    },
  );

  const REFUSED_CLIENTS: readonly (readonly [string, Partial<CertificateOptions>])[] = [
    ['has expired', { from: -9, to: -1 }],
    ['is not valid yet', { from: 1 }],
    ['is from another authority', { issuer: authority(family) }],
    ['was issued by another client', { issuer: pair.agent }],
  ];

  test.each(REFUSED_CLIENTS)('a client whose certificate %s is refused', async (_what, more) => {
    const stand = new Stand();
    await using server = await listen(pair, { logger: stand.logger });
    const agent = issue({ ...agentOf(pair), ...more });
    await using raw = await Raw.connect({ ...pair, agent }, server.address.port);
    raw.socket.write(raw.encoder.encode(connectFrame(randomUUID())));
    await raw.closed;
    expect(stand.warnings.join()).toMatch(/certificate of an SSNTP peer is not acceptable/);
    expect(server.sessions.size).toBe(0);
  });

  test('a client without a certificate is refused', async () => {
    const stand = new Stand();
    await using server = await listen(pair, { logger: stand.logger });
    const nothing = { cert: undefined, key: undefined } as unknown as ConnectionOptions;
    await using raw = await Raw.connect(pair, server.address.port, nothing);
    await raw.closed;
    expect(stand.warnings.join()).toMatch(/it shows none/);
  });

  test('a client that claims a role it was not granted is told so, and gives up', async () => {
    await using server = await listen(pair);
    await using raw = await Raw.connect(pair, server.address.port);
    raw.socket.write(raw.encoder.encode(connectFrame(randomUUID(), 0x22)));
    expect(await raw.read()).toMatchObject({ kind: 'frame', type: 2, operand: 4, origin: NIL });
    await raw.closed;
    expect(server.sessions.size).toBe(0);
  });
});

function serverOf(pair: Pair): CertificateOptions {
  return { issuer: pair.ca, names: [LOOPBACK], roles: [SCHEDULER], name: 'scheduler' };
}

function agentOf(pair: Pair): CertificateOptions {
  return { issuer: pair.ca, names: ['DNS:agent'], roles: [CNCI_AGENT], name: 'agent' };
}

const pair = PAIRS.openssl;

describe('certificates as of ciao', () => {
  test('the authority’s own certificate serves its scheduler', async () => {
    const { ca, agent } = PAIRS.ciao;
    await using server = await listen({ ca, server: ca, agent });
    await using client = open({ ca, server: ca, agent }, server.address.port);
    expect((await next(clientEvents(client), 'connected')).server.roles).toEqual(['SCHEDULER']);
  });

  test('an authority that is none, or has expired, vouches for nobody', async () => {
    for (const more of [{ isCa: false }, { from: -9, to: -1 }]) {
      const ca = authority('ciao', more);
      const bad = { ...PAIRS.ciao, ca, agent: issue({ ...agentOf(PAIRS.ciao), issuer: ca }) };
      const stand = new Stand();
      await using server = await listen({ ...bad, server: ca }, { logger: stand.logger });
      await using raw = await Raw.connect(bad, server.address.port);
      await raw.closed;
      expect(stand.warnings.join()).toMatch(/not acceptable/);
    }
  });

  test('a short RSA key is refused, one of 2048 bits is not', async () => {
    const stand = new Stand();
    await using server = await listen(PAIRS.ciao, { logger: stand.logger });
    const withBits = (rsaBits: number) =>
      Raw.connect(
        { ...PAIRS.ciao, agent: issue({ ...agentOf(PAIRS.ciao), rsaBits }) },
        server.address.port,
      );
    await using long = await withBits(2048);
    long.socket.write(long.encoder.encode(connectFrame(randomUUID())));
    expect(await long.read()).toMatchObject({ kind: 'connected' });
    await using short = await withBits(1024).catch(() => long);
    short.socket.write(short.encoder.encode(connectFrame(randomUUID())));
    await short.closed;
    expect(server.sessions.size).toBeLessThanOrEqual(1);
  });
});

describe('a client', () => {
  test('never sends before CONNECTED, and pipelined frames of a server all arrive', async () => {
    const received: number[] = [];
    await using peer = await rawServer(pair, (raw) => {
      raw.socket.on('data', (chunk) => received.push(chunk.length));
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
    let answered: Promise<WireFrame> | undefined;
    await using server = await listen(pair);
    const uuid = randomUUID();
    await using raw = await Raw.connect(pair, server.address.port);
    raw.socket.write(raw.encoder.encode(connectFrame(uuid)));
    await raw.read();
    raw.socket.write(raw.encoder.encode(plainFrame(9, 1)));
    answered = raw.read();
    expect(await answered).toMatchObject({ type: 2, operand: 0, origin: NIL });
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

describe('a server', () => {
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
