/** A table of nftables with an owner, which kernels learnt one after the other: so every kernel runs this. */
import { Kernel } from '#lib/kernel/index';
import { makePlan } from '#lib/plan/index';
import type { NftCommand } from '#lib/plan/index';
import { needs } from '../support/reasons';
import { run } from '../support/run';
import { Bed, rejection } from './helpers/bed';
import { forward, nft, portMap, T, table, transaction } from './helpers/nft';

needs('nftables')(
  'a table with an owner is nobody else’s, not even for nft flush ruleset',
  async () => {
    await using bed = await Bed.open();
    await bed.run([transaction(table(['owner']), forward)]);
    expect((await bed.kernel.nft('inet', 'ours'))?.owner).toBeGreaterThan(0);
    await nft(bed.ns, 'flush ruleset');
    const denied = await run(
      ['nsenter', `--net=${bed.ns.path}`, 'nft', 'delete', 'table', 'inet', 'ours'],
      { check: false },
    );
    expect(denied.status).not.toBe(0);
    const other = await Kernel.open({ netns: bed.ns.name });
    const error = await rejection(other.run(makePlan('test', [transaction(portMap)])));
    expect(error).toMatchObject({ code: 'SNNET_PRIVILEGE_MISSING', cause: { name: 'EPERM' } });
    expect((await other.nft('inet', 'ours'))?.chains).toHaveLength(1);
    await bed.kernel.close();
    expect(await other.nft('inet', 'ours')).toBeUndefined();
    await other.close();
  },
);

needs('nftables', 'nft-persist')(
  'a table that persists outlives its owner and is adopted by another',
  async () => {
    await using bed = await Bed.open();
    await bed.run([transaction(table(['owner', 'persist']), forward)]);
    await bed.kernel.close();
    const next = await Kernel.open({ netns: bed.ns.name });
    expect(await next.nft('inet', 'ours')).toMatchObject({ flags: ['persist'], owner: 0 });
    const adopt: NftCommand = { op: 'table.set', ...T, flags: ['owner', 'persist'] };
    await next.run(makePlan('test', [transaction(adopt, portMap)]));
    const adopted = await next.nft('inet', 'ours');
    expect(adopted?.flags).toEqual(['owner', 'persist']);
    expect(adopted?.owner).toBeGreaterThan(0);
    await nft(bed.ns, 'flush ruleset');
    expect((await next.nft('inet', 'ours'))?.chains).toHaveLength(1);
    await next.close();
  },
);
