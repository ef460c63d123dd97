/** What every service of ours is made of: word to the service manager, and an end. */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAddon } from '#lib/kernel/native';
import { notifyService } from '#lib/service/index';
import { NodeChild, runChild } from '../support/child';
import { sleep } from '../support/run';
import { ServiceManager } from '../support/service-manager';
import { rejection } from '../kernel/helpers/bed';

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'snnet-service-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('the service manager', () => {
  afterEach(() => {
    delete process.env['NOTIFY_SOCKET'];
  });

  test.each([
    ['a path', () => join(directory, 'notify')],
    ['an abstract socket', () => `@snnet-test/${process.pid}/notify`],
  ])('hears us at %s', async (_what, addressOf) => {
    process.env['NOTIFY_SOCKET'] = addressOf();
    await using manager = await ServiceManager.start(addressOf());
    expect(await notifyService('READY=1', 'STATUS=serving ä')).toBe(true);
    expect(await notifyService('STOPPING=1')).toBe(true);
    expect(await manager.heard(2)).toEqual([
      `${process.pid} READY=1|STATUS=serving ä`,
      `${process.pid} STOPPING=1`,
    ]);
  });

  test('is waited for while its queue is full', async () => {
    const address = join(directory, 'notify');
    process.env['NOTIFY_SOCKET'] = address;
    await using manager = await ServiceManager.start(address, 'late');
    const { sendToUnixSocket } = loadAddon();
    let queued = 0;
    while (!('error' in sendToUnixSocket(address, 'FILL=1'))) queued += 1;
    expect(sendToUnixSocket(address, 'FILL=1')).toMatchObject({ error: { name: 'EAGAIN' } });
    const heard = notifyService('READY=1');
    manager.listen();
    expect(await heard).toBe(true);
    expect(queued).toBeGreaterThan(0);
  });

  test('need not be there; one that should be and is not is an error', async () => {
    expect(await notifyService('READY=1')).toBe(false);
    process.env['NOTIFY_SOCKET'] = '';
    expect(await notifyService('READY=1')).toBe(false);
    process.env['NOTIFY_SOCKET'] = 'vsock:2:1234';
    expect(await notifyService('READY=1')).toBe(false);
    process.env['NOTIFY_SOCKET'] = join(directory, 'nowhere');
    expect(await rejection(notifyService('READY=1'))).toMatchObject({
      code: 'SNNET_KERNEL_FAILED',
      cause: { name: 'ENOENT' },
    });
    process.env['NOTIFY_SOCKET'] = `@${'x'.repeat(200)}`;
    expect(await rejection(notifyService('READY=1'))).toMatchObject({
      cause: { name: 'ENAMETOOLONG' },
    });
  });

  test.each(['ready', 'READY', 'A=1\nB=2', '=1', ''])('%j is not for it', async (state) => {
    expect(await rejection(notifyService('READY=1', state))).toMatchObject({
      code: 'SNNET_INPUT_INVALID',
      field: 'states[1]',
    });
  });
});

describe('an end', () => {
  const SCRIPT = `
    const { untilTerminated } = require('./dist/service');
    const signal = untilTerminated();
    const work = setInterval(() => undefined, 1000);
    const linger = process.argv[1] === 'linger';
    signal.addEventListener('abort', () => {
      process.send(signal.reason);
      if (!linger) clearInterval(work), process.disconnect();
    });
    process.send('begun');`;

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('asked for by %s is clean', async (name) => {
    await using child = new NodeChild({ code: SCRIPT });
    await child.waitForMessages(1);
    process.kill(child.pid as number, name);
    const { status, signal, messages } = await child.finished;
    expect({ status, signal, messages }).toEqual({
      status: 0,
      signal: null,
      messages: ['begun', name],
    });
  });

  test('asked for twice changes nothing, but a second SIGINT does not wait', async () => {
    await using child = new NodeChild({ code: SCRIPT }, { args: ['linger'] });
    await child.waitForMessages(1);
    const pid = child.pid as number;
    process.kill(pid, 'SIGTERM');
    await child.waitForMessages(2);
    for (const name of ['SIGTERM', 'SIGHUP'] as const) process.kill(pid, name);
    const state = { isOver: false };
    const finished = child.finished.finally(() => (state.isOver = true));
    // Two that come at once are one.
    while (!state.isOver) {
      process.kill(pid, 'SIGINT');
      await Promise.race([finished, sleep(20)]);
    }
    const { signal, messages } = await finished;
    expect({ signal, messages }).toEqual({ signal: 'SIGINT', messages: ['begun', 'SIGTERM'] });
  });

  test('nobody asks for does not keep the process', async () => {
    const code = `require('./dist/service').untilTerminated();`;
    expect(await runChild({ code })).toMatchObject({ status: 0, signal: null });
  });
});

test('the addon refuses what is no descriptor and no text', async () => {
  const addon = loadAddon() as unknown as Record<string, (...args: unknown[]) => unknown>;
  const failure = (name: string, ...args: unknown[]) =>
    rejection((async () => addon[name]?.(...args))());
  for (const bad of [undefined, -1, 1.5, 2 ** 31, Number.NaN, '1', {}]) {
    expect((await failure('peerCredentials', bad)).name).toBe('TypeError');
    expect((await failure('lockFile', bad)).name).toBe('TypeError');
  }
  for (const args of [[], ['/x'], [1, 'x'], ['/x', 1], ['/x\0', 'x'], ['/x', 'x\0']]) {
    expect((await failure('sendToUnixSocket', ...args)).name).toBe('TypeError');
  }
  expect(addon['lockFile']?.(999_999)).toMatchObject({ error: { name: 'EBADF' } });
  const file = openSync('/dev/null', 'r');
  expect(addon['peerCredentials']?.(file)).toMatchObject({ error: { name: 'ENOTSOCK' } });
  closeSync(file);
  for (const address of ['', '@', 'x', 'relative/path']) {
    expect(addon['sendToUnixSocket']?.(address, 'x')).toMatchObject({ error: { name: 'EINVAL' } });
  }
});
