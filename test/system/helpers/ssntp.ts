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
import { authority, issue } from '../../support/certificates';
import type { Authority, CertificateOptions, Family, Issued } from '../../support/certificates';

export const LOOPBACK = [127, 0, 0, 1].join('.');
export const SCHEDULER = 2;
export const CNCI_AGENT = 6;
export const NIL = '00000000-0000-0000-0000-000000000000';
export const CONFIGURATION = 'configure:\n  scheduler:\n    storage_uri: ""\n';

export interface Pair {
  readonly ca: Issued;
  readonly server: Issued;
  readonly agent: Issued;
}

function issuePair(family: Family): Pair {
  const ca = authority(family);
  const issuer: Authority = ca;
  const base = { issuer, names: [LOOPBACK, 'DNS:localhost'] };
  return {
    ca,
    server: issue({ ...base, roles: [SCHEDULER], name: 'scheduler' }),
    agent: issue({ ...base, roles: [CNCI_AGENT], name: 'agent' }),
  };
}

export const PAIRS: Readonly<Record<Family, Pair>> = {
  ciao: issuePair('ciao'),
  openssl: issuePair('openssl'),
};

/** Waits as long as it is told by the test, and no longer. */
export class Stand {
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

export function listen(
  pair: Pair,
  options: Partial<SsntpServerOptions> = {},
): Promise<SsntpServer> {
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

export function open(
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

export async function next<K extends string, E extends { readonly kind: string }>(
  events: AsyncIterator<E, undefined>,
  kind: K,
): Promise<Extract<E, { readonly kind: K }>> {
  const { value } = await events.next();
  expect(value?.kind).toBe(kind);
  return value as Extract<E, { readonly kind: K }>;
}

export const eventsOf = (end: SsntpServer): AsyncIterator<SsntpServerEvent, undefined> =>
  end[Symbol.asyncIterator]();
export const clientEvents = (end: SsntpClient): AsyncIterator<SsntpClientEvent, undefined> =>
  end[Symbol.asyncIterator]();

export const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** A TLS peer without manners of its own. */
export class Raw implements AsyncDisposable {
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
    socket.on('data', (chunk: Buffer) => {
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

export const HEADER = { major: 0, minor: 1 };
export const connectFrame = (uuid: string, role = 0x20): WireFrame => {
  const ends = { source: uuid, destination: NIL };
  return { kind: 'connect', ...HEADER, type: 0, operand: 0, role, ...ends };
};
export const plainFrame = (
  type: number,
  operand: number,
  payload = new Uint8Array(0),
): WireFrame => {
  return { kind: 'frame', ...HEADER, type, operand, origin: NIL, payload };
};

/** A server that does with each connection what it is told to. */
export async function rawServer(
  pair: Pair,
  serve: (raw: Raw) => void,
): Promise<Server & AsyncDisposable> {
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

export const portOf = (server: Server) => (server.address() as AddressInfo).port;

export function serverOf(pair: Pair): CertificateOptions {
  return { issuer: pair.ca, names: [LOOPBACK], roles: [SCHEDULER], name: 'scheduler' };
}

export function agentOf(pair: Pair): CertificateOptions {
  return { issuer: pair.ca, names: ['DNS:agent'], roles: [CNCI_AGENT], name: 'agent' };
}
