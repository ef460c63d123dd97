/** The outbox's ledger: whatever happens, in the end each concentrator knows the tunnels that there are. */
import * as fc from 'fast-check';

import { Ledger, MOST_REMOVALS } from '#lib/agent/outbox/index';
import type { OutboxEvent, TunnelRecord } from '#lib/agent/outbox/index';
import type { SubnetTopology } from '#lib/compute-node/index';
import type { StoreChange } from '#lib/store/index';
import { checkProperty } from '../../support/property';

interface Fact {
  readonly subnet: number;
  readonly subnetKey: number;
  readonly cnIp: string;
  readonly concIp: string;
}

const CONC_IPS = ['198.51.100.9', '198.51.100.10'];

function eventOf(kind: OutboxEvent['kind'], fact: Fact): OutboxEvent {
  const { subnet, subnetKey, cnIp, concIp: cnciIp } = fact;
  return {
    ...{ kind, cnciIp, cnIp, subnetKey, subnet: `172.16.${subnet}.0/24` },
    ...{ tenantId: 'tenant', subnetId: `subnet${subnet}`, concId: 'conc', cnId: 'node' },
    tunnel: 'gre',
  };
}

/** A node, its outbox with the store under it, and the concentrator that it tells. */
class World {
  readonly kernel = new Map<number, Fact>();
  readonly concentrator = new Set<string>();
  readonly store = new Map<string, Map<string, unknown>>();
  #id = 0;
  ledger = this.#newLedger();

  /** The tunnel that the kernel has, and its event, if somebody lives to tell it. */
  make(fact: Fact, isTold: boolean): void {
    const before = this.kernel.get(fact.subnet);
    if (before !== undefined) this.destroy(fact.subnet, isTold);
    // What a launcher does before it creates anything.
    const owner = { tenantId: 'tenant', subnetId: `subnet${fact.subnet}`, concId: 'conc' };
    this.keep(this.ledger.expect({ ...owner, subnet: `172.16.${fact.subnet}.0/24` as never }));
    this.kernel.set(fact.subnet, fact);
    if (isTold) this.keep(this.ledger.note(eventOf('tunnel-add', fact), 'test'));
    this.ledger.settle(owner);
  }

  destroy(subnet: number, isTold: boolean): void {
    const fact = this.kernel.get(subnet);
    if (fact === undefined) return;
    this.kernel.delete(subnet);
    if (isTold) this.keep(this.ledger.note(eventOf('tunnel-del', fact), 'test'));
  }

  /** The concentrator has another address: the new one is told of first. */
  repoint(subnet: number, concIp: string): void {
    const fact = this.kernel.get(subnet);
    if (fact === undefined || fact.concIp === concIp) return;
    this.kernel.set(subnet, { ...fact, concIp });
    this.keep(this.ledger.note(eventOf('tunnel-add', { ...fact, concIp }), 'test'));
    this.keep(this.ledger.note(eventOf('tunnel-del', fact), 'test'));
  }

  /** Sends something; the sender may die before it notes that. */
  send(place: number, isNoted: boolean): void {
    const all = [...this.ledger.next()];
    const message = all[place % Math.max(all.length, 1)];
    if (message === undefined) return;
    const { key, record } = message;
    const fact = `${record.subnet} ${record.subnetKey} ${record.cnIp}`;
    if (record.state === 'added') this.concentrator.add(fact);
    else this.concentrator.delete(fact);
    if (isNoted) this.keep(this.ledger.deliver(key, record.messageId));
    else this.restart();
  }

  restart(): void {
    this.ledger = this.#newLedger();
  }

  reconcile(): void {
    const subnets = [...this.kernel.values()].map(subnetView);
    this.keep(this.ledger.reconcile({ subnets }).changes);
  }

  keep(changes: readonly StoreChange[]): void {
    for (const change of changes) {
      const table = this.store.get(change.table) ?? new Map<string, unknown>();
      this.store.set(change.table, table);
      if (change.op === 'add') table.set(change.key, JSON.parse(JSON.stringify(change.value)));
      else table.delete(change.key);
    }
  }

  get truth(): string[] {
    const facts = [...this.kernel.values()];
    return facts.map((fact) => `172.16.${fact.subnet}.0/24 ${fact.subnetKey} ${fact.cnIp}`).sort();
  }

  #newLedger(): Ledger {
    const ledger = new Ledger(() => `m${(this.#id += 1)}`);
    const valuesOf = (table: string): unknown[] => [...(this.store.get(table)?.values() ?? [])];
    ledger.load(valuesOf('tunnels') as TunnelRecord[], valuesOf('networks') as [string, never][]);
    return ledger;
  }
}

function subnetView({ subnet, subnetKey, cnIp, concIp }: Fact): SubnetTopology {
  const link = { linkName: 'x', ifIndex: 1, mtu: 1400, mac: '' };
  const ids = { tenantId: 'tenant', subnetId: `subnet${subnet}`, concId: 'conc' };
  return {
    scope: `${Object.values(ids).join('_')}_${concIp}`,
    ...{ ids, concIp, bridge: link, vnics: [] },
    tunnel: { ...link, kind: 'gre', key: subnetKey, local: cnIp, remote: concIp },
  };
}

function errorOf(body: () => unknown): unknown {
  try {
    return body();
  } catch (error) {
    return error;
  }
}

const fact = fc.record({
  subnet: fc.integer({ min: 1, max: 3 }),
  subnetKey: fc.integer({ min: 1, max: 2 }),
  cnIp: fc.constantFrom('198.51.100.1', '198.51.100.2'),
  concIp: fc.constantFrom(...CONC_IPS),
});
const step = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('make' as const), fact, fc.boolean()) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('destroy' as const), fact, fc.boolean()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('repoint' as const), fact, fc.boolean()) },
  { weight: 5, arbitrary: fc.tuple(fc.constant('send' as const), fact, fc.boolean()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('reconcile' as const), fact, fc.boolean()) },
);

