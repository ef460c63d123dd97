/**
 * Everything that crosses threads, at once, for a few seconds: what ThreadSanitizer looks at
 * (`node scripts/test-asan.mjs thread`). Not a test of jest: node is not built for that sanitizer.
 */
import { Kernel } from '#lib/kernel/index';
import { makePlan } from '#lib/plan/index';
import type { Step } from '#lib/plan/index';

const SECONDS = Number(process.argv[2] ?? 10);
let next = 0x1000_0000;

function steps(): [Step[], Step] {
  const index = (next += 3);
  const alias = `x${index}`;
  const up = { up: true, ipv6LinkLocal: false } as const;
  const [bridge, tap] = [`b${index}`, `t${index}`];
  return [
    [
      { op: 'link.create', kind: 'bridge', ifname: bridge, ifindex: index, alias, ...up },
      {
        op: 'tap.create',
        ifname: tap,
        ifindex: index + 1,
        master: index,
        alias,
        queues: 1,
        handOut: false,
        ...up,
      },
    ],
    {
      op: 'link.delete',
      links: [{ ifindex: index + 1, ifname: tap, alias }],
      retire: [{ ifindex: index, ifname: bridge, alias, trashName: `r${index}` }],
    },
  ];
}

async function liveOnce(kernel: Kernel): Promise<void> {
  const [create, remove] = steps();
  await kernel.run(makePlan('stress', create));
  await kernel.run(makePlan('stress', [remove]));
}

async function refuse(kernel: Kernel): Promise<void> {
  const [create, remove] = steps();
  await kernel.run(makePlan('stress', create));
  const foreign = { ifindex: 1, ifname: 'lo', alias: 'not its alias' };
  const plan = makePlan('stress', [
    { op: 'sysctl.set', name: 'net/ipv4/ip_forward', value: '1', before: '0' },
    { op: 'link.delete', links: [foreign] },
  ]);
  await kernel.run(plan).catch(() => undefined);
  await kernel.run(makePlan('stress', [remove]));
}

async function handle(until: number): Promise<number> {
  let rounds = 0;
  while (Date.now() < until) {
    const kernel = await Kernel.open({ fresh: true });
    const stop = await kernel.watch('all', () => (rounds += 1));
    const work = Array.from({ length: 6 }, async (_, n) => {
      for (let round = 0; round < 5; ++round) await (n === 0 ? refuse(kernel) : liveOnce(kernel));
    });
    const reading = (async () => {
      for (let round = 0; round < 10; ++round) await kernel.links();
    })();
    await Promise.all([...work, reading]);
    await Promise.all([stop(), kernel.settle()]);
    await Promise.all([liveOnce(kernel).catch(() => undefined), kernel.close()]);
  }
  return rounds;
}

async function main(): Promise<void> {
  const until = Date.now() + SECONDS * 1000;
  const heard = await Promise.all([handle(until), handle(until), handle(until)]);
  console.log(`heard ${heard.join(' ')} times`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
