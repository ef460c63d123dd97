import { SILENT_LOGGER } from '#lib/model/index';
import type { Finding } from '#lib/topology/index';
import { Healer } from '#lib/watch/index';
import type { GaveUpEvent, Mended } from '#lib/watch/index';

const down: Finding = {
  type: 'down',
  text: 'svn_1 is down',
  link: { linkName: 'svn_1', ifIndex: 1, alias: 'a' },
  subnet: 's1',
  remedy: 'reattach',
};
const orphan: Finding = { ...down, type: 'orphan', remedy: 'remove' };
const foreign: Finding = { ...down, type: 'foreign', remedy: 'none' };
const UNDONE = 'it was mended, and undone again and again';

/** A world in which things are out of order until they are mended. */
class World {
  findings: Finding[] = [];
  looks = 0;
  readonly mended: Finding[] = [];
  readonly told: GaveUpEvent[] = [];
  /** What mending comes to. */
  treat: (due: readonly Finding[]) => Mended = (due) => {
    this.findings = this.findings.filter((finding) => !due.includes(finding));
    return { repaired: due, left: [] };
  };
  readonly healer = new Healer(
    {
      findings: () => {
        this.looks += 1;
        return Promise.resolve(this.findings);
      },
      mend: (isDue) => {
        const due = this.findings.filter(isDue);
        this.mended.push(...due);
        return Promise.resolve(this.treat(due));
      },
      tenantOf: () => 'alpha',
    },
    SILENT_LOGGER,
    (event) => this.told.push(event),
  );

  disturb(...findings: Finding[]): void {
    this.findings = findings;
    this.healer.wake();
  }
}

const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test('what stays out of order is mended; before anything is removed it waits longer', async () => {
  const world = new World();
  world.healer.start();
  world.disturb(down, orphan);
  await pass(150);
  expect(world.mended).toEqual([]);
  await pass(250);
  expect(world.mended).toEqual([down]);
  await pass(1000);
  expect(world.mended).toEqual([down]);
  await pass(1500);
  expect(world.mended).toEqual([down, orphan]);
  const { looks } = world;
  await pass(60_000);
  // Nobody looks while nothing happens and nothing is to come.
  expect(world.looks - looks).toBeLessThan(3);
  world.healer.stop();
});

test('what is put right meanwhile, or is for a person to decide, is left alone', async () => {
  const world = new World();
  world.healer.start();
  world.disturb(down, foreign);
  await pass(150);
  world.disturb(foreign);
  await pass(10_000);
  expect(world.mended).toEqual([]);
  world.healer.stop();
});

test('who undoes it again and again is given up on, once, and found in order is healed again', async () => {
  const world = new World();
  world.healer.start();
  world.treat = (due) => {
    // At once somebody undoes it, and that is heard.
    setTimeout(() => world.healer.wake(), 1);
    return { repaired: due, left: [] };
  };
  world.disturb(down);
  await pass(30_000);
  expect(world.mended).toHaveLength(5);
  expect(world.told).toEqual([
    {
      type: 'gave-up',
      findings: [down],
      attempts: 5,
      reason: UNDONE,
      subnet: 's1',
      tenantId: 'alpha',
    },
  ]);
  world.disturb(down);
  await pass(60_000);
  expect(world.mended).toHaveLength(5);
  world.disturb();
  await pass(60_000);
  world.disturb(down);
  await pass(1000);
  expect(world.mended.length).toBeGreaterThan(5);
  world.healer.stop();
});

test('what cannot be mended is given up with the reason; other subnets go on', async () => {
  const world = new World();
  const other = { ...down, subnet: 's2' };
  world.treat = (due) => {
    const repaired = due.filter(({ subnet }) => subnet === 's2');
    world.findings = world.findings.filter((finding) => !repaired.includes(finding));
    const left = due.filter(({ subnet }) => subnet === 's1');
    return { repaired, left: left.map((finding) => ({ finding, reason: 'its key is unknown' })) };
  };
  world.healer.start();
  world.disturb(down);
  await pass(30_000);
  expect(world.told).toMatchObject([{ reason: 'its key is unknown', subnet: 's1' }]);
  world.disturb(down, other);
  await pass(1000);
  expect(world.mended.at(-1)).toBe(other);
  expect(world.told).toHaveLength(1);
  world.healer.stop();
});

test('a look that fails is repeated, and who stops looks no more', async () => {
  const world = new World();
  const treat = world.treat;
  let failures = 2;
  world.treat = (due) => {
    failures -= 1;
    if (failures >= 0) throw new Error('the kernel is busy');
    return treat(due);
  };
  world.healer.start();
  world.disturb(down);
  await pass(5000);
  expect(world.findings).toEqual([]);
  world.healer.stop();
  const { looks } = world;
  world.disturb(down);
  await pass(5000);
  expect(world.looks).toBe(looks);
});

test('however much happens, it looks at most ten times a second', async () => {
  const world = new World();
  world.healer.start();
  for (let n = 0; n < 1000; n += 1) {
    world.healer.wake();
    await pass(1);
  }
  expect(world.looks).toBeLessThan(12);
  world.healer.stop();
});
