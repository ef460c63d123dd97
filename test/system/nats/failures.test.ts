/** What goes wrong at an agent, or with a request: dead letters, deaths, a server that is killed. */
import { connect } from '@nats-io/transport-node';

import { NodeChild } from '../../support/child';
import { NatsCluster, NatsServer } from '../../support/nats';
import { needs } from '../../support/reasons';
import { until } from '../../support/run';
import { AGENT, contentOf, numbers, Publisher, Recorder, Running, setUp, WAIT_MS } from './bed';
import { tenantEvent } from './bed';

const nats = needs('nats-server');
const SHORT = { ackWaitMs: 600 };

/** An agent in a process of its own. It says what it is asked, and dies of what is about subnet `poison`. */
const AGENT_PROCESS = `
const { NatsAgentTransport } = require('./dist/agent/nats/index.js');
const [server, uuid, poison, mostAttempts] = process.argv.slice(1);
const transport = new NatsAgentTransport({ servers: [server], uuid, mostAttempts: Number(mostAttempts) });
transport.receive({
  connected: () => process.send('connected'),
  disconnected: () => undefined,
  request: ({ kind, payload }) => new Promise((resolve) => {
    const [, subnet] = /172\\.16\\.(\\d+)\\./.exec(payload);
    process.send(kind + ' ' + subnet, () => {
      if (subnet === poison) process.kill(process.pid, 'SIGKILL');
      else if (poison !== 'all') resolve('done');
    });
  }),
}, new AbortController().signal);
`;

nats('what is refused, and what fails too often, goes to the dead letters', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers);
  await using launcher = new Publisher({ servers });
  await launcher.sendAll('added 1', 'added 2', 'added 3', 'removed 2');
  const recorder = new Recorder();
  recorder.answer = ({ sequence }) => {
    if (sequence === 1) return 'refused';
    return sequence === 2 ? new Error('no room') : 'done';
  };
  await using _agent = new Running({ servers, uuid: AGENT, mostAttempts: 2 }, recorder);
  const heard = await recorder.hears(5);
  expect(heard.filter((text) => text.endsWith(' 2'))).toEqual(['added 2', 'added 2', 'removed 2']);
  const dead = async () => await contentOf(servers, 'CIAO_DEAD');
  expect(await until(async () => (await dead()).length === 2, WAIT_MS)).toBe(true);
  const letters = await dead();
  expect(letters.map(({ subject }) => subject)).toEqual(
    Array<string>(2).fill(`ciao.v1.dead.${AGENT}.tenant_added`),
  );
  expect(letters[0]?.headers).toMatchObject({
    'Dead-Reason': 'refused',
    'Dead-Subject': `ciao.v1.cnci.${AGENT}.tenant_added`,
    'Dead-Sequence': '1',
  });
  expect(letters[1]?.headers['Dead-Reason']).toBe('failed too often: no room');
  expect(letters[1]?.text).toContain('tenant_subnet: 172.16.2.0/24\n');
  const isEmpty = async (): Promise<boolean> =>
    (await contentOf(servers, 'CIAO_CNCI')).length === 0;
  expect(await until(isEmpty, WAIT_MS)).toBe(true);
});

nats('an agent that is killed is given again what it had not done, in order', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers, {}, SHORT);
  await using launcher = new Publisher({ servers });
  await launcher.sendAll('added 1', 'removed 1', 'added 2');
  await using child = new NodeChild(
    { code: AGENT_PROCESS },
    { args: [server.address, AGENT, 'all', '20'] },
  );
  expect((await child.waitForMessages(3)).slice(1).sort()).toEqual([
    'tenant-added 1',
    'tenant-added 2',
  ]);
  await child.kill();
  // Newer than what the dead one had: it must not come first.
  await launcher.sendAll('added 1', 'removed 2');
  await using agent = new Running({ servers, uuid: AGENT });
  const heard = await agent.recorder.hears(5);
  expect(heard.filter((text) => text.endsWith(' 1'))).toEqual(['added 1', 'removed 1', 'added 1']);
  expect(heard.filter((text) => text.endsWith(' 2'))).toEqual(['added 2', 'removed 2']);
});

nats(
  'a request that kills its agent is put aside in the end, and no other',
  async () => {
    await using server = await NatsServer.start();
    const servers = [server.address];
    await setUp(servers, {}, SHORT);
    await using launcher = new Publisher({ servers });
    await launcher.sendAll(...numbers(9).map((subnet) => `added ${subnet}`));
    const heard = new Set<unknown>();
    const isBuried = async (): Promise<boolean> =>
      (await contentOf(servers, 'CIAO_DEAD')).length > 0;
    let deaths = 0;
    for (; deaths < 20 && !(await isBuried()); deaths += 1) {
      const args = [server.address, AGENT, '4', '4'];
      await using child = new NodeChild({ code: AGENT_PROCESS }, { args });
      await until(async () => !child.isRunning || (await isBuried()), WAIT_MS);
      for (const message of child.messages) heard.add(message);
    }
    await using _agent = new Running({ servers, uuid: AGENT });
    const isOver = async (): Promise<boolean> =>
      (await contentOf(servers, 'CIAO_CNCI')).length === 0;
    expect(await until(isOver, WAIT_MS)).toBe(true);
    expect(deaths).toBeGreaterThan(2);
    const everything = numbers(9).map((subnet) => `tenant-added ${subnet}`);
    expect([...heard].sort()).toEqual(['connected', ...everything]);
    const letters = await contentOf(servers, 'CIAO_DEAD');
    expect(letters.map(({ text }) => /172\.16\.(\d+)/.exec(text)?.[1])).toEqual(['4']);
    expect(letters[0]?.headers['Dead-Reason']).toMatch(/^delivered \d+ times$/);
  },
  90_000,
);

