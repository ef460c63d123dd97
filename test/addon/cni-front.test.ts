/** The program that runtimes run, with a daemon that says what the test wants. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeFrontFrame, encodeDaemonFrame, FrameReader } from '#lib/cni/index';
import type { DaemonFrame, FrontFrame } from '#lib/cni/index';
import { callCni, spawnCni } from '../support/cni';
import { until } from '../support/run';

/** What the daemon does with a frame: answers, or has its own way with the connection. */
type Say = (frame: FrontFrame, socket: Socket) => DaemonFrame | undefined;

const OK = { kind: 'answer', status: 0, text: '{"cniVersion":"1.0.0"}\n' } as const;

class Desk implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'snnet-front-'));
  readonly socketPath = join(this.directory, 'cni.sock');
  readonly heard: FrontFrame[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(say: Say) {
    this.#server = createServer((socket) => {
      const reader = new FrameReader();
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        for (const frame of reader.read(bytes).map(decodeFrontFrame)) {
          this.heard.push(frame);
          const said = say(frame, socket);
          if (said !== undefined) socket.write(encodeDaemonFrame(said));
        }
      });
    });
  }

  static async open(say: Say = () => OK): Promise<Desk> {
    const desk = new Desk(say);
    await new Promise<void>((resolve) => desk.#server.listen(desk.socketPath, resolve));
    return desk;
  }

  config(changes: object = {}): object {
    return { cniVersion: '1.0.0', name: 'n', daemonSocket: this.socketPath, ...changes };
  }

  /** An IPAM plugin that notes each call, and does what a line of shell says. */
  plugin(line: string): { path: string; type: string; calls: () => string[] } {
    const file = join(this.directory, 'ipam');
    const log = join(this.directory, 'calls');
    const script = `#!/bin/sh\ninput=$(cat)\necho "$CNI_COMMAND $CNI_CONTAINERID $input" >> ${log}\n${line}\n`;
    writeFileSync(file, script, { mode: 0o755 });
    const calls = (): string[] =>
      existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
    return { path: `/nowhere:${this.directory}`, type: 'ipam', calls };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.directory, { recursive: true });
  }
}

const ADD = { command: 'ADD', containerId: 'c1', netns: '/run/netns/c1' };

test.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])('VERSION %s needs nobody', async (it) => {
  const { status, result } = await callCni({ command: 'VERSION', config: { cniVersion: it } });
  const supportedVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];
  expect({ status, result }).toEqual({ status: 0, result: { cniVersion: it, supportedVersions } });
});

test('VERSION answers whatever the configuration lacks', async () => {
  for (const config of ['', '{}', '{"cniVersion":"9.0.0"}']) {
    const { status, result } = await callCni({ command: 'VERSION', config });
    expect({ status, result }).toMatchObject({ status: 0, result: { cniVersion: '1.1.0' } });
  }
});

test('the daemon hears the CNI variables and the configuration, byte for byte', async () => {
  await using desk = await Desk.open();
  const config = JSON.stringify({ ...desk.config(), note: '\u00e4\u{1f600}\n' }, null, 3);
  const { status, stdout } = await callCni({ ...ADD, args: 'IP=10.0.0.2', path: '/a:/b', config });
  expect({ status, stdout }).toEqual({ status: 0, stdout: OK.text });
  expect(desk.heard).toEqual([
    {
      kind: 'request',
      request: {
        config,
        environment: {
          CNI_COMMAND: 'ADD',
          CNI_CONTAINERID: 'c1',
          CNI_NETNS: '/run/netns/c1',
          CNI_IFNAME: 'eth0',
          CNI_ARGS: 'IP=10.0.0.2',
          CNI_PATH: '/a:/b',
        },
      },
    },
  ]);
});

test('the status of the daemon is the status of the program', async () => {
  await using desk = await Desk.open(() => ({ kind: 'answer', status: 7, text: '{"code":7}' }));
  const { status, result } = await callCni({ ...ADD, config: desk.config() });
  expect({ status, result }).toEqual({ status: 7, result: { code: 7 } });
});

