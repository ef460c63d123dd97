/** `snnet cni serve --tell nats`: what runtimes cause reaches the concentrator, whoever is away meanwhile. */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { setUpNats } from '#lib/index';
import { Container } from '../kernel/helpers/container';
import { runChild } from '../support/child';
import { NatsServer } from '../support/nats';
import { needs } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import { CniDaemon } from './helpers/cni-daemon';
import { FILE, stand } from './helpers/stand';
import { Running } from './nats/bed';

const it = needs('nats-server', 'real-root');
const CONCENTRATOR = 'cnci-alpha';
const ADDRESS = { args: 'IP=172.16.1.5' };

it('an ADD, a DEL and the audit are told, with the server or the daemon away for a while', async () => {
  await using box = await Sandbox.open();
  const { env } = await stand(box);
  const directory = mkdtempSync(join(tmpdir(), 'snnet-outbox-'));
  await using server = await NatsServer.start();
  const servers = [server.address];
  await setUpNats({ servers, uuid: 'admin' }, [CONCENTRATOR]);
  await using agent = new Running({ servers, uuid: CONCENTRATOR });
  const { recorder } = agent;
  await recorder.isConnected();
  const outboxDir = join(directory, 'outbox');
  const tell = ['--tell', 'nats', '--nats', server.address, '--outbox-dir', outboxDir];
  const args = [...tell, '--audit-interval', '20', '--audit-grace', '50'];
  {
    await server.kill();
    await using container = await Container.start('c1');
    const daemon = await CniDaemon.start({ env, args });
    expect(await daemon.call('ADD', container, ADDRESS)).toMatchObject({ status: 0 });
    process.kill(daemon.tool.pid as number, 'SIGKILL');
    await daemon[Symbol.asyncDispose]();
    await server.resume();
    await using next = await CniDaemon.start({ env, args });
    expect(await recorder.hears(1)).toEqual(['added 0']);
    expect(recorder.heard[0]?.payload).toContain('tenant_subnet: 172.16.0.0/16\n');
    expect(recorder.heard[0]?.payload).toContain('concentrator_uuid: cnci-alpha\n');
    await next.call('DEL', container);
    expect(await recorder.hears(2)).toEqual(['added 0', 'removed 0']);
  }
  await using daemon = await CniDaemon.start({ env, args });
  await using killed = await Container.start('c2');
  expect(await daemon.call('ADD', killed, ADDRESS)).toMatchObject({ status: 0 });
  await recorder.hears(3);
  const held = openSync(killed.netns, 'r');
  await killed.kill();
  expect(await recorder.hears(4)).toEqual(['added 0', 'removed 0', 'added 0', 'removed 0']);
  closeSync(held);
  // Nothing of it went to standard output.
  expect(daemon.tool.stdout).toBe('');
  rmSync(directory, { recursive: true });
}, 60_000);

test('an outbox needs to know who it speaks for, and to whom', async () => {
  const serve = async (...args: readonly string[]) =>
    await runChild({ file: FILE }, { args: ['cni', 'serve', ...args] });
  const nobody = await serve('--tell', 'nats', '--nats', '127.0.0.1:1');
  expect(nobody).toMatchObject({ status: 2, stderr: expect.stringContaining('--id') });
  const nowhere = await serve('--tell', 'nats', '--id', 'cn1');
  expect(nowhere).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('a server at least'),
  });
  const without = ['--nats', '127.0.0.1:1', '--nats-creds', '/nowhere/creds'];
  const unreadable = await serve('--tell', 'nats', '--id', 'cn1', ...without);
  expect(unreadable).toMatchObject({ status: 2, stderr: expect.stringContaining('--nats-creds') });
  expect(await serve('--tell', 'pigeon')).toMatchObject({ status: 2 });
});
