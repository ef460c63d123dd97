/** Programs started in a handle's namespace, and processes watched that are no children of ours. */
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { loadAddon } from '#lib/kernel/native';
import type { Program, ProgramResult } from '#lib/kernel/index';
import { runChild } from '../support/child';
import { patience } from '../support/run';
import { Bed, rejection } from '../kernel/helpers/bed';

function shell(bed: Bed, script: string, more: Partial<Program> = {}): Promise<ProgramResult> {
  const timeoutMs = 10_000 * patience;
  return bed.kernel.processes.run({
    file: '/bin/sh',
    args: ['-c', script],
    env: { PATH: '/usr/bin:/bin' },
    timeoutMs,
    ...more,
  });
}

test('a program runs in the namespace of the handle, with what it was given and nothing else', async () => {
  await using bed = await Bed.open();
  // The shell reads its own status: while it forks a program that would, its signals are blocked.
  const script = `exec >&2; readlink /proc/$$/ns/net; cd -P . && pwd; env | sort
    for fd in 0 1; do readlink /proc/$$/fd/$fd; done; ls /proc/$$/fd | wc -l
    while read -r line; do case $line in SigBlk*|SigIgn*) echo "$line";; esac; done < /proc/$$/status
    ps -o tty= -p $$; exit 3`;
  const result = await shell(bed, script, { env: { A: 'b c' }, directory: '/usr' });
  const name = await bed.kernel.processes.netnsName();
  expect(name).toBe(`net:[${statSync(bed.ns.path).ino}]`);
  const lines = result.errorOutput.split('\n').map((line) => line.trim());
  expect(result).toMatchObject({ status: 3, hasTimedOut: false });
  expect(lines.filter((line) => !/^(_|OLDPWD|PWD|SHLVL)=/.test(line))).toEqual([
    name,
    '/usr',
    'A=b c',
    '/dev/null',
    // Of its own making: where the script's words go.
    expect.stringMatching(/^pipe:/) as unknown,
    expect.stringMatching(/^[34]$/) as unknown,
    expect.stringMatching(/^SigBlk:\s+0+$/) as unknown,
    // The C library's own two are as whoever started us left them.
    expect.stringMatching(/^SigIgn:\s+0+(?:180000000)?$/) as unknown,
    '?',
    '',
  ]);
});

test('how a program ends: status, signal, deadline; and what it writes, up to a limit', async () => {
  await using bed = await Bed.open();
  expect(await shell(bed, 'exit 0')).toEqual({ status: 0, errorOutput: '', hasTimedOut: false });
  expect(await shell(bed, 'kill -9 $$')).toMatchObject({ signal: 9, hasTimedOut: false });
  const late = await shell(bed, 'echo begun >&2; exec sleep 60', { timeoutMs: 300 * patience });
  expect(late).toEqual({ signal: 9, errorOutput: 'begun\n', hasTimedOut: true });
  const loud = await shell(bed, 'head -c 1000000 /dev/zero | tr "\\0" x >&2; exit 1');
  expect(loud).toEqual({ status: 1, errorOutput: 'x'.repeat(16_384), hasTimedOut: false });
  // A descendant that keeps the pipe open holds nobody up.
  const orphan = await shell(bed, 'sleep 60 & echo $! >&2; exit 2', { timeoutMs: 30_000 });
  expect(orphan).toMatchObject({ status: 2, hasTimedOut: false });
  process.kill(Number(orphan.errorOutput), 'SIGKILL');
  const missing = shell(bed, '', { file: '/nosuch/program' });
  expect(await rejection(missing)).toMatchObject({
    code: 'SNNET_KERNEL_FAILED',
    cause: { name: 'ENOENT', request: 'start /nosuch/program' },
  });
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
  const zombies = children.split(' ').filter((pid) => pid !== '' && isZombie(Number(pid)));
  expect(zombies).toEqual([]);
});

test('the executor goes on while a program runs, and closing waits for the program', async () => {
  await using bed = await Bed.open();
  const order: string[] = [];
  const running = shell(bed, 'sleep 1; exit 7').then(({ status }) => order.push(`ended ${status}`));
  await bed.kernel.links().then(() => order.push('links'));
  await bed.kernel.close().then(() => order.push('closed'));
  await running;
  expect(order).toEqual(['links', 'ended 7', 'closed']);
  expect(await rejection(shell(bed, ''))).toMatchObject({ code: 'SNNET_HANDLE_CLOSED' });
  expect(() => bed.kernel.processes.watch(process.pid)).toThrow(/closed/);
});

test('a process that is no child of ours is watched, signalled, and let go of', async () => {
  await using bed = await Bed.open();
  // A daemon: its parent has gone before it is looked at.
  const pids = [1, 2].map(async () => {
    const { errorOutput } = await shell(bed, 'setsid sleep 60 2>/dev/null & echo $! >&2');
    return Number(errorOutput);
  });
  const [first, second] = (await Promise.all(pids)).map((pid) => bed.kernel.processes.watch(pid));
  if (first === undefined || second === undefined) throw new Error('they have ended');
  expect([first.ownsPid, first.hasEnded]).toEqual([true, false]);
  second.forget();
  expect(first.signal('SIGTERM')).toBe(true);
  await first.ended;
  expect([first.hasEnded, first.ownsPid, first.signal('SIGKILL')]).toEqual([true, false, false]);
  expect(second.hasEnded).toBe(false);
  process.kill(second.pid, 'SIGKILL');
  expect(bed.kernel.processes.watch(4_194_304 - 1)).toBeUndefined();
});

