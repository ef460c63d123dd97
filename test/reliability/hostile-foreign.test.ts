/** Strangers in the same namespace: thousands of links, our names, our aliases. */
import { run } from '../support/run';
import { isLongRun } from '../support/budget';
import { needs } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import {
  countingChooser,
  errorOf,
  findDisorder,
  ip,
  linksOf,
  makeHost,
  namesOf,
  openNode,
  ourLinks,
  vnicConfig,
} from '../kernel/helpers/node';

const FOREIGN_LINKS = isLongRun() ? 20_000 : 2000;
const withVxlan = needs('vxlan');

withVxlan(
  `among ${FOREIGN_LINKS} foreign links: opened, made, found again, removed, and theirs are as they were`,
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    box.allow(ns, ['eth0', 'eth0peer', /^theirs/]);
    // Not bridges: a thousand of those, when they go, keep everybody waiting for a quarter of a minute.
    const lines = Array.from(
      { length: FOREIGN_LINKS / 2 },
      (_, n) => `link add theirs${n} type veth peer name theirs${n}p`,
    );
    await run(['ip', '-n', ns.name, '-batch', '-'], {
      input: `${lines.join('\n')}\n`,
      timeoutMs: 600_000,
    });
    {
      await using first = await openNode(ns);
      for (let n = 0; n < 5; ++n) await first.createVnic(vnicConfig(n));
    }
    await using node = await openNode(ns);
    expect(node.topology().subnets.map(({ vnics }) => vnics.length)).toEqual([5]);
    expect(node.topology().findings).toEqual([]);
    for (let n = 0; n < 5; ++n) {
      const { created } = await node.createVnic(vnicConfig(n));
      expect(created).toBe(false);
      await node.destroyVnic(vnicConfig(n));
    }
    await node.settle();
    const left = await linksOf(ns);
    expect(left.map(({ ifname }) => ifname).filter((name) => !name.startsWith('theirs'))).toEqual(
      [],
    );
    expect(left).toHaveLength(FOREIGN_LINKS);
  },
  isLongRun() ? 900_000 : 120_000,
);

withVxlan('names that strangers took are passed over; theirs stay', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const taken = ['sbr_a1', 'sgt_a2', 'svn_a3'];
  box.allow(ns, ['eth0', 'eth0peer', ...taken]);
  await ip(ns, ...taken.map((name) => `link add ${name} type bridge`));
  const chooser = countingChooser(0x3000_0000, { names: [...taken] });
  await using node = await openNode(ns, {}, { chooser });
  const { vnic } = await node.createVnic(vnicConfig(0));
  expect(taken).not.toContain(vnic.linkName);
  expect(await findDisorder(ns)).toEqual([]);
  await node.destroyVnic(vnicConfig(0));
  await node.settle();
  expect(await namesOf(ns)).toEqual(taken);
});

withVxlan(
  'links that claim to be a tenant’s of ours are reported, never used and never removed',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    let aliases: string[];
    {
      await using first = await openNode(ns);
      await first.createVnic(vnicConfig(0));
      aliases = (await linksOf(ns)).flatMap(({ ifalias }) => ifalias ?? []);
    }
    const claims = aliases.filter((alias) => alias.includes(vnicConfig(0).tenantId));
    const names = claims.map((_, n) => `claim${n}`);
    box.allow(ns, ['eth0', 'eth0peer', /^claim/, /^future/]);
    const future = aliases
      .find((alias) => alias.startsWith('br_'))!
      .replace(vnicConfig(0).subnetId, 'future');
    // Of a kind that none of these is, whatever the alias claims.
    for (const [n, alias] of [...claims, future].entries()) {
      const name = names[n] ?? 'future';
      // No batch: that has # for a comment.
      const ip = ['ip', '-n', ns.name, 'link'];
      await run([...ip, 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`]);
      await run([...ip, 'set', name, 'alias', alias]);
    }
    await using node = await openNode(ns);
    const { findings } = node.topology();
    for (const name of names) expect(JSON.stringify(findings)).toContain(`"${name}"`);
    expect(node.topology().subnets.map(({ vnics }) => vnics.length)).toEqual([1]);
    // The subnet that a stranger claims already.
    const refused = await node.createVnic(vnicConfig(1, { subnetId: 'future', subnetKey: 9 })).then(
      () => 'done',
      (error: unknown) => (error as { code?: string }).code,
    );
    expect(['done', 'SNNET_LINK_FOREIGN']).toContain(refused);
    await node.repair();
    if (refused === 'done')
      await node.destroyVnic(vnicConfig(1, { subnetId: 'future', subnetKey: 9 }));
    await node.destroyVnic(vnicConfig(0));
    await node.settle();
    const all = [...names, 'future'].flatMap((name) => [name, `${name}p`]);
    expect(await namesOf(ns)).toEqual(all.sort());
  },
);

withVxlan(
  'strangers who make and remove links with our prefixes and aliases meanwhile',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns);
    const stranger = new AbortController();
    const made = disturb(ns.name, stranger.signal);
    const configs = Array.from({ length: 40 }, (_, n) =>
      vnicConfig(n, { subnetId: `s${(n >> 1) & 3}`, subnetKey: 50 + ((n >> 1) & 3) }),
    );
    const results = await Promise.all(configs.map((config) => node.createVnic(config)));
    for (const [n, config] of configs.entries()) if (n % 2 === 0) await node.destroyVnic(config);
    stranger.abort();
    expect(await made).toBeGreaterThan(0);
    expect(results.every(({ created }) => created)).toBe(true);
    const report = await node.dbRebuild();
    expect(report.findings).toEqual([]);
    const { bridges, vnics } = await ourLinks(ns);
    expect([bridges.length, vnics.length]).toEqual([4, 20]);
    expect(await findDisorder(ns)).toEqual([]);
    for (const [n, config] of configs.entries()) if (n % 2 === 1) await node.destroyVnic(config);
    await node.settle();
    expect(await errorOf(node.createVnic({ ...vnicConfig(0), subnet: 'x' }))).toMatchObject({
      code: 'SNNET_INPUT_INVALID',
    });
  },
);

/** Another process that makes links like ours, again and again; leaves none. Gives their number. */
async function disturb(ns: string, signal: AbortSignal): Promise<number> {
  let made = 0;
  while (!signal.aborted) {
    const names = ['sbr_1', 'sgt_2', 'svn_3', 'svp_4'];
    const lines = names.flatMap((name, n) => [
      `link add ${name} type bridge`,
      `link set ${name} alias br_172.16.${n}.0+24`,
      `link set ${name} name ${name}f`,
      `link set ${name}f alias br_${vnicConfig(0).tenantId}_x_y_198.51.100.9`,
      `link delete ${name}f`,
    ]);
    await run(['ip', '-n', ns, '-batch', '-'], { input: `${lines.join('\n')}\n` });
    made += names.length;
  }
  return made;
}
