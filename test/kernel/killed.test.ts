/** A process that dies in the middle of a plan leaves whole steps, and never half a tap. */
import type { Step } from '#lib/plan/index';
import { NodeChild, runChild } from '../support/child';
import { Bed, doomed } from './helpers/bed';

const BRIDGE = 0x1100_0001;
const TAP = 0x1100_0004;

describe('killed at any moment', () => {
  const script = `
    const { Kernel } = require('./dist/kernel');
    const { makePlan } = require('./dist/plan');
    const [steps, fault] = JSON.parse(process.argv[1]);
    (async () => {
      const kernel = await Kernel.open({ fault: () => fault });
      await kernel.run(makePlan('test', steps));
      process.send('survived');
    })();`;

  function steps(): Step[] {
    return [
      { op: 'link.create', kind: 'bridge', ifname: 'k0', ifindex: BRIDGE, alias: 'b', up: true },
      {
        op: 'tap.create',
        ifname: 'k1',
        ifindex: TAP,
        master: BRIDGE,
        alias: 'x',
        queues: 1,
        handOut: false,
        up: true,
      },
      { op: 'link.create', kind: 'bridge', ifname: 'k2', ifindex: BRIDGE + 0x100, alias: 'c' },
      { op: 'sysctl.set', name: 'net/ipv4/ip_forward', value: '1' },
      { op: 'link.create', kind: 'bridge', ifname: 'k4', ifindex: BRIDGE + 0x200, alias: 'd' },
      {
        op: 'tap.create',
        ifname: 'k5',
        ifindex: TAP + 0x100,
        alias: 'y',
        queues: 1,
        handOut: false,
      },
      { op: 'link.delete', links: [doomed(BRIDGE + 0x100, 'k2', 'c')] },
    ];
  }
  /** The links that a crash may leave: those of the steps done, taps only of a segment that is complete. */
  const LEFT: readonly (readonly [number, 'before' | 'after', readonly string[]])[] = [
    [0, 'before', []],
    [0, 'after', ['k0']],
    [1, 'before', ['k0']],
    [1, 'after', ['k0']],
    [2, 'before', ['k0']],
    [2, 'after', ['k0', 'k2']],
    [3, 'before', ['k0', 'k1', 'k2']],
    [3, 'after', ['k0', 'k1', 'k2']],
    [4, 'before', ['k0', 'k1', 'k2']],
    [4, 'after', ['k0', 'k1', 'k2', 'k4']],
    [5, 'before', ['k0', 'k1', 'k2', 'k4']],
    [5, 'after', ['k0', 'k1', 'k2', 'k4']],
    [6, 'before', ['k0', 'k1', 'k2', 'k4', 'k5']],
    [6, 'after', ['k0', 'k1', 'k4', 'k5']],
  ];

  test('there are whole steps, no half-made tap, and aliases on all', async () => {
    // A child costs a guest seconds.
    const guest = process.env['SNNET_GUEST'] !== undefined;
    const cases = guest ? LEFT.filter(([step]) => step === 1 || step === 5) : LEFT;
    for (const [step, kill, left] of cases) {
      await using bed = await Bed.open();
      const args = [JSON.stringify([steps(), { step, kill }])];
      const { signal, messages } = await runChild({ code: script }, { ns: bed.ns, args });
      expect([step, kill, signal, messages]).toEqual([step, kill, 'SIGKILL', []]);
      const rows = (await bed.kernel.links()).filter(({ ifname }) => /^k\d/.test(ifname));
      expect([step, kill, rows.map(({ ifname }) => ifname).sort()]).toEqual([step, kill, left]);
      expect(rows.every(({ alias }) => alias !== '')).toBe(true);
    }
  }, 120_000);

  test('a real kill finds all or nothing of what goes in one send', async () => {
    await using bed = await Bed.open();
    const many = Array.from({ length: 100 }, (_, n): Step => ({
      op: 'link.create',
      kind: 'bridge',
      ifname: `m${n}`,
      ifindex: 0x1500_0000 + n,
      alias: 'm',
    }));
    await using child = new NodeChild(
      { code: script },
      { ns: bed.ns, args: [JSON.stringify([many])] },
    );
    while (!(await bed.names()).includes('m0')) {
      if (child.messages.length > 0) break;
    }
    await child.kill();
    const rows = (await bed.kernel.links()).filter(({ alias }) => alias === 'm');
    expect(rows).toHaveLength(100);
  });
});
