/** The audit on the real kernel: what containers leave behind that were killed goes, and nothing else. */
import { closeSync, openSync } from 'node:fs';
import { AuditDaemon } from '#lib/audit/index';
import type { AuditedNode, AuditEvent, AuditReport, Liveness } from '#lib/audit/index';
import { needs } from '../support/reasons';
import { run, sleep, until } from '../support/run';
import { AuditBed, GRACE_MS, namespaces, rounds } from './helpers/audit-bed';
import { CONC_IP, linksOf, namesOf, ourLinks, vnicConfig } from './helpers/node';

/** Who asks namespaces must be allowed to look at others' processes. */
const it = needs('real-root');
const nobody: Liveness = () => [];

it('a namespace that is kept without a process: its VNIC goes after the grace period, with the tunnel', async () => {
  await using bed = await AuditBed.open();
  const container = await bed.container('c1');
  await bed.node.createVnic(container.vnic(0));
  const held = openSync(container.netns, 'r');
  try {
    const audit = bed.audit();
    expect(await audit.round()).toMatchObject({ seen: 1, alive: 1, stale: [] });
    await container.kill();
    const before = await namesOf(bed.ns);
    const reports = await rounds(bed, audit, 10);
    expect(reports.map(({ removed }) => removed.length)).toEqual(reports.map(() => 0));
    expect(reports[9]?.stale).toMatchObject([
      { what: 'vnic', container: 'c1', staleForMs: 540_000, sightings: 10, isDue: false },
    ]);
    expect(await namesOf(bed.ns)).toEqual(before);
    expect(bed.events).toEqual([]);
    const last = await audit.round();
    expect(last).toMatchObject({
      seen: 1,
      alive: 0,
      stale: [],
      removed: [{ what: 'vnic', container: 'c1', ifname: 'eth0', ip: '172.16.0.2', sightings: 11 }],
      errors: [],
      undelivered: 0,
    });
    await bed.node.settle();
    expect(await namesOf(bed.ns)).toEqual([]);
    expect(bed.events).toEqual(last.events);
    expect(bed.events).toMatchObject([
      { kind: 'tunnel-del', cnciIp: CONC_IP, subnet: '172.16.0.0/16', subnetKey: 69_804 },
    ]);
  } finally {
    closeSync(held);
  }
});

it('a namespace that ends takes its VNIC along, and the audit what is left of the subnet', async () => {
  await using bed = await AuditBed.open();
  const container = await bed.container('c1');
  await bed.node.createVnic(container.vnic(0));
  const audit = bed.audit();
  await audit.round();
  await container.kill();
  expect(await until(async () => (await ourLinks(bed.ns)).vnics.length === 0, 10_000)).toBe(true);
  const reports = await rounds(bed, audit, 11);
  expect(reports[0]).toMatchObject({ seen: 0, stale: [{ what: 'subnet', container: 'c1' }] });
  expect(reports.flatMap(({ removed }) => removed)).toMatchObject([{ what: 'subnet' }]);
  expect(reports[10]?.removed).toHaveLength(1);
  await bed.node.settle();
  expect(await namesOf(bed.ns)).toEqual([]);
  expect(bed.events).toMatchObject([{ kind: 'tunnel-del', subnet: '172.16.0.0/16' }]);
});

it('of what an earlier process made, the kernel knows enough', async () => {
  await using bed = await AuditBed.open();
  const container = await bed.container('c1');
  await bed.node.createVnic(container.vnic(0));
  const held = openSync(container.netns, 'r');
  await container.kill();
  await using node = await bed.restartedNode();
  const audit = new AuditDaemon(node, {
    graceMs: 0,
    liveness: namespaces,
    deliver: (event) => bed.events.push(event),
  });
  await audit.round();
  expect(await audit.round()).toMatchObject({ removed: [{ container: 'c1' }] });
  closeSync(held);
  await node.settle();
  // What nobody remembers is not made up.
  expect(bed.events).toMatchObject([{ kind: 'tunnel-del', subnetKey: 69_804, cnciIp: CONC_IP }]);
  expect(bed.events[0]).not.toHaveProperty('subnet');
  await bed.node.dbRebuild();
  expect(await namesOf(bed.ns)).toEqual([]);
});

