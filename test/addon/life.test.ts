/** How handles live and die: closed, forgotten, collected, in the middle of work, in worker threads. */
import { existsSync } from 'node:fs';
import { Bed, doomed, rejection } from '../kernel/helpers/bed';
import { child, expectEnd, WORKER } from './life-child';

test('closing waits for what was asked, and refuses what comes after', async () => {
  await using bed = await Bed.open();
  const links = [doomed(0x1000_0001, 'b', 'x')];
  const asked = [
    bed.run([{ op: 'link.create', kind: 'bridge', ifname: 'b', ifindex: 0x1000_0001, alias: 'x' }]),
    bed.run([{ op: 'link.delete', links }]),
    bed.kernel.links(),
    bed.kernel.settle(),
  ];
  const order: string[] = [];
  void Promise.all(asked).then(() => order.push('asked'));
  const closed = bed.kernel.close().then(() => order.push('closed'));
  const refused = [
    bed.run([]),
    bed.kernel.links(),
    bed.kernel.settle(),
    bed.kernel.readSysctl('kernel/ostype'),
  ];
  for (const promise of refused) {
    expect(await rejection(promise)).toMatchObject({ code: 'SNNET_HANDLE_CLOSED' });
  }
  await closed;
  await Promise.all(asked);
  expect(order).toEqual(['asked', 'closed']);
  await expect(bed.kernel.close()).resolves.toBeUndefined();
});

test('a refused deletion that comes back while closing is still rolled back', async () => {
  await using bed = await Bed.open();
  await bed.ip('link add theirs index 500 type bridge');
  await bed.ip('link set theirs alias theirs');
  const running = bed.run([
    { op: 'link.create', kind: 'bridge', ifname: 'mine', ifindex: 0x1000_0001, alias: 'x' },
    { op: 'link.delete', links: [doomed(500, 'theirs', 'mine')] },
  ]);
  const closed = bed.kernel.close();
  expect(await rejection(running)).toMatchObject({ code: 'SNNET_LINK_FOREIGN' });
  await closed;
  expect(await bed.ip('-br link')).not.toContain('mine');
});

test('an idle handle that is never closed does not keep the process alive', async () => {
  await expectEnd(
    child(`globalThis.kernel = await Kernel.open({ fresh: true }); await churn(kernel);`),
    0,
  );
});

test('a listener does not keep the process alive either', async () => {
  await expectEnd(
    child(
      `const kernel = await Kernel.open({ fresh: true }); await kernel.watch('all', () => {}); await churn(kernel);`,
    ),
    0,
  );
});

test('work that is under way keeps the process alive until it is done', async () => {
  const { stdout } = await expectEnd(
    child(`const kernel = await Kernel.open({ fresh: true });
      run(kernel, create()).then(() => kernel.links()).then((links) => console.log(links.length));`),
    0,
  );
  expect(stdout).toBe('2\n');
});

test('process.exit in the middle of work ends the process at once', async () => {
  await expectEnd(
    child(
      `const kernel = await Kernel.open({ fresh: true }); busy(kernel); setTimeout(() => process.exit(7), 60);`,
    ),
    7,
  );
});

test('process.exit right after a call, before anything came back', async () => {
  await expectEnd(child(`Kernel.open({ fresh: true }).catch(() => {}); process.exit(7);`), 7);
});

test('an uncaught exception in the middle of work ends the process as any other', async () => {
  const result = await expectEnd(
    child(
      `const kernel = await Kernel.open({ fresh: true }); busy(kernel); setTimeout(() => { throw new Error('boom'); }, 60);`,
    ),
    1,
  );
  expect(result.stderr).toContain('boom');
});

test('a listener that throws ends the process as any other callback', async () => {
  const result = await expectEnd(
    child(`const kernel = await Kernel.open({ fresh: true });
      await kernel.watch('all', () => { throw new Error('from a listener'); });
      await churn(kernel); await sleep(1000);`),
    1,
  );
  expect(result.stderr).toContain('from a listener');
});