describe('nobody is there', () => {
  test.each([
    ['ADD', '1.0.0', 11],
    ['DEL', '0.4.0', 11],
    ['CHECK', '1.0.0', 11],
    ['GC', '1.1.0', 11],
    ['STATUS', '1.1.0', 50],
  ])('%s: the runtime is told to come again', async (command, cniVersion, code) => {
    const config = { cniVersion, name: 'n', daemonSocket: '/nowhere/cni.sock' };
    const { status, result } = await callCni({ ...ADD, command, config });
    expect(status).toBe(1);
    expect(result).toMatchObject({ cniVersion, code, msg: expect.stringMatching(/does not run/) });
  });

  test('no address is asked for', async () => {
    await using desk = await Desk.open();
    const ipam = desk.plugin('echo {}');
    const config = desk.config({ daemonSocket: '/nowhere/x', ipam: { type: ipam.type } });
    expect((await callCni({ ...ADD, path: ipam.path, config })).status).toBe(1);
    expect(ipam.calls()).toEqual([]);
  });
});

describe('a daemon that is not well', () => {
  test.each<[string, Say]>([
    ['hangs up', (_frame, socket) => void socket.destroy()],
    ['says half of a frame', (_frame, socket) => void socket.end(Buffer.from([0, 0, 0, 9, 1]))],
    ['says a frame without end', (_frame, socket) => void socket.write(Buffer.alloc(8, 0xff))],
    ['says an empty frame', (_frame, socket) => void socket.write(Buffer.alloc(4))],
    ['says nothing', () => undefined],
  ])('%s: try again later', async (_what, say) => {
    await using desk = await Desk.open(say);
    const config = desk.config({ timeoutMs: 300 });
    const { status, result } = await callCni({ ...ADD, config });
    expect({ status, result }).toMatchObject({ status: 1, result: { code: 11 } });
  });

  test('wants an address where there is no IPAM plugin: an error, and no loop', async () => {
    await using desk = await Desk.open(() => ({ kind: 'wants-address' }));
    const { status, result } = await callCni({ ...ADD, config: desk.config() });
    expect({ status, result }).toMatchObject({ status: 1, result: { code: 107 } });
  });
});

describe('the configuration', () => {
  test.each<[string, object | string, number]>([
    ['half of an object', '{', 6],
    ['a number', '7', 6],
    ['nothing', '', 6],
    ['an old version', '{"cniVersion":"0.2.0"}', 1],
    ['no version', '{}', 1],
    ['a socket with a relative path', { daemonSocket: 'relative' }, 7],
    ['a socket with a long path', { daemonSocket: `/${'x'.repeat(200)}` }, 7],
    ['no time at all', { timeoutMs: 0 }, 7],
    ['a time in words', { timeoutMs: 'long' }, 7],
    ['an unknown kind of daemon', { daemon: 'none' }, 7],
    ['a command without a path', { daemon: 'in-process', snnetCommand: ['snnet'] }, 7],
    ['an IPAM plugin with a path', { ipam: { type: '../ipam' } }, 7],
    ['an IPAM plugin that is a directory', { ipam: { type: '..' } }, 7],
    ['more than a megabyte', { note: 'x'.repeat(1 << 20) }, 6],
    ['a deep abyss', '['.repeat(100_000), 6],
  ])('%s is refused', async (_what, given, code) => {
    const config = typeof given === 'string' ? given : { cniVersion: '1.0.0', ...given };
    const { status, result } = await callCni({ ...ADD, config });
    expect({ status, result }).toMatchObject({ status: 1, result: { code } });
  });

  test('a megabyte of it is handed on', async () => {
    await using desk = await Desk.open();
    const note = 'x'.repeat((1 << 20) - 1000);
    expect((await callCni({ ...ADD, config: desk.config({ note }) })).status).toBe(0);
    expect(desk.heard[0]).toMatchObject({ request: { config: expect.stringContaining(note) } });
  });

  test('without a command it says who should run it', async () => {
    const { status, result } = await callCni({ command: '', config: {} });
    expect(status).toBe(1);
    expect(result).toMatchObject({ code: 4, msg: expect.stringMatching(/CNI_COMMAND/) });
  });
});