test('only what was made for a container runtime goes, even if nobody is alive', async () => {
  await using bed = await AuditBed.open();
  const container = await bed.container('c1');
  await bed.node.createVnic(container.vnic(0));
  await bed.node.createVnic(vnicConfig(1, { role: 'vm' }));
  await bed.node.createVnic(vnicConfig(2, { role: 'container' }));
  await bed.node.createVnic(vnicConfig(3, { role: 'container', altName: 'cni.other' }));
  const strangers = ['type veth peer name st1', 'type bridge'];
  for (const [index, words] of strangers.entries()) {
    const name = `stranger${index}`;
    await run(['ip', '-n', bed.ns.name, 'link', 'add', name, ...words.split(' ')]);
    const altName = `cni.4026532000.0123456789ab.c${index}.eth0`;
    const property = ['link', 'property', 'add', 'dev', name, 'altname', altName];
    await run(['ip', '-n', bed.ns.name, ...property]);
  }
  bed.box.allow(bed.ns, [/^(stranger\d|st1|eth0|eth0peer)$/]);
  const before = await namesOf(bed.ns);
  const audit = bed.audit({ liveness: nobody, graceMs: 0 });
  await audit.round();
  expect(await audit.round()).toMatchObject({
    seen: 1,
    removed: [{ container: 'c1' }],
    events: [],
  });
  await bed.node.settle();
  const { vnics, bridges, tunnels } = await ourLinks(bed.ns);
  expect([vnics.length, bridges.length, tunnels.length]).toEqual([3, 1, 1]);
  expect(await namesOf(bed.ns)).toHaveLength(before.length - 1);
});

it('live ones and strangers stay, and leftovers go, while fifty are made and unmade', async () => {
  await using bed = await AuditBed.open();
  const audit = bed.audit({ graceMs: 0 });
  const leaked = await bed.container('leaked');
  await bed.node.createVnic(leaked.vnic(200));
  const held = openSync(leaked.netns, 'r');
  const living = await Promise.all(
    Array.from({ length: 10 }, (_, n) => bed.container(`living${n}`)),
  );
  await leaked.kill();
  const state = { isOver: false };
  const reports: AuditReport[] = [];
  const auditing = (async () => {
    while (!state.isOver) {
      reports.push(await audit.round());
      await sleep(1);
    }
  })();
  const made = living.flatMap((container, index) =>
    Array.from({ length: 5 }, (_, k) => ({
      ...container.vnic(index * 5 + k),
      altName: container.nameOf(`eth${k}`),
      attach: { netns: container.netns, ifname: `eth${k}`, routes: [] },
    })),
  );
  await Promise.all(made.map((config) => bed.node.createVnic(config)));
  // Every second one goes and comes back.
  await Promise.all(
    made.map(async (config, index) => {
      if (index % 2 === 0) return;
      await bed.node.destroyVnic(config);
      await bed.node.createVnic(config);
    }),
  );
  const isReaped = (): boolean => reports.some(({ removed }) => removed.length > 0);
  expect(await until(isReaped, 20_000)).toBe(true);
  state.isOver = true;
  await auditing;
  closeSync(held);
  expect(reports.flatMap(({ removed }) => removed)).toMatchObject([{ container: 'leaked' }]);
  expect(
    reports.flatMap(({ refused, errors, failure }) => [refused, errors, failure ?? []]).flat(),
  ).toEqual([]);
  expect((await ourLinks(bed.ns)).vnics).toHaveLength(50);
  for (const config of made) await bed.node.destroyVnic(config);
});

