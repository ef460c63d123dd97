/** Changes of nftables: what is written is what `nft` lists; all of a transaction, or nothing. */
import { APIError, KernelError } from '#lib/errors/index';
import { Kernel } from '#lib/kernel/index';
import type { NftSetRow } from '#lib/kernel/index';
import { makePlan } from '#lib/plan/index';
import type { Fault, NftCommand, NftExpression, Step } from '#lib/plan/index';
import { runChild } from '../support/child';
import { needs } from '../support/reasons';
import { Bed, rejection } from './helpers/bed';
import { EVERYTHING, RULES } from './helpers/nft-everything';
import {
  elementsOf,
  forward,
  nft,
  portEntries,
  portMap,
  ports,
  rule,
  ruleset,
  sorted,
  T,
  table,
  transaction,
} from './helpers/nft';

const it = needs('nftables');

it('everything that a step can say, nft lists as meant', async () => {
  await using bed = await Bed.open();
  await bed.run([transaction(...EVERYTHING)]);
  const lines = await ruleset(bed.ns);
  expect(lines).toEqual(
    expect.arrayContaining([
      'type filter hook forward priority filter; policy accept;',
      'type filter hook forward priority mangle; policy drop;',
      'type nat hook prerouting priority dstnat; policy accept;',
      'type nat hook postrouting priority srcnat; policy accept;',
      'type inet_service : verdict',
      'type inet_proto . inet_service : ipv4_addr . inet_service',
      'flags constant',
    ]),
  );
  for (const [n, [, , words]] of RULES.entries()) {
    const comment = ` comment "rule ${n}"`;
    const line = lines.find((one) => one.endsWith(comment))?.slice(0, -comment.length);
    if (typeof words === 'string') expect(line).toBe(words);
    else expect(line).toMatch(words);
  }
  expect(await elementsOf(bed.ns, 'names')).toEqual(['eth0', 'eth1']);
  expect(await elementsOf(bed.ns, 'fixed')).toEqual([42]);
  expect(new Set(await elementsOf(bed.ns, 'services', true))).toEqual(
    new Set([
      [22, { drop: null }],
      [80, { jump: { target: 'last' } }],
    ]),
  );
  expect(await elementsOf(bed.ns, 'ports', true)).toHaveLength(2);
});

it('what is written is read back as it was written', async () => {
  await using bed = await Bed.open();
  await bed.run([transaction(...EVERYTHING)]);
  const state = await bed.kernel.nft('inet', 'ours');
  if (state === undefined) throw new Error('there is no table');
  const made = EVERYTHING.flatMap((command) => (command.op === 'chain.add' ? [command] : []));
  expect(state.chains.map(({ chain, base }) => ({ chain, base }))).toEqual(
    made.map(({ chain, base }) => ({ chain, base })),
  );
  for (const [n, [chain, expressions]] of RULES.entries()) {
    const row = state.rules.find(({ comment }) => comment === `rule ${n}`);
    expect(row).toMatchObject({ ...T, chain });
    expect(row?.expressions).toEqual(expressions);
  }
  for (const command of EVERYTHING) {
    if (command.op === 'set.add') {
      const set = state.sets.find((row) => row.set === command.set);
      expect(set).toMatchObject({ key: command.key, flags: command.flags ?? [] });
      expect(set?.size).toBe(command.size);
      expect(typesOf(set)).toEqual(command.data);
    }
    if (command.op === 'elements.add') {
      const set = state.sets.find((row) => row.set === command.set);
      const { keyBytes, dataBytes, packed } = command;
      expect(set).toMatchObject({ keyBytes, dataBytes });
      const stride = ((keyBytes + 3) & ~3) + ((dataBytes + 3) & ~3);
      expect(sorted(set?.packed ?? new Uint8Array(), stride)).toEqual(sorted(packed, stride));
    }
  }
  const services = state.sets.find(({ set }) => set === 'services');
  expect(new Set(services?.verdicts)).toEqual(
    new Set([{ code: 'drop' }, { code: 'jump', chain: 'last' }]),
  );
  expect(await bed.kernel.nftRules('inet', 'ours', 'sub')).toEqual(
    state.rules.filter(({ chain }) => chain === 'sub'),
  );
  expect(await bed.kernel.nft('inet', 'theirs')).toBeUndefined();
  expect(await bed.kernel.nftRules('inet', 'theirs', 'x')).toEqual([]);
});

