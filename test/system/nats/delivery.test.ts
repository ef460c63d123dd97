/** Requests over a real NATS server: nothing is lost, nothing overtakes, nothing is done twice by mistake. */
import { NatsServer } from '../../support/nats';
import { needs } from '../../support/reasons';
import { until } from '../../support/run';
import {
  AGENT,
  numbers,
  OTHER,
  Publisher,
  Recorder,
  Running,
  setUp,
  tenantEvent,
  WAIT_MS,
} from './bed';

const nats = needs('nats-server');

nats('an agent that is away loses nothing, and gets everything in order', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers);
  await using launcher = new Publisher({ servers });
  const sent = numbers(100).flatMap((subnet) => [`added ${subnet}`, `removed ${subnet}`]);
  await launcher.sendAll(...sent);
  await using agent = new Running({ servers, uuid: AGENT });
  const heard = await agent.recorder.hears(200);
  expect([...heard].sort()).toEqual([...sent].sort());
  for (const subnet of numbers(100)) {
    const own = heard.filter((text) => text.endsWith(` ${subnet}`));
    expect(own).toEqual([`added ${subnet}`, `removed ${subnet}`]);
  }
  expect(agent.recorder.heard[0]).toMatchObject({ kind: 'tenant-added', sequence: 1 });
  expect(agent.recorder.heard[0]?.count).toMatch(/^CIAO_CNCI\/cnci-1111.*@20/);
});

nats('a message that is sent twice comes once', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers);
  await using launcher = new Publisher({ servers });
  for (const id of ['a', 'b', 'a', 'b']) await launcher.send(tenantEvent('tenant-added', 1), id);
  await launcher.sendAll('removed 1');
  await using agent = new Running({ servers, uuid: AGENT });
  expect(await agent.recorder.hears(3)).toEqual(['added 1', 'added 1', 'removed 1']);
});

nats('requests about one subnet wait for each other, all others run at once', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers);
  await using launcher = new Publisher({ servers });
  await launcher.sendAll('added 1', 'removed 1', 'added 2', 'added 3');
  const recorder = new Recorder();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  recorder.answer = () => held.then(() => 'done');
  await using _agent = new Running({ servers, uuid: AGENT }, recorder);
  expect((await recorder.hears(3)).sort()).toEqual(['added 1', 'added 2', 'added 3']);
  expect(recorder.atWork).toBe(3);
  release();
  expect((await recorder.hears(4)).at(-1)).toBe('removed 1');
});

nats('what fails is tried again, and what comes after it about the same waits', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers);
  await using launcher = new Publisher({ servers });
  await launcher.sendAll('added 1', 'removed 1', 'added 2');
  const recorder = new Recorder();
  let left = 2;
  recorder.answer = ({ sequence }) =>
    sequence === 1 && left-- > 0 ? new Error('not yet') : 'done';
  await using agent = new Running({ servers, uuid: AGENT }, recorder);
  const heard = await recorder.hears(5);
  expect(heard.filter((text) => text.endsWith(' 1'))).toEqual([
    ...['added 1', 'added 1', 'added 1'],
    'removed 1',
  ]);
  expect(heard.indexOf('added 2')).toBeLessThan(3);
  expect(agent.warnings).toContain('a request failed, and is tried again: not yet');
});

nats(
  'what is at work when the server restarts is acknowledged afterwards, and not done again',
  async () => {
    await using server = await NatsServer.start();
    const servers = [server.address];
    await setUp(servers);
    await using launcher = new Publisher({ servers });
    await launcher.sendAll('added 1', 'removed 1');
    const recorder = new Recorder();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    recorder.answer = ({ sequence }) => (sequence === 1 ? held.then(() => 'done') : 'done');
    await using agent = new Running({ servers, uuid: AGENT }, recorder);
    await recorder.hears(1);
    await server.kill();
    release();
    expect(await until(() => recorder.log.includes('disconnected'), WAIT_MS)).toBe(true);
    await server.resume();
    expect(await recorder.hears(2)).toEqual(['added 1', 'removed 1']);
    await recorder.isConnected(2);
    await launcher.sendAll('added 2');
    expect(await recorder.hears(3)).toEqual(['added 1', 'removed 1', 'added 2']);
    expect(agent.warnings.join()).toContain('there is no connection to NATS');
  },
);

nats('an agent that is told to end finishes what it does, and the next goes on', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers);
  await using launcher = new Publisher({ servers });
  await launcher.sendAll('added 1', 'removed 1', 'added 2', 'removed 2');
  const recorder = new Recorder();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  recorder.answer = () => held.then(() => 'done');
  const first = new Running({ servers, uuid: AGENT }, recorder);
  await recorder.hears(2);
  const stopped = first.stop();
  release();
  await stopped;
  expect(recorder.brief).toEqual(['added 1', 'added 2']);
  await using next = new Running({ servers, uuid: AGENT });
  expect((await next.recorder.hears(2)).sort()).toEqual(['removed 1', 'removed 2']);
});

nats('two agents do not get each other’s', async () => {
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUp(servers);
  await using launcher = new Publisher({ servers });
  await launcher.send(tenantEvent('tenant-added', 1));
  await launcher.send(tenantEvent('tenant-added', 2, { concentratorUuid: OTHER }));
  await using one = new Running({ servers, uuid: AGENT });
  await using other = new Running({ servers, uuid: OTHER });
  expect(await one.recorder.hears(1)).toEqual(['added 1']);
  expect(await other.recorder.hears(1)).toEqual(['added 2']);
});