test('a workload that comes back is forgotten, and begins anew', async () => {
  await using bed = await AuditBed.open();
  const container = await bed.container('c1');
  await bed.node.createVnic(container.vnic(0));
  let isAlive = false;
  const audit = bed.audit({ liveness: (vnics) => (isAlive ? vnics : []) });
  await rounds(bed, audit, 10);
  isAlive = true;
  expect(await audit.round()).toMatchObject({ alive: 1, stale: [] });
  isAlive = false;
  const again = await rounds(bed, audit, 10);
  expect(again.flatMap(({ removed }) => removed)).toEqual([]);
  expect(again[9]?.stale).toMatchObject([{ sightings: 10, staleForMs: 540_000 }]);
});

test('the time of day may jump', async () => {
  await using bed = await AuditBed.open();
  const container = await bed.container('c1');
  await bed.node.createVnic(container.vnic(0));
  const audit = new AuditDaemon(bed.node, { liveness: nobody, graceMs: GRACE_MS });
  await audit.round();
  const day = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 86_400_000);
  const report = await audit.round();
  day.mockRestore();
  expect(report).toMatchObject({ removed: [], stale: [{ sightings: 2, isDue: false }] });
});

test('a dry run says what would go, and leaves it', async () => {
  await using bed = await AuditBed.open();
  const container = await bed.container('c1');
  await bed.node.createVnic(container.vnic(0));
  const audit = bed.audit({ liveness: nobody, graceMs: 0, dryRun: true });
  await audit.round();
  const report = await audit.round();
  expect(report).toMatchObject({ dryRun: true, stale: [{ isDue: true }], removed: [], events: [] });
  expect((await ourLinks(bed.ns)).vnics).toHaveLength(1);
  expect(Object.isFrozen(report)).toBe(true);
});

test.each<[string, Liveness]>([
  ['throws', () => Promise.reject(new Error('the runtime does not answer'))],
  ['gives no list', (() => undefined) as unknown as Liveness],
  ['names strangers', (vnics) => vnics.map((vnic) => ({ ...vnic }))],
])('nothing is judged where the provider %s', async (_what, liveness) => {
  await using bed = await AuditBed.open();
  const container = await bed.container('c1');
  await bed.node.createVnic(container.vnic(0));
  let isBad = false;
  const audit = bed.audit({
    liveness: (...asked) => (isBad ? liveness(...asked) : []),
    graceMs: 0,
  });
  await audit.round();
  isBad = true;
  const bad = await rounds(bed, audit, 3);
  for (const report of bad) {
    expect(report).toMatchObject({
      failure: { code: 'SNNET_LIVENESS_UNKNOWN' },
      removed: [],
      stale: [],
    });
  }
  expect((await ourLinks(bed.ns)).vnics).toHaveLength(1);
  isBad = false;
  // What was known before counts still.
  expect(await audit.round()).toMatchObject({ removed: [{ sightings: 2 }] });
});

test('what has become another link meanwhile stays', async () => {
  await using bed = await AuditBed.open();
  const [first, second] = [await bed.container('c1'), await bed.container('c2')];
  const config = first.vnic(0);
  await bed.node.createVnic(config);
  let replace: () => Promise<unknown> = () => Promise.resolve();
  const liveness: Liveness = async () => {
    await replace();
    return [];
  };
  const audit = bed.audit({ liveness, graceMs: 0 });
  await audit.round();
  // The address goes to another container between the listing and the removal.
  replace = async () => {
    await bed.node.destroyVnic(config);
    await bed.node.createVnic(second.vnic(0));
  };
  expect(await audit.round()).toMatchObject({ stale: [], removed: [], events: [] });
  replace = () => Promise.resolve();
  const [vnic] = bed.node.topology().vnics;
  expect(vnic?.altNames).toEqual([second.vnic(0).altName]);
});

