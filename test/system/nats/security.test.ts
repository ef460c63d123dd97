/** Who may do what at a real NATS server: permissions, ways to log in, TLS with certificates. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, nkeys } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';

import type { AgentReport } from '#lib/agent/messages/index';
import { formatAuthorization, parseNatsNames } from '#lib/agent/nats/index';
import type { NatsUser } from '#lib/agent/nats/index';
import { authority, issue } from '../../support/certificates';
import { NatsServer } from '../../support/nats';
import { needs } from '../../support/reasons';
import { until } from '../../support/run';
import { AGENT, contentOf, LAUNCHER, OTHER, Publisher, Running, setUp } from './bed';
import { tenantEvent, WAIT_MS } from './bed';

type KeyPair = ReturnType<typeof nkeys.createUser>;

const nats = needs('nats-server');
const LOOPBACK = [127, 0, 0, 1].join('.');

const USERS: readonly NatsUser[] = [
  { role: 'agent', uuid: AGENT, user: 'one', password: 'p1' },
  { role: 'agent', uuid: OTHER, user: 'other', password: 'p2' },
  { role: 'launcher', uuid: LAUNCHER, user: 'launcher', password: 'p3' },
  { role: 'controller', uuid: 'controller', user: 'controller', password: 'p4' },
];
const ADMIN = { user: 'admin', password: 'all' };

/** The library's users, and one who may do everything. */
function authorization(): string {
  const text = formatAuthorization(parseNatsNames(), USERS);
  return text.replace('users = [\n', 'users = [\n    { user: admin, password: all }\n');
}

async function rejectionOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** A client that does what it likes. */
async function somebody(server: NatsServer, user: string, pass: string, uuid: string) {
  const connection = await connect({
    servers: server.address,
    inboxPrefix: `_INBOX_${uuid}`,
    timeout: 2000,
    ...{ user, pass },
  });
  return { connection, [Symbol.asyncDispose]: () => connection.close() };
}

async function asks(connection: NatsConnection, subject: string, body = ''): Promise<string> {
  const answer = connection.request(subject, body, { timeout: 1000 });
  return await answer.then(
    (message) => message.string(),
    (error: unknown) => `refused: ${String(error)}`,
  );
}

nats('with the permissions that the library describes everybody can do their work', async () => {
  await using server = await NatsServer.start({ config: authorization() });
  const servers = [server.address];
  await setUp(servers, ADMIN);
  await using launcher = new Publisher({ servers, user: 'launcher', password: 'p3' });
  await using agent = new Running({ servers, uuid: AGENT, user: 'one', password: 'p1' });
  agent.recorder.answer = ({ kind }) => (kind === 'tenant-removed' ? 'refused' : 'done');
  await launcher.sendAll('added 1', 'removed 1');
  expect(await agent.recorder.hears(2)).toEqual(['added 1', 'removed 1']);
  const login = { user: ADMIN.user, pass: ADMIN.password };
  const isBuried = async () => (await contentOf(servers, 'CIAO_DEAD', login)).length === 1;
  expect(await until(isBuried, WAIT_MS)).toBe(true);
  const report: AgentReport = {
    kind: 'public-ip-assigned',
    concentratorUuid: AGENT,
    instanceUuid: '',
    publicIp: '203.0.113.1',
    privateIp: '172.16.1.2',
  };
  await agent.transport.report(report, 'r1');
  await using controller = await somebody(server, 'controller', 'p4', 'controller');
  const manager = await jetstreamManager(controller.connection, { checkAPI: false });
  await manager.consumers.add('CIAO_REPORTS', {
    durable_name: 'controller',
    ack_policy: 'explicit',
  });
  const reports = await jetstream(controller.connection).consumers.get(
    'CIAO_REPORTS',
    'controller',
  );
  const message = await reports.next({ expires: 5000 });
  expect(message?.subject).toBe(`ciao.v1.events.${AGENT}.public_ip_assigned`);
  message?.ack();
  await controller.connection.flush();
  expect(agent.warnings.filter((text) => text.includes('objects'))).toEqual([]);
});