test('worker threads have handles of their own, several at once', async () => {
  const { stdout } = await expectEnd(
    child(`${WORKER}
      const main = await Kernel.open({ fresh: true });
      const workers = [1, 2, 3].map(() => ended(work(
        "const kernel = await Kernel.open({ fresh: true }); for (let n = 0; n < 10; ++n) await churn(kernel); await kernel.close();")));
      for (let n = 0; n < 10; ++n) await churn(main);
      console.log((await Promise.all(workers)).join());
      await main.close();`),
    0,
  );
  expect(stdout).toBe('0,0,0\n');
});

test('a worker that ends without closing, and one that is terminated in the middle, take their threads along', async () => {
  const { stdout } = await expectEnd(
    child(
      `${WORKER}
      const count = { threads: 0, fds: 0 };
      for (let round = 0; round < 4; ++round) {
        await ended(work("globalThis.kernel = await Kernel.open({ fresh: true }); await churn(kernel);"));
        const busyOne = work("const kernel = await Kernel.open({ fresh: true }); await kernel.watch('all', () => {}); busy(kernel); setInterval(() => {}, 1000); require('node:worker_threads').parentPort.postMessage('up');");
        await new Promise((resolve) => busyOne.once('message', resolve));
        await sleep(40);
        await busyOne.terminate();
        if (round === 0) { count.threads = threads(); count.fds = fds(); }
      }
      await quiet(() => threads() <= count.threads && fds() <= count.fds + 2);
      console.log(threads() - count.threads <= 0, fds() - count.fds <= 2);`,
      { timeoutMs: 60_000 },
    ),
    0,
  );
  expect(stdout).toBe('true true\n');
}, 60_000);

test('a worker terminated while it opens', async () => {
  await expectEnd(
    child(`${WORKER}
      for (let round = 0; round < 10; ++round) {
        const worker = work("require('node:worker_threads').parentPort.postMessage('up'); for (;;) await Kernel.open({ fresh: true });");
        await new Promise((resolve) => worker.once('message', resolve));
        await sleep(round);
        await worker.terminate();
      }`),
    0,
  );
});

test('taps handed out to a worker that is terminated before it hears of them are not leaked', async () => {
  const { stdout } = await expectEnd(
    child(`${WORKER}
      const taps = () => fs.readdirSync('/proc/self/fd').filter((fd) => {
        try { return fs.readlinkSync('/proc/self/fd/' + fd) === '/dev/net/tun'; } catch { return false; }
      }).length;
      const worker = work(\`const kernel = await Kernel.open({ fresh: true });
        for (let n = 1; n <= 40; ++n) run(kernel, { op: 'tap.create', ifname: 'q' + n, ifindex: n + 100, queues: 2, handOut: true }).catch(() => {});
        require('node:worker_threads').parentPort.postMessage('up');
        for (;;) {}\`);
      await new Promise((resolve) => worker.once('message', resolve));
      await sleep(150);
      await worker.terminate();
      await quiet(() => taps() === 0);
      console.log(taps());`),
    0,
  );
  expect(stdout).toBe('0\n');
});

test('opened and closed two hundred times, a process is as it was', async () => {
  const { stdout } = await expectEnd(
    child(
      `const round = async () => { const kernel = await Kernel.open({ fresh: true }); await churn(kernel); await kernel.close(); };
      for (let n = 0; n < 10; ++n) await round();
      const before = [threads(), fds()];
      for (let n = 0; n < 20; ++n) await Promise.all(Array.from({ length: 10 }, round));
      await quiet(() => threads() <= before[0] && fds() <= before[1]);
      console.log(threads() - before[0], fds() - before[1]);`,
      { timeoutMs: 90_000 },
    ),
    0,
  );
  expect(stdout).toBe('0 0\n');
}, 100_000);