/** As a command would have them. */
function typesOf(set: NftSetRow | undefined): readonly string[] | undefined {
  return set?.verdicts === undefined ? set?.data : ['verdict'];
}

it('what is refused leaves nothing, and the error names the command', async () => {
  await using bed = await Bed.open();
  const bad: NftCommand = { op: 'elements.add', ...T, set: 'no-such', ...noBytes(4) };
  const error = await rejection(bed.run([transaction(table(), forward, bad, portMap)]));
  expect(error).toBeInstanceOf(APIError);
  expect(error.cause).toMatchObject({
    name: 'ENOENT',
    request: 'nft add element inet ours no-such { 1 elements }',
  });
  expect(await ruleset(bed.ns)).toEqual([]);
  await bed.run([transaction(table(), portMap, ports('elements.add', portEntries(3)))]);
  for (const [again, request] of [
    [table(), 'nft add table inet ours'],
    [portMap, 'nft add map inet ours ports'],
    [ports('elements.add', portEntries(1)), 'nft add element inet ours ports { 1 elements }'],
  ] as const) {
    const refused = await rejection(bed.run([transaction(forward, again)]));
    expect(refused.cause).toMatchObject({ name: 'EEXIST', request });
  }
  expect((await bed.kernel.nft('inet', 'ours'))?.chains).toEqual([]);
  await bed.run([{ ...transaction(table()), tolerate: ['EEXIST'] }]);
});

function noBytes(keyBytes: number) {
  return { keyBytes, dataBytes: 0, packed: new Uint8Array(keyBytes) };
}

it('an empty transaction is none', async () => {
  await using bed = await Bed.open();
  const before = await bed.kernel.nftGeneration();
  await bed.run([transaction(), { op: 'conntrack.delete', flows: [] }]);
  await bed.run([transaction(table(), portMap)]);
  await bed.run([transaction(ports('elements.add', new Uint8Array()))]);
  expect(await bed.kernel.nftGeneration()).toBe(before + 1);
});

const later: Step = { op: 'link.set', ifindex: 0x7fff_ffff, up: true };

it('what a later step of the plan spoils is undone', async () => {
  await using bed = await Bed.open();
  await nft(bed.ns, 'add table inet ours; add chain inet ours sub; add rule inet ours sub drop');
  await bed.run([transaction(portMap, ports('elements.add', portEntries(10)))]);
  const before = await ruleset(bed.ns);
  const drop: NftExpression = { type: 'verdict', verdict: { code: 'drop' } };
  const jump: NftExpression = { type: 'verdict', verdict: { code: 'jump', chain: 'sub2' } };
  const insert: NftCommand = { ...rule('sub', 'first', drop), op: 'rule.insert' };
  const steps = [
    transaction({ op: 'chain.add', ...T, chain: 'sub2' }, forward, rule('forwarding', 'x', jump)),
    transaction(insert, rule('sub', 'last', drop), ports('elements.add', portEntries(5, 100))),
    transaction({ op: 'table.add', family: 'ip', table: 'other' }),
    {
      op: 'nft',
      commands: [ports('elements.delete', portEntries(4))],
      before: [ports('elements.add', portEntries(4))],
    } as const,
  ];
  expect((await rejection(bed.run([...steps, later]))).cause).toMatchObject({ name: 'ENODEV' });
  expect(new Set(await ruleset(bed.ns))).toEqual(new Set(before));
  expect(await elementsOf(bed.ns, 'ports', true)).toHaveLength(10);
});