nats('an agent cannot read another’s requests, nor send any, nor report in its name', async () => {
  await using server = await NatsServer.start({ config: authorization() });
  const servers = [server.address];
  await setUp(servers, ADMIN);
  await using launcher = new Publisher({ servers, user: 'launcher', password: 'p3' });
  await launcher.send(tenantEvent('tenant-added', 1, { concentratorUuid: OTHER }));
  await using agent = await somebody(server, 'one', 'p1', AGENT);
  const { connection } = agent;
  const config = (name: string, filter: string): string =>
    JSON.stringify({
      stream_name: 'CIAO_CNCI',
      config: { durable_name: name, filter_subject: filter, ack_policy: 'explicit' },
    });
  const attempts: [string, string?][] = [
    [`$JS.API.CONSUMER.MSG.NEXT.CIAO_CNCI.cnci-${OTHER}`, '1'],
    [`$JS.API.CONSUMER.INFO.CIAO_CNCI.cnci-${OTHER}`],
    ['$JS.API.STREAM.MSG.GET.CIAO_CNCI', '{"seq":1}'],
    ['$JS.API.DIRECT.GET.CIAO_CNCI', '{"seq":1}'],
    [
      `$JS.API.CONSUMER.CREATE.CIAO_CNCI.spy.ciao.v1.cnci.${OTHER}.*`,
      config('spy', `ciao.v1.cnci.${OTHER}.*`),
    ],
    ['$JS.API.CONSUMER.DURABLE.CREATE.CIAO_CNCI.spy', config('spy', `ciao.v1.cnci.${OTHER}.*`)],
    [`$JS.API.CONSUMER.DELETE.CIAO_CNCI.cnci-${OTHER}`],
    ['$JS.API.STREAM.PURGE.CIAO_CNCI'],
    ['$JS.API.STREAM.DELETE.CIAO_CNCI'],
    [`ciao.v1.cnci.${OTHER}.tenant_removed`, 'forged'],
    [`ciao.v1.cnci.${AGENT}.tenant_added`, 'forged'],
    [`ciao.v1.events.${OTHER}.public_ip_assigned`, 'forged'],
    [`$JS.ACK.CIAO_CNCI.cnci-${OTHER}.1.1.1.1.0`, '+ACK'],
  ];
  for (const [subject, body] of attempts) {
    expect([subject, await asks(connection, subject, body)]).toEqual([
      subject,
      expect.stringMatching(/refused: .*(Permissions Violation|permissions violation)/i),
    ]);
  }
  for (const subject of [`_INBOX_${OTHER}.>`, '_INBOX.>', `ciao.v1.cnci.${OTHER}.*`, '>']) {
    const reason = await new Promise((resolve) => {
      const subscription = connection.subscribe(subject, { callback: (error) => resolve(error) });
      void subscription.closed.then(resolve);
    });
    expect(String(reason)).toMatch(/permissions violation/i);
  }
  await using other = new Running({ servers, uuid: OTHER, user: 'other', password: 'p2' });
  expect(await other.recorder.hears(1)).toEqual(['added 1']);
  // A launcher sends what launchers send.
  const assign = { ...tenantEvent('tenant-added', 1), kind: 'assign-public-ip' };
  const refused = launcher.send(assign as never);
  expect(await rejectionOf(refused)).toMatchObject({ code: 'SNNET_NATS_REFUSED' });
});

nats(
  'a password, a token, an nkey: the right one is let in, the wrong one is told so',
  async () => {
    const key = nkeys.createUser();
    const wrong = nkeys.createUser();
    const seedOf = (pair: { getSeed(): Uint8Array }): string =>
      Buffer.from(pair.getSeed()).toString();
    const ways = [
      {
        config: 'authorization { users = [{ user: a, password: b }] }',
        right: { user: 'a', password: 'b' },
        wrong: { user: 'a', password: 'c' },
      },
      { config: 'authorization { token: "t1" }', right: { token: 't1' }, wrong: { token: 't2' } },
      {
        config: `authorization { users = [{ nkey: ${key.getPublicKey()} }] }`,
        right: { nkeySeed: seedOf(key) },
        wrong: { nkeySeed: seedOf(wrong) },
      },
    ];
    for (const { config, right, wrong: other } of ways) {
      await using server = await NatsServer.start({ config });
      const servers = [server.address];
      expect(await rejectionOf(setUp(servers))).toMatchObject({ code: 'SNNET_NATS_REFUSED' });
      expect(await rejectionOf(setUp(servers, other))).toMatchObject({
        code: 'SNNET_NATS_REFUSED',
      });
      await setUp(servers, right);
      await using agent = new Running({ servers, uuid: AGENT, ...right });
      await using launcher = new Publisher({ servers, ...right });
      await launcher.sendAll('added 1');
      expect(await agent.recorder.hears(1)).toEqual(['added 1']);
      await using stranger = new Running({ servers, uuid: OTHER, ...other });
      expect(await until(() => stranger.warnings.length > 0, WAIT_MS)).toBe(true);
      expect(stranger.warnings[0]).toContain('The NATS server refuses');
    }
  },
);