describe('an IPAM plugin', () => {
  const wantsAddress: Say = ({ kind }) => (kind === 'request' ? { kind: 'wants-address' } : OK);

  test('gives an address when the daemon wants it', async () => {
    await using desk = await Desk.open(wantsAddress);
    const ipam = desk.plugin('echo \'{"ips":[]}\'; echo hello >&2');
    const config = desk.config({ ipam: { type: ipam.type } });
    const { status, stderr } = await callCni({ ...ADD, path: ipam.path, config });
    expect({ status, stderr }).toEqual({ status: 0, stderr: 'hello\n' });
    expect(desk.heard[1]).toEqual({ kind: 'address', given: '{"ips":[]}\n' });
    expect(ipam.calls()).toEqual([`ADD c1 ${JSON.stringify(config)}`]);
  });

  test('is not asked where the daemon knows already', async () => {
    await using desk = await Desk.open();
    const ipam = desk.plugin('exit 1');
    const config = desk.config({ ipam: { type: ipam.type } });
    expect((await callCni({ ...ADD, path: ipam.path, config })).status).toBe(0);
    expect(ipam.calls()).toEqual([]);
  });

  test('that refuses has the last word, and keeps nothing', async () => {
    await using desk = await Desk.open(wantsAddress);
    const words = '{"cniVersion":"1.0.0","code":110,"msg":"no address left"}';
    const ipam = desk.plugin(`echo '${words}'; exit 3`);
    const config = desk.config({ ipam: { type: ipam.type } });
    const { status, stdout } = await callCni({ ...ADD, path: ipam.path, config });
    expect({ status, stdout }).toEqual({ status: 3, stdout: `${words}\n` });
    expect(ipam.calls()).toHaveLength(1);
    expect(await until(() => desk.sockets.size === 0, 5000)).toBe(true);
  });

  test.each([
    ['dies', 'kill -9 $$', 107],
    ['fails without a word', 'exit 2', 107],
    ['fails with words of its own', 'echo oops; exit 2', 107],
    ['never ends', 'exec sleep 100', 11],
    ['ends, but leaves somebody who holds its output', 'sleep 1 & exit 0', 11],
    ['says two megabytes', 'head -c 2000000 /dev/zero', 107],
  ])('that %s is an error', async (_what, line, code) => {
    await using desk = await Desk.open(wantsAddress);
    const ipam = desk.plugin(line);
    const config = desk.config({ timeoutMs: 500, ipam: { type: ipam.type } });
    const { status, result } = await callCni({ ...ADD, path: ipam.path, config });
    expect({ status, result }).toMatchObject({ status: 1, result: { code } });
  });

  test('gets its address back when the daemon fails after all', async () => {
    const refuses: Say = ({ kind }) =>
      kind === 'request'
        ? { kind: 'wants-address' }
        : { kind: 'answer', status: 1, text: '{"code":103}' };
    await using desk = await Desk.open(refuses);
    const ipam = desk.plugin('echo {}');
    const config = desk.config({ ipam: { type: ipam.type } });
    const { result } = await callCni({ ...ADD, path: ipam.path, config });
    expect(result).toEqual({ code: 103 });
    const said = JSON.stringify(config);
    expect(ipam.calls()).toEqual([`ADD c1 ${said}`, `DEL c1 ${said}`]);
  });

  test.each(['DEL', 'CHECK', 'GC', 'STATUS'])(
    '%s comes to it after the daemon',
    async (command) => {
      const cniVersion = '1.1.0';
      let calls: () => string[] = () => [];
      const before: number[] = [];
      await using desk = await Desk.open(() => {
        before.push(calls().length);
        return { kind: 'answer', status: 0, text: '' };
      });
      const ipam = desk.plugin('exit 0');
      calls = ipam.calls;
      const config = desk.config({ cniVersion, ipam: { type: ipam.type } });
      expect(await callCni({ ...ADD, command, path: ipam.path, config })).toMatchObject({
        status: 0,
        stdout: '',
      });
      expect(ipam.calls()).toEqual([`${command} c1 ${JSON.stringify(config)}`]);
      expect(before).toEqual([0]);
    },
  );

  test('keeps the address of a VNIC that could not be destroyed', async () => {
    await using desk = await Desk.open(() => ({ kind: 'answer', status: 1, text: '{"code":11}' }));
    const ipam = desk.plugin('exit 0');
    const config = desk.config({ ipam: { type: ipam.type } });
    expect((await callCni({ ...ADD, command: 'DEL', path: ipam.path, config })).status).toBe(1);
    expect(ipam.calls()).toEqual([]);
  });

  test('is looked for in CNI_PATH, and nowhere else', async () => {
    await using desk = await Desk.open(wantsAddress);
    const ipam = desk.plugin('echo {}');
    const config = desk.config({ ipam: { type: ipam.type } });
    for (const path of ['', ':', '/nowhere', '::/nowhere']) {
      const { result } = await callCni({ ...ADD, path, config });
      expect(result).toMatchObject({ code: 7, msg: 'there is no IPAM plugin ipam in CNI_PATH' });
    }
    const ls = desk.config({ ipam: { type: 'ls' } });
    expect((await callCni({ ...ADD, path: ipam.path, config: ls })).result).toMatchObject({
      code: 7,
    });
    chmodSync(join(desk.directory, 'ipam'), 0o644);
    expect((await callCni({ ...ADD, path: ipam.path, config })).result).toMatchObject({ code: 7 });
  });
});

