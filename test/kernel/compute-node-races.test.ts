import { closeSync } from 'node:fs';

import type { ComputeNode } from '#lib/compute-node/index';
import type { VnicConfigInput } from '#lib/model/index';

import { needs, whereabouts } from '../support/reasons';
import { patience, sleep } from '../support/run';
import { Sandbox } from '../support/sandbox';
import {
  errorOf,
  findDisorder,
  linksOf,
  makeHost,
  openNode,
  ourLinks,
  planSent,
  subnetConfig,
  vnicConfig,
} from './helpers/node';

/** A small generator with a seed, so that a failure can be had again (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Counts what concentrators were told: a tunnel is there or not. */
class Concentrator {
  readonly #tunnels = new Map<string, number>();

  hear(event: { readonly kind: string; readonly subnetId: string } | undefined): void {
    if (event === undefined) return;
    const change = event.kind === 'tunnel-add' ? 1 : -1;
    this.#tunnels.set(event.subnetId, (this.#tunnels.get(event.subnetId) ?? 0) + change);
  }

  get counts(): number[] {
    return [...this.#tunnels.values()];
  }
}

async function churn(
  node: ComputeNode,
  random: () => number,
  configs: readonly VnicConfigInput[],
  told: Concentrator,
): Promise<void> {
  const calls = 60;
  const outstanding = new Set<Promise<void>>();
  for (let n = 0; n < calls; n += 1) {
    const config = configs[Math.floor(random() * configs.length)];
    if (config === undefined) continue;
    const call = random() < 0.5 ? node.createVnic(config) : node.destroyVnic(config);
    const heard = call.then(({ event }) => told.hear(event));
    outstanding.add(heard);
    void heard.finally(() => outstanding.delete(heard));
    if (random() < 0.3) await sleep(random() * 3);
    if (outstanding.size > 32) await Promise.race(outstanding);
  }
  await Promise.all(outstanding);
}

// On an emulated processor each takes a minute.
for (const seed of whereabouts() === 'host' ? [1, 2, 3] : [1]) {
  needs('vxlan')(
    `creates and destroys in any order leave whole subnets (seed ${seed})`,
    async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      await using node = await openNode(ns);
      const random = randomFrom(seed);
      const roles = ['vm', 'container'] as const;
      const configs = [0, 1].flatMap((subnet) =>
        [0, 1, 2].map((n) =>
          vnicConfig(n, { subnetId: `s${subnet}`, subnetKey: 10 + subnet, role: roles[n % 2] }),
        ),
      );
      const told = new Concentrator();
      for (let round = 0; round < 4; round += 1) {
        await churn(node, random, configs, told);
        await node.settle();
        expect(await findDisorder(ns)).toEqual([]);
        const kept = new Set((await ourLinks(ns)).vnics.map(({ ifalias }) => ifalias));
        expect(new Set(node.topology().vnics.map(({ alias }) => alias))).toEqual(kept);
        const subnets = node.topology().subnets.length;
        expect(told.counts.every((count) => count === 0 || count === 1)).toBe(true);
        expect(told.counts.reduce((sum, count) => sum + count, 0)).toBe(subnets);
      }
      for (const { event } of await Promise.all(
        configs.map((config) => node.destroyVnic(config)),
      )) {
        told.hear(event);
      }
      await node.settle();
      expect(told.counts.every((count) => count === 0)).toBe(true);
      expect(await linksOf(ns)).toEqual([]);
      expect(node.topology().subnets).toEqual([]);
    },
    60_000 * patience,
  );
}

needs('vxlan')(
  'calls that are aborted at any moment leave whole subnets',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns, { maxConcurrency: 2 });
    const random = randomFrom(4);
    const configs = Array.from({ length: 6 }, (_, n) => vnicConfig(n, { queues: 1 + (n % 2) }));
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < 150; n += 1) {
      const config = configs[n % configs.length] ?? vnicConfig();
      const controller = new AbortController();
      const options = { signal: controller.signal };
      const call =
        random() < 0.6 ? node.createVnic(config, options) : node.destroyVnic(config, options);
      const ended = call.then(
        (result) => {
          if ('vnic' in result) for (const fd of result.vnic.fds ?? []) closeSync(fd);
        },
        (error: unknown) => expect(error).toMatchObject({ code: 'SNNET_CALL_ABORTED' }),
      );
      calls.push(ended);
      setTimeout(() => controller.abort(), random() * 8).unref();
      if (random() < 0.5) await sleep(random() * 4);
    }
    await Promise.all(calls);
    await node.dbRebuild();
    await node.settle();
    expect(await findDisorder(ns)).toEqual([]);
    expect(node.topology().findings).toEqual([]);
    await Promise.all(configs.map((config) => node.destroyVnic(config)));
    await node.settle();
    expect(await linksOf(ns)).toEqual([]);
  },
  60_000 * patience,
);