nats('over TLS both ends show certificates, and others are refused', async () => {
  const ca = authority('openssl');
  const made = (name: string, names: readonly string[], issuer = ca) =>
    issue({ issuer, roles: [], name, names });
  const server = made('server', [LOOPBACK, 'DNS:localhost']);
  const client = made('client', ['DNS:client']);
  const elsewhere = made('server', ['DNS:elsewhere.example']);
  const strangers = authority('openssl', { name: 'strangers' });
  const stranger = made('client', ['DNS:client'], strangers);
  const keyOf = ({ pem, certificate }: { pem: string; certificate: string }): string =>
    pem.slice(certificate.length);
  const files = {
    'ca.pem': ca.certificate,
    'cert.pem': server.certificate,
    'key.pem': keyOf(server),
    'elsewhere.pem': elsewhere.certificate,
    'elsewhere-key.pem': keyOf(elsewhere),
  };
  const configFor = (name: string, key: string): string =>
    `tls { cert_file: "DIR/${name}", key_file: "DIR/${key}", ca_file: "DIR/ca.pem", verify: true }`;
  await using nats = await NatsServer.start({ files, config: configFor('cert.pem', 'key.pem') });
  const servers = [nats.address];
  const own = { certificate: client.certificate, key: keyOf(client) };
  const tls = { ca: ca.certificate, ...own };
  await setUp(servers, { tls });
  await setUp([`localhost:${nats.address.split(':')[1]}`], { tls });
  await using agent = new Running({ servers, uuid: AGENT, tls });
  await using launcher = new Publisher({ servers, tls });
  await launcher.sendAll('added 1');
  expect(await agent.recorder.hears(1)).toEqual(['added 1']);

  const foreign = { certificate: stranger.certificate, key: keyOf(stranger) };
  const bad = [
    // Without a certificate; with one of somebody else's authority: the server hangs up.
    { ca: ca.certificate },
    { ca: ca.certificate, ...foreign },
    // We do not believe the server.
    { ca: strangers.certificate, ...own },
    own,
  ];
  for (const wrong of bad) {
    expect(await rejectionOf(setUp(servers, { tls: wrong, timeoutMs: 2000 }))).toMatchObject({
      code: expect.stringMatching(/^SNNET_NATS_(REFUSED|UNREACHABLE)$/),
    });
  }
  await using other = await NatsServer.start({
    files,
    config: configFor('elsewhere.pem', 'elsewhere-key.pem'),
  });
  expect(await rejectionOf(setUp([other.address], { tls }))).toMatchObject({
    code: 'SNNET_NATS_REFUSED',
    message: expect.stringContaining('does not match'),
  });
  await using plain = await NatsServer.start();
  expect(await rejectionOf(setUp([plain.address], { tls }))).toMatchObject({
    message: expect.stringContaining('tls'),
  });
});

nats('a certificate may be all that an agent shows of itself', async () => {
  const ca = authority('openssl');
  const made = (name: string, names: readonly string[]) =>
    issue({ issuer: ca, roles: [], name, names });
  const keyOf = ({ pem, certificate }: { pem: string; certificate: string }): string =>
    pem.slice(certificate.length);
  const server = made('server', [LOOPBACK]);
  const [admin, one] = [made('admin', ['DNS:admin']), made('one', ['DNS:one'])];
  const users = formatAuthorization(parseNatsNames(), [
    { role: 'agent', uuid: AGENT, user: 'one' },
  ]);
  const files = {
    'ca.pem': ca.certificate,
    'cert.pem': server.certificate,
    'key.pem': keyOf(server),
  };
  const config = `
    tls { cert_file: "DIR/cert.pem", key_file: "DIR/key.pem", ca_file: "DIR/ca.pem", verify_and_map: true }
    ${users.replace('users = [\n', 'users = [\n    { user: admin }\n')}`;
  await using nats = await NatsServer.start({ files, config });
  const servers = [nats.address];
  const tlsOf = (issued: typeof one) => ({
    ca: ca.certificate,
    certificate: issued.certificate,
    key: keyOf(issued),
  });
  await setUp(servers, { tls: tlsOf(admin) });
  await using launcher = new Publisher({ servers, tls: tlsOf(admin) });
  await launcher.sendAll('added 1');
  await using agent = new Running({ servers, uuid: AGENT, tls: tlsOf(one) });
  expect(await agent.recorder.hears(1)).toEqual(['added 1']);
  await using other = new Running({ servers, uuid: OTHER, tls: tlsOf(one), timeoutMs: 1000 });
  expect(await until(() => other.warnings.length > 0, WAIT_MS)).toBe(true);
  expect(other.recorder.connections).toBe(0);
});