test('a handle that nobody refers to is collected with its threads and descriptors', async () => {
  const { stdout } = await expectEnd(
    child(
      `const before = [threads(), fds()];
      await (async () => { for (let n = 0; n < 20; ++n) await churn(await Kernel.open({ fresh: true })); })();
      const during = threads();
      for (let n = 0; n < 50 && threads() > before[0]; ++n) { gc(); await sleep(20); }
      console.log(during > before[0], threads() - before[0] <= 0, fds() - before[1] <= 2);`,
      { execArgv: ['--expose-gc'] },
    ),
    0,
  );
  expect(stdout).toBe('true true true\n');
});

test('a handle that is watched is not collected', async () => {
  const { stdout } = await expectEnd(
    child(
      `const heard = [];
      const path = await (async () => {
        const kernel = await Kernel.open({ netns: '/proc/self/ns/net' });
        await kernel.watch('all', (events) => heard.push(...events));
        return null;
      })();
      for (let n = 0; n < 10; ++n) { gc(); await sleep(10); }
      const other = await Kernel.open({ netns: '/proc/self/ns/net' });
      await churn(other); await other.close();
      await quiet(() => heard.length > 0);
      console.log(heard.length > 0);`,
      { execArgv: ['--expose-gc'], ns: await isolated() },
    ),
    0,
  );
  expect(stdout).toBe('true\n');
});

test('an addon that only workers loaded outlives the last of them, and is loaded again by whoever comes', async () => {
  const { stdout } = await expectEnd(
    child(
      `${WORKER}
      const codes = [];
      for (const body of [
        "const kernel = await Kernel.open({ fresh: true }); await churn(kernel); await kernel.close();",
        "globalThis.kernel = await Kernel.open({ fresh: true }); await kernel.watch('all', () => {}); await churn(kernel);",
      ]) codes.push(...await Promise.all([ended(work(body)), ended(work(body))]));
      const kernel = await Kernel.open({ fresh: true });
      await churn(kernel);
      await kernel.close();
      console.log(codes.join());`,
    ),
    0,
  );
  expect(stdout).toBe('0,0,0,0\n');
});

test('many handles at once, each in its own namespace', async () => {
  const { stdout } = await expectEnd(
    child(`const kernels = await Promise.all(Array.from({ length: 50 }, () => Kernel.open({ fresh: true })));
      const steps = kernels.map(create);
      await Promise.all(kernels.map((kernel, n) => run(kernel, steps[n])));
      const seen = await Promise.all(kernels.map((kernel) => kernel.links()));
      console.log(seen.every((links, n) => links.length >= 2 && links.filter(({ alias }) => alias === 'x').length === 1 && links.some(({ ifname }) => ifname === steps[n].ifname)));
      await Promise.all(kernels.map((kernel) => kernel.close()));`),
    0,
  );
  expect(stdout).toBe('true\n');
});

test('where no more threads can be had, calls are refused and the process lives', async () => {
  expect(existsSync('/usr/bin/prlimit')).toBe(true);
  // As another user: root's processes are not counted against a limit.
  const body = `
    const { spawnSync } = require('node:child_process');
    const { KernelHandle } = require(process.env.SNNET_ADDON || './build/Release/snnet.node');
    spawnSync('prlimit', ['--pid', String(process.pid), '--nproc=1']);
    process.setgroups([]); process.setuid(65534);
    const handle = new KernelHandle(() => {});
    const reply = await handle.open('', false);
    const ran = await handle.run('{"steps":[]}');
    const closed = await handle.close();
    console.log(reply.error.name, ran.error.name, JSON.stringify(closed));`;
  const { stdout } = await expectEnd(child(body), 0);
  expect(stdout).toBe('EAGAIN EBADF {}\n');
});

/** A namespace for a child that changes links in its own. */
async function isolated(): Promise<Bed['ns']> {
  shared ??= await Bed.open({ shared: true });
  return shared.ns;
}
let shared: Bed | undefined;
afterAll(() => shared?.close());