function play(world: World, [what, about, isTold]: [string, Fact, boolean]): void {
  // Whoever does not live to tell is followed by another process.
  if (what === 'make') world.make(about, isTold);
  if (what === 'destroy') world.destroy(about.subnet, isTold);
  if (what === 'repoint') world.repoint(about.subnet, about.concIp);
  if (what === 'send') world.send(about.subnetKey, isTold);
  if (what === 'reconcile') world.reconcile();
  if (!isTold && (what === 'make' || what === 'destroy')) {
    world.restart();
    world.reconcile();
  }
}

test('after any deaths the concentrator knows exactly the tunnels that there are', async () => {
  await checkProperty(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const world = new World();
      for (const one of steps) play(world, one);
      for (let sent = 0; world.ledger.pending > 0; sent += 1) {
        expect(sent).toBeLessThan(100);
        world.send(0, true);
      }
      expect([...world.concentrator].sort()).toEqual(world.truth);
      // Nothing is left to say, before and after one more look, and one more restart.
      world.reconcile();
      expect(world.ledger.pending).toBe(0);
      world.restart();
      world.reconcile();
      expect(world.ledger.pending).toBe(0);
      expect(world.store.get('tunnels')?.size ?? 0).toBe(world.kernel.size);
    }),
    { runs: 400 },
  );
});

test('what is said about one tunnel while nobody listens comes to its last word', () => {
  const world = new World();
  const one = { subnet: 1, subnetKey: 7, cnIp: '198.51.100.1', concIp: '198.51.100.9' };
  for (let round = 0; round < 5; round += 1) {
    world.make(one, true);
    world.destroy(1, true);
  }
  world.make(one, true);
  expect([...world.ledger.next()].map(({ record }) => record.state)).toEqual(['added']);
  expect(world.ledger.pending).toBe(1);
});

test('another key is another tunnel: the old one goes before the new one comes', () => {
  const world = new World();
  const one = { subnet: 1, subnetKey: 7, cnIp: '198.51.100.1', concIp: '198.51.100.9' };
  world.make(one, true);
  world.send(0, true);
  // Nobody said that the first one went.
  world.keep(world.ledger.note(eventOf('tunnel-add', { ...one, subnetKey: 8 }), 'test'));
  const order: [string, number][] = [];
  while (world.ledger.pending > 0) {
    const record = [...world.ledger.next()][0]!.record;
    order.push([record.state, record.subnetKey]);
    world.send(0, true);
  }
  expect(order).toEqual([
    ['removed', 7],
    ['added', 8],
  ]);
});

test('a network that nobody said is remembered, or asked for', () => {
  const world = new World();
  const one = { subnet: 1, subnetKey: 7, cnIp: '198.51.100.1', concIp: '198.51.100.9' };
  const { subnet: _, ...without } = eventOf('tunnel-del', one);
  const missing = { code: 'SNNET_INPUT_MISSING', field: 'subnet', operation: 'post' };
  expect(errorOf(() => world.ledger.note(without, 'post'))).toMatchObject(missing);
  world.make(one, true);
  world.keep(world.ledger.note(without, 'post'));
  expect([...world.ledger.next()][0]?.record).toMatchObject({
    state: 'removed',
    subnet: '172.16.1.0/24',
  });
});

test('a subnet of which nobody knows the network is reported; one that is called by it is not', () => {
  const world = new World();
  const view = subnetView({
    subnet: 1,
    subnetKey: 7,
    cnIp: '198.51.100.1',
    concIp: '198.51.100.9',
  });
  const ids = { tenantId: 'tenant', subnetId: '172.16.9.0/24', concId: 'conc' };
  const ambiguous: SubnetTopology = {
    scope: 'a_b_c_d_198.51.100.9',
    concIp: view.concIp,
    vnics: [],
    ...(view.tunnel !== undefined && { tunnel: view.tunnel }),
  };
  const subnets = [view, { ...view, ids }, ambiguous];
  const { result } = world.ledger.reconcile({ subnets });
  expect(result.unknown).toEqual([view, ambiguous]);
  expect(result.added.map(({ subnet }) => subnet)).toEqual(['172.16.9.0/24']);
});

test('removals that nobody can be told of are bounded, tunnels are not', () => {
  const world = new World();
  for (let n = 0; n < MOST_REMOVALS + 5; n += 1) {
    const event = eventOf('tunnel-del', {
      ...{ subnet: n % 250, subnetKey: n + 1 },
      ...{ cnIp: '198.51.100.1', concIp: '198.51.100.9' },
    });
    world.ledger.note({ ...event, subnetId: `s${n}` }, 'test');
  }
  expect(world.ledger.pending).toBe(MOST_REMOVALS);
});

test.each([
  [{ cnIp: 'x' }, 'cnIp'],
  [{ subnetKey: 0 }, 'subnetKey'],
  [{ subnet: '172.16.1.5/24' }, 'subnet'],
  [{ kind: 'tunnel-moved' }, 'kind'],
  [{ tunnel: 'ipip' }, 'tunnel'],
  [{ concId: '' }, 'concId'],
])('%j is refused, and nothing is kept', (changes, field) => {
  const world = new World();
  const good = eventOf('tunnel-add', {
    ...{ subnet: 1, subnetKey: 7, cnIp: '198.51.100.1', concIp: '198.51.100.9' },
  });
  const post = () => world.ledger.note({ ...good, ...changes } as OutboxEvent, 'post');
  expect(errorOf(post)).toMatchObject({ field });
  expect(world.ledger.pending).toBe(0);
});