nats('a request of a kind that nobody knows is put aside', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers);
  await using launcher = new Publisher({ servers });
  await launcher.send({ ...tenantEvent('tenant-added', 1), concentratorUuid: AGENT });
  await using agent = new Running({ servers, uuid: AGENT });
  await agent.recorder.hears(1);
  const connection = await connect({ servers });
  connection.publish(`ciao.v1.cnci.${AGENT}.make_coffee`, 'black');
  await connection.flush();
  await connection.close();
  const dead = async () => await contentOf(servers, 'CIAO_DEAD');
  expect(await until(async () => (await dead()).length === 1, WAIT_MS)).toBe(true);
  expect((await dead())[0]).toMatchObject({
    subject: `ciao.v1.dead.${AGENT}.make_coffee`,
    text: 'black',
  });
  expect(agent.recorder.heard).toHaveLength(1);
});

nats('a server that stops answering is left, and found again', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers);
  await using launcher = new Publisher({ servers, timeoutMs: 500 });
  await launcher.sendAll('added 1');
  await server.freeze();
  await expect(launcher.sendAll('added 2')).rejects.toMatchObject({
    code: 'SNNET_NATS_UNREACHABLE',
    operation: 'send',
  });
  server.thaw();
  await launcher.sendAll('added 3');
  await using agent = new Running({ servers, uuid: AGENT });
  expect(await agent.recorder.hears(3)).toContain('added 3');
});

nats('what lacks a stream or a consumer says so, and works as soon as it is there', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await using launcher = new Publisher({ servers });
  await expect(launcher.sendAll('added 1')).rejects.toMatchObject({
    code: 'SNNET_NATS_INCOMPLETE',
  });
  await using agent = new Running({ servers, uuid: AGENT });
  expect(await until(() => agent.warnings.length > 0, WAIT_MS)).toBe(true);
  expect(agent.warnings[0]).toContain('Something that the transport over NATS needs is not there');
  await setUp(servers);
  await launcher.sendAll('added 1');
  expect(await agent.recorder.hears(1)).toEqual(['added 1']);
});

nats('an agent that may do so makes what it needs', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await using agent = new Running({ servers, uuid: AGENT, setUp: true });
  await agent.recorder.isConnected();
  await using launcher = new Publisher({ servers });
  await launcher.sendAll('added 1');
  expect(await agent.recorder.hears(1)).toEqual(['added 1']);
  await agent.transport.report(
    {
      kind: 'concentrator-instance-added',
      instanceUuid: AGENT,
      tenantUuid: '',
      concentratorIp: '198.51.100.9',
      concentratorMac: '02:00:c6:33:64:09',
    },
    'r1',
  );
  const [report] = await contentOf(servers, 'CIAO_REPORTS');
  expect(report).toMatchObject({
    subject: `ciao.v1.events.${AGENT}.concentrator_instance_added`,
    text: expect.stringContaining('concentrator_ip: 198.51.100.9\n'),
    headers: { 'Ciao-Origin': AGENT, 'Nats-Msg-Id': 'r1' },
  });
});

nats(
  'of three servers one may die, with messages on their way',
  async () => {
    await using cluster = await NatsCluster.start();
    const servers = cluster.addresses;
    const isUp = async (): Promise<boolean> =>
      await setUp(servers, { timeoutMs: 2000 }, { replicas: 3, ...SHORT }).then(
        () => true,
        () => false,
      );
    expect(await until(isUp, WAIT_MS)).toBe(true);
    await using agent = new Running({ servers, uuid: AGENT, timeoutMs: 1000 });
    await using launcher = new Publisher({ servers, timeoutMs: 1000 });
    const persist = async (text: string, id: string): Promise<void> => {
      const [what = '', subnet = ''] = text.split(' ');
      const event = tenantEvent(`tenant-${what}` as 'tenant-added', Number(subnet));
      const isSent = async (): Promise<boolean> =>
        await launcher.send(event, id).then(
          () => true,
          () => false,
        );
      expect(await until(isSent, WAIT_MS)).toBe(true);
    };
    const texts = numbers(40).flatMap((subnet) => [`added ${subnet}`, `removed ${subnet}`]);
    for (const [index, text] of texts.entries()) {
      if (index === 30) await cluster.servers[0]?.kill();
      await persist(text, `m${index}`);
    }
    await agent.recorder.hears(80);
    // What was at work when the connection broke may come twice, but never before what was sent earlier.
    for (const subnet of numbers(40)) {
      const own = agent.recorder.brief.filter((text) => text.endsWith(` ${subnet}`));
      expect([...new Set(own)]).toEqual([`added ${subnet}`, `removed ${subnet}`]);
      expect(own.lastIndexOf(`added ${subnet}`)).toBeLessThan(own.indexOf(`removed ${subnet}`));
    }
  },
  120_000,
);
