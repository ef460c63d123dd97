/** Deleting: in groups, answered early, never a stranger's link, bridges behind the caller's back. */
import type { LinkDelete, Step } from '#lib/plan/index';
import { PACKAGE_ROOT } from '../support/child';
import { isFallbackLink } from '../support/leaks';
import { ipLink, ipLinks } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, run } from '../support/run';
import { Bed, doomed, rejection } from './helpers/bed';

const BASE = 0x2000_0000;

function deletion(...links: LinkDelete['links']): LinkDelete {
  return { op: 'link.delete', links };
}

async function timed<T>(work: Promise<T>): Promise<[number, T]> {
  const start = performance.now();
  const result = await work;
  return [performance.now() - start, result];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

test('what somebody else gave another alias is refused, and so is all that was to go with it', async () => {
  await using bed = await Bed.open();
  await bed.ipBatch([
    'link add mine index 100 type bridge',
    'link set mine alias ours',
    'link add other index 101 type bridge',
    'link set other alias theirs',
  ]);
  const before = await bed.picture();
  const error = await rejection(
    bed.run([deletion(doomed(100, 'mine', 'ours'), doomed(101, 'other', 'ours'))]),
  );
  expect(error).toMatchObject({ code: 'SNNET_LINK_FOREIGN', cause: { name: 'ESTALE' } });
  expect(error.message).toContain('theirs');
  expect(await bed.picture()).toBe(before);
});

test('what is gone already is told as absent', async () => {
  await using bed = await Bed.open();
  await bed.ip('link add here index 100 type bridge');
  const { absent } = await bed.run([deletion(doomed(100, 'here'), doomed(101, 'gone', 'x'))]);
  expect(absent).toEqual([101]);
  expect(await bed.names()).not.toContain('here');
});

test('what was renamed is still ours by its alias; a name without alias must fit', async () => {
  await using bed = await Bed.open();
  await bed.ipBatch([
    'link add new-name index 100 type bridge',
    'link set new-name alias ours',
    'link add nameless index 101 type bridge',
  ]);
  await bed.run([deletion(doomed(100, 'old-name', 'ours'))]);
  expect(await bed.names()).not.toContain('new-name');
  expect(await rejection(bed.run([deletion(doomed(101, 'somebody'))]))).toMatchObject({
    code: 'SNNET_LINK_FOREIGN',
  });
  await bed.run([deletion(doomed(101, 'nameless', 'an alias that never came'))]);
  expect(await bed.names()).toEqual(expect.not.arrayContaining(['nameless']));
});

test('a link that the kernel will not delete fails its own deletion only, and keeps its group', async () => {
  await using bed = await Bed.open();
  await bed.ip('link set lo group 7');
  const others = Array.from({ length: 20 }, (_, n) => n);
  await bed.ipBatch(
    others.map((n) => `link add t${n} index ${1000 + n} type veth peer name u${n}`),
  );
  const links = others.map((n) => doomed(1000 + n, `t${n}`));
  links.splice(10, 0, doomed(1, 'lo'));
  const outcomes = await Promise.allSettled(links.map((link) => bed.run([deletion(link)])));
  expect(
    outcomes.map(({ status }, n) => (status === 'rejected' ? n : -1)).filter((n) => n >= 0),
  ).toEqual([10]);
  expect(await bed.row('lo')).toMatchObject({ group: 7 });
  expect((await bed.names()).filter((name) => /^[tu]\d/.test(name))).toEqual([]);
});

test('a thousand links go in a moment', async () => {
  await using bed = await Bed.open();
  const count = process.env['SNNET_GUEST'] === undefined ? 1000 : 200;
  const numbers = Array.from({ length: count }, (_, n) => n);
  await bed.ipBatch(
    numbers.map((n) => `link add t${n} index ${10_000 + n} type veth peer name u${n}`),
  );
  const links = numbers.map((n) => doomed(10_000 + n, `t${n}`));
  const [ms] = await timed(bed.run([deletion(...links)]));
  expect(await bed.names()).toHaveLength(1);
  // One by one, with the wait of each, it would be 15 s.
  expect(ms).toBeLessThan(10_000 * patience);
}, 120_000);

test('200 deletions at once are each answered, and nothing is left', async () => {
  await using bed = await Bed.open();
  const numbers = Array.from({ length: 200 }, (_, n) => n);
  await bed.ipBatch(
    numbers.map((n) => `link add t${n} index ${10_000 + n} type veth peer name u${n}`),
  );
  const [ms, results] = await timed(
    Promise.all(numbers.map((n) => bed.run([deletion(doomed(10_000 + n, `t${n}`))]))),
  );
  expect(results.every(({ absent }) => absent.length === 0)).toBe(true);
  expect(await bed.names()).toHaveLength(1);
  // One by one, with the wait of each, it would be 3 s.
  expect(ms).toBeLessThan(2500 * patience);
}, 120_000);

test('who deletes is answered when the link is gone, not when the kernel has done waiting', async () => {
  await using bed = await Bed.open();
  const times = { ours: [] as number[], ip: [] as number[] };
  for (let n = 0; n < 30; ++n) {
    const ifname = `t${n}`;
    await bed.run([{ op: 'tap.create', ifname, ifindex: BASE + n, queues: 1, handOut: false }]);
    const who = n % 2 === 0 ? 'ours' : 'ip';
    const [ms] = await timed<unknown>(
      who === 'ours'
        ? bed.run([deletion(doomed(BASE + n, ifname))])
        : bed.ip(`link delete ${ifname}`),
    );
    times[who].push(ms);
    expect(await bed.names()).not.toContain(ifname);
  }
  // Who waits as `ip` does waits 12 to 16 ms for each.
  expect(median(times.ours)).toBeLessThan(median(times.ip));
});

describe('a bridge is retired', () => {
  const bridge = (n: number): Step => ({
    op: 'link.create',
    kind: 'bridge',
    ifname: `br${n}`,
    ifindex: BASE + n,
    alias: `bridge ${n}`,
    up: true,
  });
  const port = (n: number): Step => ({
    op: 'tap.create',
    ifname: `tap${n}`,
    ifindex: BASE + 1000 + n,
    alias: `port ${n}`,
    master: BASE + n,
    up: true,
    queues: 1,
    handOut: false,
  });
  const retirement = (n: number): LinkDelete => ({
    op: 'link.delete',
    links: [doomed(BASE + 1000 + n, `tap${n}`, `port ${n}`)],
    retire: [{ ...doomed(BASE + n, `br${n}`, `bridge ${n}`), trashName: `trash${n}` }],
  });

  test('its name and alias are free at once, and it is gone when the kernel has settled', async () => {
    await using bed = await Bed.open();
    await bed.run([bridge(1), port(1)]);
    await bed.run([retirement(1)]);
    const names = await bed.names();
    expect(names).not.toContain('tap1');
    expect(names).not.toContain('br1');
    const trash = (await bed.kernel.links()).find(({ ifindex }) => ifindex === BASE + 1);
    if (trash !== undefined) expect(trash).toMatchObject({ ifname: 'trash1', alias: 'trash' });
    await bed.run([{ ...bridge(1), ifindex: BASE + 500 } as Step]);
    await bed.kernel.settle();
    expect((await bed.names()).sort()).toEqual(['br1', 'lo']);
  });

  test('a burst is not held up by the bridges of those before', async () => {
    await using bed = await Bed.open();
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    const retireAll = async (after: () => Promise<void>): Promise<number> => {
      for (const n of numbers) await bed.run([bridge(n), port(n)]);
      const [ms] = await timed(
        (async () => {
          for (const n of numbers) {
            await bed.run([retirement(n)]);
            await after();
          }
        })(),
      );
      await bed.kernel.settle();
      return ms;
    };
    const burst = await retireAll(() => Promise.resolve());
    // Some 17 ms for each bridge.
    expect(burst).toBeLessThan(await retireAll(() => bed.kernel.settle()));
    expect(await bed.names()).toEqual(['lo']);
  }, 60_000);

  test('closing does not leave it behind', async () => {
    await using bed = await Bed.open();
    await bed.run([bridge(1), port(1)]);
    await bed.run([retirement(1)]);
    await bed.kernel.close();
    const left = (await ipLinks(bed.ns)).map(({ ifname }) => ifname);
    expect(left.filter((name) => !isFallbackLink(name))).toEqual(['lo']);
  });

  test('of a name that is taken it is not made trash, and settling says so', async () => {
    await using bed = await Bed.open();
    await bed.ip('link add trash1 type bridge');
    await bed.run([bridge(1)]);
    const retire = retirement(1).retire ?? [];
    const outcome = await bed.run([{ op: 'link.delete', links: [], retire }]).then(
      () =>
        bed.kernel.settle().then(
          () => 'fine',
          () => 'told late',
        ),
      () => 'told at once',
    );
    expect(outcome).toMatch(/^told/);
    expect((await ipLink(bed.ns, 'br1')).ifalias).toBe('bridge 1');
  });
});

test('a deletion is not overtaken, nor does it overtake what was asked before it', async () => {
  await using bed = await Bed.open();
  for (let n = 0; n < 20; ++n) {
    const create = bed.run([{ op: 'link.create', kind: 'bridge', ifname: 'b', ifindex: BASE + n }]);
    const remove = bed.run([deletion(doomed(BASE + n, 'b'))]);
    await create;
    expect((await remove).absent).toEqual([]);
  }
  expect(await bed.names()).toEqual(['lo']);
});

test('settle waits for what was asked before it, and only for that', async () => {
  await using bed = await Bed.open();
  const [ms] = await timed(bed.kernel.settle());
  expect(ms).toBeLessThan(5000);
  const steps: Step[] = [
    { op: 'link.create', kind: 'bridge', ifname: 'b', ifindex: BASE, alias: 'b' },
    { op: 'link.delete', links: [], retire: [{ ...doomed(BASE, 'b', 'b'), trashName: 'tr' }] },
  ];
  const running = bed.run(steps);
  await bed.kernel.settle();
  expect(await bed.names()).toEqual(['lo']);
  await running;
});

needs('strace', 'vxlan')(
  'bridge, tunnel and tap, aliased and joined, go down in one send, and only the tap comes up after',
  async () => {
    await using bed = await Bed.open();
    const code = `
    const { Kernel } = require('./dist/kernel');
    const { makePlan } = require('./dist/plan');
    const up = { up: true, ipv6LinkLocal: false };
    (async () => {
      const kernel = await Kernel.open();
      await kernel.run(makePlan('test', [
        { op: 'link.create', kind: 'bridge', ifname: 'b', ifindex: 301, alias: 'b', ...up, address: '02:00:00:00:00:01' },
        { op: 'link.create', kind: 'vxlan', ifname: 'v', ifindex: 302, alias: 'v', ...up, master: 301, data: { vni: 1, port: 4789 } },
        { op: 'tap.create', ifname: 't', ifindex: 303, alias: 't', ...up, master: 301, queues: 1, handOut: false },
      ]));
      await kernel.close();
    })();`;
    // Inside the namespace: strace asks there which protocol a socket speaks.
    const strace = ['strace', '-f', '-qq', '-e', 'trace=sendmsg,sendto'];
    const argv = ['nsenter', `--net=${bed.ns.path}`, ...strace, process.execPath, '-e', code];
    const { stderr } = await run(argv, { cwd: PACKAGE_ROOT, timeoutMs: 60_000 * patience });
    const lines = stderr.split('\n');
    const sends = lines.filter(
      (line) => line.includes('RTM_NEWLINK') || line.includes('RTM_SETLINK'),
    );
    expect(sends).toHaveLength(2);
    expect(sends[0]?.match(/nlmsg_type=/g)).toHaveLength(7);
    expect(sends[1]?.match(/nlmsg_type=/g)).toHaveLength(1);
    expect(sends[1]).toMatch(/RTM_SETLINK.*ifi_flags=IFF_UP/);
    for (const name of ['b', 'v', 't']) expect((await ipLink(bed.ns, name)).ifalias).toBe(name);
    expect((await ipLink(bed.ns, 't')).master).toBe('b');
  },
);
