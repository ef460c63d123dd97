import { randomUUID } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';

import type { WireFrame } from '#lib/agent/ssntp/index';
import { authority, issue } from '../support/certificates';
import type { CertificateOptions } from '../support/certificates';
import {
  CNCI_AGENT,
  CONFIGURATION,
  NIL,
  PAIRS,
  Raw,
  Stand,
  agentOf,
  clientEvents,
  connectFrame,
  eventsOf,
  listen,
  next,
  open,
  portOf,
  rawServer,
  serverOf,
  text,
} from './helpers/ssntp';

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
    ['grants another role than it claims', {}, /claims a role/],
  ];

  test.each(REFUSED_SERVERS)(
    'a server whose certificate %s is refused',
    async (_what, more, words) => {
      const server = { ...pair, server: issue({ ...serverOf(pair), ...more }) };
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
    ['is for servers only', { usages: ['1.3.6.1.5.5.7.3.1'] }],
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
    const withBits = (rsaBits: number) => {
      const agent = issue({ ...agentOf(PAIRS.ciao), rsaBits });
      // Or the client itself would refuse to use such a key.
      const ciphers = 'DEFAULT@SECLEVEL=0';
      return Raw.connect({ ...PAIRS.ciao, agent }, server.address.port, { ciphers });
    };
    await using long = await withBits(2048);
    long.socket.write(long.encoder.encode(connectFrame(randomUUID())));
    expect(await long.read()).toMatchObject({ kind: 'connected' });
    expect(stand.warnings).toEqual([]);
    await using short = await withBits(1024);
    await short.closed;
    expect(stand.warnings.join()).toMatch(/not acceptable/);
  });
});