test('what becomes another link at the very last moment is refused by its name', async () => {
  await using bed = await AuditBed.open();
  const [first, second] = [await bed.container('c1'), await bed.container('c2')];
  await bed.node.createVnic(first.vnic(0));
  const { node } = bed;
  // Between the audit's last look and the call.
  const slow: AuditedNode = {
    audit: (options) => node.audit(options),
    dbRebuild: (options) => node.dbRebuild(options),
    topology: () => node.topology(),
    vnicsNamed: (matches) => node.vnicsNamed(matches),
    destroyVnic: async (config) => {
      await node.destroyVnic(first.vnic(0));
      await node.createVnic({ ...second.vnic(0), vnicId: first.vnic(0).vnicId });
      return await node.destroyVnic(config);
    },
  };
  const audit = new AuditDaemon(slow, { liveness: nobody, graceMs: 0 });
  await audit.round();
  expect(await audit.round()).toMatchObject({
    removed: [],
    refused: [{ vnic: { container: 'c1' }, error: { code: 'SNNET_VNIC_CONFLICT' } }],
    errors: [],
  });
  expect(bed.node.topology().vnics).toMatchObject([{ altNames: [second.vnic(0).altName] }]);
});

test('one round at a time, and an end at any time', async () => {
  await using bed = await AuditBed.open();
  const container = await bed.container('c1');
  await bed.node.createVnic(container.vnic(0));
  const controller = new AbortController();
  let asked = 0;
  let told: AbortSignal | undefined;
  const liveness: Liveness = (_vnics, signal) => {
    asked += 1;
    told = signal;
    return new Promise(() => undefined);
  };
  const reports: AuditReport[] = [];
  const { signal } = controller;
  const onReport = (report: AuditReport) => reports.push(report);
  const audit = bed.audit({ liveness, signal, onReport, intervalMs: 1 });
  const running = audit.run();
  const round = audit.round();
  expect(audit.round()).toBe(round);
  expect(await until(() => asked > 0, 10_000)).toBe(true);
  expect(audit.round()).toBe(round);
  controller.abort();
  await running;
  expect(await round).toMatchObject({ failure: { code: 'SNNET_CALL_ABORTED' } });
  expect([asked, told?.aborted, reports.length]).toEqual([1, true, 1]);
  await audit.run();
  expect(asked).toBe(1);
});

test('rounds come at intervals, and a listener that throws does not end them', async () => {
  await using bed = await AuditBed.open();
  const controller = new AbortController();
  let count = 0;
  const onReport = (): never => {
    count += 1;
    if (count === 3) controller.abort();
    throw new Error('the listener is broken');
  };
  await bed.audit({ intervalMs: 1, signal: controller.signal, onReport }).run();
  expect(count).toBe(3);
});

test('an event that nobody took is offered again, until it is no longer true', async () => {
  await using bed = await AuditBed.open();
  const container = await bed.container('c1');
  let isDown = true;
  const deliver = async (event: AuditEvent): Promise<void> => {
    if (isDown) throw new Error('the concentrator does not answer');
    bed.events.push(event);
  };
  const audit = bed.audit({ liveness: nobody, graceMs: 0, deliver });
  await bed.node.createVnic(container.vnic(0));
  await audit.round();
  expect(await audit.round()).toMatchObject({ removed: [{}], events: [{}], undelivered: 1 });
  expect(await audit.round()).toMatchObject({ removed: [], undelivered: 1 });
  isDown = false;
  expect(await audit.round()).toMatchObject({ undelivered: 0 });
  expect(bed.events).toHaveLength(1);

  isDown = true;
  await bed.node.createVnic(container.vnic(0));
  await audit.round();
  expect(await audit.round()).toMatchObject({ removed: [{}], undelivered: 1 });
  // Its tunnel is there again: its concentrator was told so, and must not hear that it went.
  await bed.node.createVnic(container.vnic(0));
  isDown = false;
  expect(await audit.round()).toMatchObject({ undelivered: 0 });
  expect(bed.events).toHaveLength(1);
});

test('a node that cannot be asked is a round without a judgement', async () => {
  await using bed = await AuditBed.open();
  const node = await bed.restartedNode();
  await node.close();
  const report = await new AuditDaemon(node).round();
  expect(report).toMatchObject({ seen: 0, failure: { code: 'SNNET_HANDLE_CLOSED' } });
  expect(await linksOf(bed.ns)).toEqual([]);
});