needs('vxlan')(
  'a destroy whose caller gave up still tells of the tunnel, to the next',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const { sent, fault } = planSent('destroyVnic');
    await using node = await openNode(ns, {}, { fault });
    await node.createVnic(vnicConfig());
    const controller = new AbortController();
    const call = errorOf(node.destroyVnic(vnicConfig(), { signal: controller.signal }));
    // The kernel has been asked, and does not let itself be stopped.
    await sent;
    controller.abort();
    expect(await call).toMatchObject({ code: 'SNNET_CALL_ABORTED', operation: 'destroyVnic' });
    const again = await node.destroyVnic(vnicConfig());
    expect(again.event?.kind).toBe('tunnel-del');
    expect(await node.destroyVnic(vnicConfig())).toEqual({ destroyed: false });
    await node.settle();
  },
);

needs('vxlan')('a rebuild among creates and destroys loses nothing', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const configs = Array.from({ length: 40 }, (_, n) =>
    vnicConfig(n % 10, { subnetId: `s${n % 4}`, subnetKey: 10 + (n % 4) }),
  );
  const work = configs.map(async (config, n) => {
    await sleep(n % 7);
    await node.createVnic(config);
    if (n % 3 === 0) await node.destroyVnic(config);
  });
  const rebuilds = Array.from({ length: 5 }, async (_, n) => {
    await sleep(n * 3);
    await node.dbRebuild();
  });
  await Promise.all([...work, ...rebuilds]);
  await node.settle();
  expect(await findDisorder(ns)).toEqual([]);
  const aliases = (await ourLinks(ns)).vnics.map(({ ifalias }) => ifalias).sort();
  expect(
    node
      .topology()
      .vnics.map(({ alias }) => alias)
      .sort(),
  ).toEqual(aliases);
  await node.resetNetwork();
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
});

needs('vxlan')('who waits for one rebuild does not slip in among the next', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  await Promise.all([node.dbRebuild(), node.dbRebuild(), node.createVnic(vnicConfig())]);
  expect(node.topology().vnics).toHaveLength(1);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

needs('vxlan')(
  'strangers who delete at any moment cost nobody but themselves',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns);
    const configs = Array.from({ length: 4 }, (_, n) => vnicConfig(n));
    const vandal = (async () => {
      for (let n = 0; n < 25; n += 1) {
        const links = (await linksOf(ns)).filter(({ ifalias }) => ifalias !== 'vxlan_anchor');
        const victim = links[n % Math.max(links.length, 1)];
        if (victim === undefined) continue;
        await box.exec(ns, ['ip', 'link', 'delete', victim.ifname], { check: false });
      }
    })();
    for (let n = 0; n < 60; n += 1) {
      await node.createVnic(configs[n % configs.length] ?? vnicConfig()).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'SNNET_KERNEL_FAILED' });
      });
      await sleep(3);
    }
    await vandal;
    await sleep(50);
    await Promise.all(configs.map((config) => node.createVnic(config)));
    expect(await findDisorder(ns)).toEqual([]);
    await Promise.all(configs.map((config) => node.destroyVnic(config)));
    await node.settle();
    expect(await linksOf(ns)).toEqual([]);
  },
  60_000 * patience,
);

needs('vxlan')('128 calls at once are all answered', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const configs = Array.from({ length: 128 }, (_, n) => subnetConfig(n));
  const made = await Promise.all(configs.map((config) => node.createVnic(config)));
  expect(made.every(({ event, created }) => created && event?.code === 2)).toBe(true);
  expect(await findDisorder(ns)).toEqual([]);
  const gone = await Promise.all(configs.map((config) => node.destroyVnic(config)));
  expect(gone.every(({ event, destroyed }) => destroyed && event?.code === 4)).toBe(true);
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
});