it('what somebody took meanwhile does not keep the rest from being undone', async () => {
  await using bed = await Bed.open();
  await bed.run([transaction(table(), portMap)]);
  // The third step takes one of the five away, as a stranger would.
  const steps = [
    transaction(forward),
    transaction(ports('elements.add', portEntries(5))),
    transaction(ports('elements.delete', portEntries(1))),
  ];
  await rejection(bed.run([...steps, later]));
  const state = await bed.kernel.nft('inet', 'ours');
  expect(state?.chains).toEqual([]);
  expect(state?.sets[0]?.packed).toHaveLength(0);
});

it('a fault at a step: what stood before it is undone, what follows is not begun', async () => {
  let fault: Fault | undefined;
  await using bed = await Bed.open({ fault: () => fault });
  const steps = [
    transaction(table()),
    transaction(forward),
    { op: 'conntrack.delete', flows: [] } as const,
    transaction(portMap),
  ];
  for (const step of steps.keys()) {
    fault = { step, errno: 'ENOBUFS' };
    const error = await rejection(bed.run(steps));
    expect(error).toMatchObject({ step: { index: step }, cause: { name: 'ENOBUFS' } });
    expect(error.cause).toBeInstanceOf(KernelError);
    expect(await ruleset(bed.ns)).toEqual([]);
  }
});

it('a process killed at a step leaves whole transactions', async () => {
  const script = `
    const { Kernel } = require('./dist/kernel');
    const { makePlan } = require('./dist/plan');
    const [steps, fault] = JSON.parse(process.argv[1]);
    (async () => {
      const kernel = await Kernel.open({ fault: () => fault });
      await kernel.run(makePlan('test', steps));
    })();`;
  const steps = [transaction(table(), forward), transaction({ ...forward, chain: 'two' })];
  const left = [
    [0, 'before', []],
    [0, 'after', ['forwarding']],
    [1, 'before', ['forwarding']],
    [1, 'after', ['forwarding', 'two']],
  ] as const;
  for (const [step, kill, chains] of left) {
    await using bed = await Bed.open();
    const args = [JSON.stringify([steps, { step, kill }])];
    const { signal } = await runChild({ code: script }, { ns: bed.ns, args });
    expect(signal).toBe('SIGKILL');
    const state = await bed.kernel.nft('inet', 'ours');
    expect(state?.chains.map(({ chain }) => chain) ?? []).toEqual(chains);
  }
}, 60_000);

it('sixty thousand elements come, are read and go, each in one transaction', async () => {
  await using bed = await Bed.open();
  const count = process.env['SNNET_GUEST'] === undefined ? 60_000 : 10_000;
  const packed = portEntries(count);
  await bed.run([transaction(table(), portMap)]);
  const before = await bed.kernel.nftGeneration();
  await bed.run([transaction(ports('elements.add', packed))]);
  const full = await bed.kernel.nft('inet', 'ours');
  expect(full?.generation).toBe(before + 1);
  expect(sorted(full?.sets[0]?.packed ?? new Uint8Array(), 16)).toEqual(sorted(packed, 16));
  // One that is there already spoils all the others.
  const half = ports('elements.add', portEntries(count, count / 2));
  expect((await rejection(bed.run([transaction(half)]))).cause).toMatchObject({ name: 'EEXIST' });
  expect((await bed.kernel.nft('inet', 'ours'))?.sets[0]?.packed).toHaveLength(packed.length);
  await bed.run([transaction(ports('elements.add', portEntries(1, count)))]);
  await bed.run([transaction(ports('elements.delete', portEntries(count + 1)))]);
  expect(await elementsOf(bed.ns, 'ports', true)).toEqual([]);
}, 120_000);

it('two handles change one table, one after the other as the kernel pleases', async () => {
  await using bed = await Bed.open();
  const other = await Kernel.open({ netns: bed.ns.name });
  await bed.run([transaction(table(), portMap)]);
  const adds = Array.from({ length: 20 }, (_, n) => {
    const plan = makePlan('test', [transaction(ports('elements.add', portEntries(3, n * 3)))]);
    return (n % 2 === 0 ? bed.kernel : other).run(plan);
  });
  await Promise.all(adds);
  expect(await elementsOf(bed.ns, 'ports', true)).toHaveLength(60);
  await other.close();
});