describe('without a daemon, where that is wanted', () => {
  test('a program answers in its place', async () => {
    await using desk = await Desk.open();
    const script = join(desk.directory, 'snnet');
    const answer = encodeDaemonFrame(OK).toString('hex');
    writeFileSync(
      script,
      `process.stdin.once('data', (bytes) => {
        require('fs').writeFileSync(${JSON.stringify(join(desk.directory, 'heard'))}, bytes);
        process.stdout.write(Buffer.from('${answer}', 'hex'), () => process.stdin.destroy());
      });`,
    );
    const snnetCommand = [process.execPath, script];
    const config = desk.config({ daemon: 'in-process', snnetCommand });
    expect(await callCni({ ...ADD, config })).toMatchObject({
      status: 0,
      result: { cniVersion: '1.0.0' },
    });
    const [frame] = new FrameReader().read(readFileSync(join(desk.directory, 'heard')));
    expect(frame && decodeFrontFrame(frame)).toMatchObject({
      request: { environment: { CNI_COMMAND: 'ADD' }, config: JSON.stringify(config) },
    });
    expect(desk.heard).toEqual([]);
  });

  test.each([
    ['is not there', ['/nowhere/snnet']],
    ['says nothing', ['/bin/true']],
    ['never ends', ['/bin/sh', '-c', 'exec sleep 100']],
  ])('one that %s: try again later', async (_what, snnetCommand) => {
    const config = { cniVersion: '1.0.0', daemon: 'in-process', timeoutMs: 500, snnetCommand };
    const { status, result } = await callCni({ ...ADD, config });
    expect({ status, result }).toMatchObject({ status: 1, result: { code: 11 } });
  });
});

test('the daemon notices when the program is killed', async () => {
  await using desk = await Desk.open(() => undefined);
  const { reply, kill } = spawnCni({ ...ADD, config: desk.config() });
  expect(await until(() => desk.heard.length === 1, 10_000)).toBe(true);
  expect(desk.sockets.size).toBe(1);
  kill();
  await reply;
  expect(await until(() => desk.sockets.size === 0, 5000)).toBe(true);
});
