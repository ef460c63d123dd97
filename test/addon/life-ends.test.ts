/** How processes and their worker threads end, whatever a handle is doing; and what closing one gives back. */
import { child, expectEnd, WORKER } from './life-child';

/** What a process may be doing when it ends. */
const STATES = {
  opening: 'Kernel.open({ fresh: true }).catch(() => {});',
  'changing links': 'busy(await Kernel.open({ fresh: true }));',
  'reading everything': `const kernel = await Kernel.open({ fresh: true });
    for (let n = 0; n < 9; ++n) (async () => { for (;;) await kernel.links(); })().catch(() => {});`,
  'reading and changing nftables': `const kernel = await Kernel.open({ fresh: true });
    const table = (op) => ({ op, family: 'inet', table: 'x' });
    await kernel.watchNft(() => {});
    (async () => { for (;;) { await run(kernel, { op: 'nft', commands: [table('table.add')] });
      await kernel.nft('inet', 'x'); await run(kernel, { op: 'nft', commands: [table('table.delete')] }); } })().catch(() => {});`,
  watching: `const kernel = await Kernel.open({ fresh: true }); await kernel.watch('all', () => {}); busy(kernel);`,
  closing: `const kernel = await Kernel.open({ fresh: true }); busy(kernel); await sleep(20); void kernel.close();`,
  closed: `const kernel = await Kernel.open({ fresh: true }); await churn(kernel); await kernel.close();`,
} as const;
/** How it ends, and with what status. */
const ENDS = [
  ['process.exit(7)', 7],
  ["Promise.reject(new Error('nobody'))", 1],
] as const;

test.each(Object.entries(STATES))(
  'ended while %s: in the main thread and in a worker, by itself and by force',
  async (_, state) => {
    const later = (end: string, ms: number): string =>
      `${state} setTimeout(() => { ${end}; }, ${ms});`;
    const inMain = ENDS.flatMap(([end, status]) => [
      [later(end, 2), status] as const,
      [later(end, 25), status] as const,
    ]);
    const inWorker = ['process.exit(7)', 'null.x'].map(
      (end) =>
        `${WORKER} const worker = work(${JSON.stringify(later(end, 25))});
        worker.on('error', () => {}); await ended(worker);`,
    );
    const terminated = `${WORKER} const worker = work(${JSON.stringify(later('', 60_000))});
      await new Promise((resolve) => worker.once('online', resolve)); await sleep(40); await worker.terminate();`;
    const all = [...inMain, ...[...inWorker, terminated].map((body) => [body, 0] as const)];
    await Promise.all(all.map(([body, status]) => expectEnd(child(body), status)));
  },
  60_000,
);

test('whatever a handle was used for, closing it gives back every descriptor and thread', async () => {
  const { stdout } = await expectEnd(
    child(
      `const round = async () => {
        const kernel = await Kernel.open({ fresh: true });
        const stop = await kernel.watch('all', () => {});
        const stopNft = await kernel.watchNft(() => {});
        await churn(kernel);
        await run(kernel, { op: 'nft', commands: [{ op: 'table.add', family: 'inet', table: 'x' }] });
        await kernel.nft('inet', 'x');
        await Promise.all([kernel.links(), kernel.addresses(), kernel.routes(), kernel.neighbours(), kernel.forwardingEntries(), kernel.conntrack(), kernel.nftTables()]);
        await kernel.readSysctl('net/ipv4/ip_forward').catch(() => {});
        await run(kernel, { op: 'link.set', ifindex: 9999, up: true, before: { up: false } }).catch(() => {});
        if (stop) await stop();
        await kernel.close();
      };
      for (let n = 0; n < 5; ++n) await round();
      const before = [threads(), fds()];
      for (let n = 0; n < 30; ++n) await round();
      await quiet(() => threads() <= before[0] && fds() <= before[1]);
      console.log(threads() - before[0], fds() - before[1]);`,
      { timeoutMs: 60_000 },
    ),
    0,
  );
  expect(stdout).toBe('0 0\n');
}, 70_000);