test('what is watched does not keep a process alive, nor does closing touch it', async () => {
  const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
  const { status, stderr } = await runChild({
    code: `const { Kernel } = require('./dist/kernel');
      (async () => {
        const kernel = await Kernel.open({ fresh: true });
        kernel.processes.watch(${sleeper.pid}).ended.then(() => process.exit(9));
        if (process.argv[2] === 'close') await kernel.close();
      })();`,
  });
  expect(stderr).not.toMatch(/Sanitizer|runtime error:/);
  expect(status).toBe(0);
  expect(sleeper.exitCode ?? sleeper.signalCode).toBeNull();
  const ended = new Promise((resolve) => sleeper.once('exit', resolve));
  sleeper.kill();
  await ended;
});

test('a handle that goes in the middle of a program takes it along', async () => {
  const { status, stderr } = await runChild({
    code: `const { Worker } = require('node:worker_threads');
      const { execFileSync } = require('node:child_process');
      const worker = new Worker(\`
        const { Kernel } = require('./dist/kernel');
        (async () => {
          const kernel = await Kernel.open({ fresh: true });
          kernel.processes.run({ file: '/bin/sleep', args: ['61.5'], env: {}, timeoutMs: 90000 }).catch(() => {});
          require('node:worker_threads').parentPort.postMessage(1);
        })();\`, { eval: true });
      worker.once('message', async () => {
        await worker.terminate();
        process.exit(execFileSync('sh', ['-c', 'pgrep -P ' + process.pid + ' -x sleep || true'], { env: { PATH: process.env.PATH } }).length);
      });`,
  });
  expect(stderr).not.toMatch(/Sanitizer|runtime error:/);
  expect(status).toBe(0);
});

test('the addon refuses what is no program, no process and no packet', async () => {
  interface Raw {
    open(...args: unknown[]): Promise<unknown>;
    close(): Promise<unknown>;
    runProgram(...args: unknown[]): Promise<unknown>;
    adoptProcess(...args: unknown[]): unknown;
    signalProcess(...args: unknown[]): unknown;
    forgetProcess(...args: unknown[]): unknown;
    sendDatagram(...args: unknown[]): Promise<unknown>;
    nameNetns(): Promise<unknown>;
  }
  const { KernelHandle } = loadAddon() as unknown as { KernelHandle: new (f: () => void) => Raw };
  const raw = new KernelHandle(() => undefined);
  const closed = { error: expect.objectContaining({ name: 'EBADF' }) as unknown };
  expect(raw.adoptProcess(1)).toEqual(closed);
  expect(await raw.nameNetns()).toEqual(closed);
  await raw.open('', true);
  const good = { file: '/bin/true', arguments: ['x'], environment: [], directory: '/' };
  const limits = { timeoutMs: 1000, errorBytes: 10 };
  const bad: readonly unknown[] = [
    undefined,
    7,
    {},
    good,
    { ...good, ...limits, file: 'a\0b' },
    { ...good, ...limits, arguments: 'x' },
    { ...good, ...limits, environment: [1] },
    { ...good, ...limits, timeoutMs: 0 },
    { ...good, ...limits, errorBytes: 1e9 },
    { ...good, ...limits, directory: null },
  ];
  const failure = (call: () => unknown) => rejection((async () => call())());
  for (const program of bad) {
    expect((await failure(() => raw.runProgram(JSON.stringify(program)))).name).toBe('TypeError');
  }
  for (const number of [undefined, -1, 0, 1.5, 1e10, '1', Number.NaN, {}]) {
    expect((await failure(() => raw.adoptProcess(number))).name).toBe('TypeError');
  }
  for (const args of [[], [1], [1, -1], [1, 65], ['1', 1]]) {
    expect((await failure(() => raw.signalProcess(...args))).name).toBe('TypeError');
  }
  expect(raw.signalProcess(77, 9)).toMatchObject({ error: { name: 'ESRCH' } });
  expect((await failure(() => raw.forgetProcess('x'))).name).toBe('TypeError');
  expect(raw.forgetProcess(77)).toBeUndefined();
  const to = { address: '127.0.0.1', port: 9 };
  const packets: readonly (readonly unknown[])[] = [
    [],
    [to],
    [to, 'x'],
    [to, Buffer.alloc(0)],
    [to, Buffer.alloc(1473)],
    [{ ...to, address: '::1' }, Buffer.alloc(1)],
    [{ ...to, port: 0 }, Buffer.alloc(1)],
  ];
  for (const args of packets) {
    expect(
      (await failure(() => raw.sendDatagram(JSON.stringify(args[0]), ...args.slice(1)))).name,
    ).toBe('TypeError');
  }
  expect(await raw.sendDatagram(JSON.stringify(to), Buffer.alloc(1))).toMatchObject({
    error: { name: 'ENETUNREACH' },
  });
  await raw.close();
  expect(raw.adoptProcess(1)).toEqual(closed);
  expect(raw.forgetProcess(1)).toBeUndefined();
});

function isZombie(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
