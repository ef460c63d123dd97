/** What anybody does to nftables is heard, with who did it; and the overview shows everybody's. */
import type { NftEvent } from '#lib/kernel/index';
import { needs } from '../support/reasons';
import { patience, until } from '../support/run';
import { Bed, rejection } from './helpers/bed';
import { forward, nft, portEntries, portMap, ports, T, table, transaction } from './helpers/nft';

const it = needs('nftables');

/** Gathers what is heard, and waits for as much as a test wants. */
class Ear {
  readonly heard: NftEvent[] = [];
  readonly listen = (events: readonly NftEvent[]): void => void this.heard.push(...events);

  async hear(count: number): Promise<readonly NftEvent[]> {
    if (await until(() => this.heard.length >= count, 10_000 * patience)) return this.heard;
    throw new Error(`heard ${this.heard.length} of ${count}`);
  }
}

it('own transactions and those of others, one event for each table', async () => {
  await using bed = await Bed.open();
  const ear = new Ear();
  const stop = await bed.kernel.watchNft(ear.listen);
  await bed.run([transaction(table(), portMap, ports('elements.add', portEntries(500)))]);
  await nft(
    bed.ns,
    'add table ip theirs; add chain ip theirs c; add table inet ours { chain x { }; }',
  );
  await nft(bed.ns, 'flush ruleset');
  const generation = await bed.kernel.nftGeneration();
  const events = await ear.hear(5);
  const common = { pid: expect.any(Number) as number, program: 'nft', isOwn: false };
  expect(events[0]).toEqual({
    type: 'changed',
    ...T,
    generation: generation - 2,
    pid: expect.any(Number) as number,
    program: 'snnet-exec',
    isOwn: true,
  });
  const byFamily = (from: number) =>
    [...events.slice(from, from + 2)].sort((a, b) =>
      JSON.stringify(a).localeCompare(JSON.stringify(b)),
    );
  expect(byFamily(1)).toEqual([
    { family: 'inet', table: 'ours', type: 'changed', generation: generation - 1, ...common },
    { family: 'ip', table: 'theirs', type: 'changed', generation: generation - 1, ...common },
  ]);
  expect(byFamily(3)).toEqual([
    { family: 'inet', table: 'ours', type: 'gone', generation, ...common },
    { family: 'ip', table: 'theirs', type: 'gone', generation, ...common },
  ]);
  await stop();
  await bed.run([transaction(table())]);
  expect(await bed.kernel.nft('inet', 'ours')).toBeDefined();
  expect(ear.heard).toHaveLength(5);
});

it('sixty thousand elements are one event; what is lost is said', async () => {
  await using bed = await Bed.open();
  const count = process.env['SNNET_GUEST'] === undefined ? 60_000 : 10_000;
  const ear = new Ear();
  await bed.kernel.watchNft(ear.listen);
  await bed.run([transaction(table(), portMap, ports('elements.add', portEntries(count)))]);
  const [event] = await ear.hear(1);
  expect(event?.type === 'resync' || event?.type === 'changed').toBe(true);
  await bed.run([transaction(forward)]);
  await ear.hear(2);
}, 60_000);

it('two listeners hear the same; who stops twice or closes before is fine', async () => {
  await using bed = await Bed.open();
  const [one, two] = [new Ear(), new Ear()];
  const stop = await bed.kernel.watchNft(one.listen);
  const stopToo = await bed.kernel.watchNft(two.listen);
  await bed.run([transaction(table())]);
  await Promise.all([one.hear(1), two.hear(1)]);
  await stop();
  await stop();
  await bed.run([transaction(forward)]);
  await two.hear(2);
  expect(one.heard).toHaveLength(1);
  await bed.kernel.close();
  await stopToo();
  expect((await rejection(bed.kernel.watchNft(one.listen))).name).toBe('APIError');
});

it('the overview has every family, and shows who drops what is forwarded', async () => {
  await using bed = await Bed.open();
  expect(await bed.kernel.nftTables()).toMatchObject({ tables: [], chains: [] });
  await nft(
    bed.ns,
    `table ip filter {
       chain FORWARD { type filter hook forward priority filter; policy drop; jump USER; }
       chain USER { counter accept; }
     }
     table bridge b { chain c { type filter hook prerouting priority -300; }; }
     table netdev n { chain c { type filter hook ingress device lo priority 5; }; }
     table ip6 six { }`,
  );
  const { tables, chains, generation } = await bed.kernel.nftTables();
  expect(tables.map(({ family, table }) => `${family} ${table}`).sort()).toEqual([
    'bridge b',
    'ip filter',
    'ip6 six',
    'netdev n',
  ]);
  expect(chains).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        family: 'ip',
        table: 'filter',
        chain: 'FORWARD',
        base: { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' },
      }),
      expect.objectContaining({
        family: 'bridge',
        base: expect.objectContaining({ priority: -300 }) as object,
      }),
      expect.objectContaining({
        family: 'netdev',
        base: expect.objectContaining({ hook: 'ingress' }) as object,
      }),
    ]),
  );
  expect(generation).toBe(await bed.kernel.nftGeneration());
  const rules = await bed.kernel.nftRules('ip', 'filter', 'USER');
  expect(rules.map(({ expressions }) => expressions)).toEqual([
    [{ type: 'counter' }, { type: 'verdict', verdict: { code: 'accept' } }],
  ]);
});

it('what no step can say comes back by its name', async () => {
  await using bed = await Bed.open();
  await nft(
    bed.ns,
    `table inet t {
       chain c { limit rate 5/second log prefix "x" meta skuid 0 ct original packets 5 continue; }
       set s { type ipv4_addr . inet_service; flags interval; elements = { 192.0.2.0/24 . 5-7 } }
       map m { type ipv6_addr : verdict; elements = { 2001:db8::1 : continue } }
     }`,
  );
  const state = await bed.kernel.nft('inet', 't');
  const names = state?.rules[0]?.expressions.map((one) =>
    one.type === 'other' ? one.name : one.type,
  );
  expect(names).toEqual(['limit', 'log', 'meta', 'cmp', 'ct', 'cmp', 'verdict']);
  expect(state?.sets.find(({ set }) => set === 'm')).toMatchObject({
    key: ['other'],
    keyBytes: 16,
    verdicts: [{ code: 'continue' }],
  });
});