/** A token of the servers' own kind: what the issuer says of somebody, and its signature. */
function jwt(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { jti: name, iat: 1_700_000_000, iss: issuer.getPublicKey(), name };
  const head = part({ typ: 'JWT', alg: 'ed25519-nkey' });
  const body = `${head}.${part({ ...claims, sub: subject.getPublicKey(), nats })}`;
  return `${body}.${Buffer.from(issuer.sign(Buffer.from(body))).toString('base64url')}`;
}

nats('credentials, as nsc writes them, let in', async () => {
  const [operator, account, user] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createUser(),
  ];
  const system = nkeys.createAccount();
  const none = -1;
  const connections = {
    ...{ subs: none, data: none, payload: none, imports: none, exports: none, wildcards: true },
    ...{ conn: none, leaf: none },
  };
  const storage = { mem_storage: none, disk_storage: none, streams: none, consumer: none };
  const limits = { ...connections, ...storage };
  const operatorJwt = jwt(operator, operator, 'operator', { type: 'operator', version: 2 });
  const accountJwt = jwt(operator, account, 'account', { type: 'account', version: 2, limits });
  const systemJwt = jwt(operator, system, 'system', {
    ...{ type: 'account', version: 2, limits: connections },
  });
  const userLimits = { subs: none, data: none, payload: none };
  const userJwt = jwt(account, user, 'user', { type: 'user', version: 2, ...userLimits });
  const config = `
    operator: "${operatorJwt}"
    resolver: MEMORY
    system_account: ${system.getPublicKey()}
    resolver_preload: {
      ${account.getPublicKey()}: "${accountJwt}"
      ${system.getPublicKey()}: "${systemJwt}"
    }`;
  await using server = await NatsServer.start({ config });
  const servers = [server.address];
  const line = (name: string): string => `-----BEGIN ${name}-----`;
  const seed = Buffer.from(user.getSeed()).toString();
  const credentials = [
    ...[line('NATS USER JWT'), userJwt, '------END NATS USER JWT------', ''],
    ...[line('USER NKEY SEED'), seed, '------END USER NKEY SEED------', ''],
  ].join('\n');
  expect(await rejectionOf(setUp(servers))).toMatchObject({ code: 'SNNET_NATS_REFUSED' });
  await setUp(servers, { credentials });
  await using agent = new Running({ servers, uuid: AGENT, credentials });
  await using launcher = new Publisher({ servers, credentials });
  await launcher.sendAll('added 1');
  expect(await agent.recorder.hears(1)).toEqual(['added 1']);
});

test('what a client cannot be given is refused before anything is dialled', async () => {
  const good = { servers: ['nats.example'], uuid: AGENT };
  const bad: [object, string][] = [
    [{ servers: [] }, 'servers'],
    [{ servers: ['nats://user:secret@nats.example'] }, 'servers[0]'],
    [{ servers: ['nats.example:99999'] }, 'servers[0]'],
    [{ user: 'a' }, 'password'],
    [{ token: 't', user: 'a', password: 'b' }, 'credentials'],
    [{ nkeySeed: 'UABC' }, 'nkeySeed'],
    [{ tls: { certificate: '-----BEGIN CERTIFICATE-----' } }, 'tls.key'],
    [{ tls: { ca: 'no pem' } }, 'tls.ca'],
    [{ prefix: 'a.*' }, 'prefix'],
    [{ streams: 'a b' }, 'streams'],
    [{ secret: 1 }, 'secret'],
  ];
  for (const [changes, field] of bad) {
    const error = await rejectionOf(setUp([], { ...good, ...changes }));
    expect([field, error]).toEqual([field, expect.objectContaining({ field })]);
  }
});
