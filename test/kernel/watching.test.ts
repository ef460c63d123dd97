/** What is read is true, whatever changes meanwhile; and what changes is heard. */
import type { LinkEvent } from '#lib/kernel/index';
import type { Step } from '#lib/plan/index';
import { NodeChild } from '../support/child';
import { ipLinks } from '../support/oracle';
import { patience, until } from '../support/run';
import { Bed, doomed, rejection } from './helpers/bed';

const BASE = 0x2100_0000;

function veth(n: number): Step {
  return {
    op: 'link.create',
    kind: 'veth',
    ifname: `s${n}`,
    ifindex: BASE + n,
    alias: `stable ${n}`,
    peer: { ifname: `p${n}`, ifindex: BASE + 10_000 + n },
  };
}

/** Makes and removes links until it is killed, as fast as one process can. */
const CHURN = `
  const { spawn } = require('node:child_process');
  const ip = spawn('ip', ['-force', '-batch', '-'], { stdio: ['pipe', 'ignore', 'inherit'] });
  let n = 0;
  const write = () => {
    let more = true;
    while (more) {
      n = (n + 1) % 50;
      more = ip.stdin.write('link add c' + n + ' type bridge\\nlink delete c' + n + '\\n');
    }
    ip.stdin.once('drain', write);
  };
  write();
  process.send('going');`;

test('a dump while links come and go has every link that stays', async () => {
  await using bed = await Bed.open();
  const count = process.env['SNNET_GUEST'] === undefined ? 300 : 60;
  const stable = Array.from({ length: count }, (_, n) => n);
  await bed.run(stable.map(veth));
  await using churn = new NodeChild({ code: CHURN }, { ns: bed.ns });
  await churn.waitForMessages(1);
  const wanted = stable.flatMap((n) => [BASE + n, BASE + 10_000 + n]);
  for (let round = 0; round < 30; ++round) {
    const rows = await bed.kernel.links();
    const indexes = new Set(rows.map(({ ifindex }) => ifindex));
    expect(wanted.filter((ifindex) => !indexes.has(ifindex))).toEqual([]);
    expect(indexes.size).toBe(rows.length);
  }
  await churn.kill();
}, 120_000);

test('a dump agrees with what ip sees', async () => {
  await using bed = await Bed.open();
  await bed.run([veth(1), veth(2)]);
  const seen = (await ipLinks(bed.ns)).map(({ ifindex, ifname, mtu, address, ifalias }) => ({
    ifindex,
    ifname,
    mtu,
    // Some tunnels that the kernel itself makes show an IP address there.
    ...(address?.length === 17 && { address }),
    alias: ifalias ?? '',
  }));
  const rows = await bed.kernel.links();
  expect(rows).toHaveLength(seen.length);
  for (const link of seen) expect(rows).toContainEqual(expect.objectContaining(link));
});

/** Listens and keeps what it hears. */
async function listen(bed: Bed, interest: 'all' | 'deletions') {
  const events: LinkEvent[] = [];
  const stop = await bed.kernel.watch(interest, (batch) => events.push(...batch));
  const heard = (type: LinkEvent['type'], ifname = '') =>
    events.some(
      (event) => event.type === type && (event.type === 'resync' || event.link.ifname === ifname),
    );
  return { events, stop, heard };
}

test('what others change is heard: new, changed, gone', async () => {
  await using bed = await Bed.open();
  const { events, stop, heard } = await listen(bed, 'all');
  await bed.ip('link add theirs type bridge');
  // The kernel announces a new alias only of a link that is up.
  await bed.ip('link set theirs up');
  await bed.ip('link set theirs alias something');
  await bed.ip('link delete theirs');
  expect(await until(() => heard('gone', 'theirs'), 5000 * patience)).toBe(true);
  expect(heard('changed', 'theirs')).toBe(true);
  expect(events.some((event) => event.type === 'changed' && event.link.alias === 'something')).toBe(
    true,
  );
  await stop();
  const before = events.length;
  await bed.ip('link add unheard type bridge');
  await bed.kernel.links();
  expect(events).toHaveLength(before);
});

test('who wants deletions hears nothing else, until somebody wants all', async () => {
  await using bed = await Bed.open();
  const deletions = await listen(bed, 'deletions');
  await bed.ip('link add one type bridge');
  await bed.ip('link delete one');
  expect(await until(() => deletions.heard('gone', 'one'), 5000 * patience)).toBe(true);
  expect(deletions.events.every(({ type }) => type === 'gone')).toBe(true);
  const all = await listen(bed, 'all');
  await bed.ip('link add two type bridge');
  expect(await until(() => all.heard('changed', 'two'), 5000 * patience)).toBe(true);
  await all.stop();
  await bed.ip('link add three type bridge');
  await bed.ip('link delete two');
  expect(await until(() => deletions.heard('gone', 'two'), 5000 * patience)).toBe(true);
  expect(deletions.heard('changed', 'three')).toBe(false);
  await deletions.stop();
});

test('deletions of our own are answered and heard, whoever listens', async () => {
  await using bed = await Bed.open();
  await bed.run([veth(1)]);
  const { stop, heard } = await listen(bed, 'deletions');
  await bed.run([{ op: 'link.delete', links: [doomed(BASE + 1, 's1', 'stable 1')] }]);
  expect(await until(() => heard('gone', 's1') && heard('gone', 'p1'), 5000 * patience)).toBe(true);
  await stop();
});

test('a listener that comes too late for all there was is told to read anew', async () => {
  await using bed = await Bed.open();
  const { events, stop, heard } = await listen(bed, 'all');
  await bed.ip('link add busy up type bridge');
  await until(() => heard('changed', 'busy'), 5000 * patience);
  events.length = 0;
  const ifindex = (await bed.row('busy')).ifindex;
  // 20,000 changes while nothing is delivered: the promises settle when the loop is free again.
  const rounds = Array.from({ length: 40 }, (_, round) =>
    bed.run(
      Array.from({ length: 500 }, (__, n): Step => ({
        op: 'link.set',
        ifindex,
        alias: `${round}.${n}`,
      })),
    ),
  );
  const blockedUntil = Date.now() + 4000 * patience;
  while (Date.now() < blockedUntil) {
    // The loop is blocked on purpose.
  }
  await Promise.all(rounds);
  await bed.ip('link set busy alias last');
  const isCurrent = () =>
    events.some((event) => event.type === 'changed' && event.link.alias === 'last');
  expect(await until(isCurrent, 10_000 * patience)).toBe(true);
  expect(heard('resync')).toBe(true);
  // Bounded, however long the loop was blocked.
  expect(events.length).toBeLessThan(20_000);
  await stop();
}, 120_000);

test('who does not listen any more costs nothing, and a closed kernel has nothing to watch', async () => {
  await using bed = await Bed.open();
  const { stop } = await listen(bed, 'all');
  await stop();
  await stop();
  await bed.kernel.close();
  const error = await rejection(bed.kernel.watch('all', () => undefined));
  expect(error).toMatchObject({ code: 'SNNET_HANDLE_CLOSED' });
});
