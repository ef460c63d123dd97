/**
 * The model check of a concentrator: tunnels to compute nodes on several subnets, added and removed at
 * the same time, by callers who may give up, while strangers take bridges and tunnels away.
 */
import * as fc from 'fast-check';
import { openCnci } from '#lib/cnci/index';
import type { Cnci } from '#lib/cnci/index';
import { APIError } from '#lib/errors/index';

import { ipAddresses, ipLinks } from '../../support/oracle';
import type { IpLink } from '../../support/oracle';
import { run, sleep } from '../../support/run';
import type { Namespace } from '../../support/sandbox';
import { agree } from './agree';
import type { Outcome } from './model-run';

const SUBNETS = 3;
const NODES = 4;

interface Call {
  readonly op: 'add' | 'del' | 'rebuild' | 'audit';
  readonly subnet: number;
  readonly node: number;
  readonly delay: number;
  readonly abort: number | undefined;
}

interface Harm {
  readonly op: 'delete' | 'rename' | 'down' | 'detach';
  readonly victim: number;
  readonly delay: number;
}

type Turn =
  | { readonly op: 'together'; readonly calls: readonly Call[]; readonly harms: readonly Harm[] }
  | { readonly op: 'repair' | 'reopen' | 'shutdown' };

const call = fc.record({
  op: fc.constantFrom<Call['op']>('add', 'add', 'add', 'del', 'del', 'rebuild', 'audit'),
  subnet: fc.nat(SUBNETS - 1),
  node: fc.nat(NODES - 1),
  delay: fc.nat(5),
  abort: fc.option(fc.nat(5), { freq: 5, nil: undefined }),
});
const harm = fc.record({
  op: fc.constantFrom('delete' as const, 'rename' as const, 'down' as const, 'detach' as const),
  victim: fc.nat(20),
  delay: fc.nat(6),
});

function turn(withHarm: boolean): fc.Arbitrary<Turn> {
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        op: fc.constant('together' as const),
        calls: fc.array(call, { minLength: 1, maxLength: 24, size: 'max' }),
        harms: withHarm ? fc.array(harm, { maxLength: 2 }) : fc.constant([]),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constantFrom('repair' as const, 'reopen' as const, 'shutdown' as const),
      }),
    },
  );
}

export type CnciSequence = readonly Turn[];

export const cnciSequences: fc.Arbitrary<CnciSequence> = fc
  .boolean()
  .chain((withHarm) => fc.array(turn(withHarm), { minLength: 1, maxLength: 10, size: 'max' }));

/** Plays a sequence on a concentrator in a namespace that has nothing of one. */
export async function playCnci(ns: Namespace, sequence: CnciSequence): Promise<Outcome> {
  const world = new CnciWorld(ns, await openOne(ns));
  return await world.play(sequence);
}

class CnciWorld {
  readonly #ns: Namespace;
  #cnci: Cnci;
  readonly #present = new Set<string>();
  readonly #uncertain = new Set<string>();
  #isHarmed = false;
  #renamed = 0;
  #operations = 0;

  constructor(ns: Namespace, cnci: Cnci) {
    this.#ns = ns;
    this.#cnci = cnci;
  }

  async play(sequence: CnciSequence): Promise<Outcome> {
    try {
      for (const each of sequence) await this.#take(each);
      await this.#finish();
    } finally {
      await this.#cnci.shutdown().catch(() => undefined);
      await this.#cnci.settle().catch(() => undefined);
      await this.#cnci.close();
    }
    return { operations: this.#operations };
  }

  async #take(each: Turn): Promise<void> {
    this.#operations += 1;
    if (each.op === 'together') await this.#together(each);
    else if (each.op === 'repair') await this.#repair();
    else if (each.op === 'shutdown') {
      const { failed } = await this.#cnci.shutdown();
      if (failed.length > 0) throw new Error(`a shutdown left ${JSON.stringify(failed)}`);
      this.#present.clear();
      this.#uncertain.clear();
    } else {
      // What strangers took, the next process does not know of.
      if (this.#isHarmed) await this.#repair();
      await this.#cnci.close();
      this.#cnci = await openOne(this.#ns);
    }
  }

  async #together({ calls, harms }: Extract<Turn, { op: 'together' }>): Promise<void> {
    this.#operations += calls.length + harms.length - 1;
    if (harms.length > 0) this.#isHarmed = true;
    const balance = new Map<string, number>();
    await Promise.all([
      ...calls.map((each) => this.#perform(each, balance)),
      ...harms.map((each) => this.#harm(each)),
    ]);
    await this.#cnci.rebuildTopology();
    for (const [name, change] of balance) {
      const count = (this.#present.has(name) ? 1 : 0) + change;
      if (this.#isHarmed || this.#uncertain.has(name)) this.#uncertain.add(name);
      else if (count !== 0 && count !== 1) throw new Error(`${name} is there ${count} times`);
      if (count > 0) this.#present.add(name);
      else this.#present.delete(name);
    }
    if (!this.#isHarmed) this.#compare();
  }

  async #perform({ op, subnet, node, delay, abort }: Call, balance: Map<string, number>) {
    await sleep(delay);
    const controller = new AbortController();
    if (abort !== undefined) setTimeout(() => controller.abort(), abort);
    const { signal } = controller;
    const config = configOf(subnet, node);
    const name = nameOf(config.subnet, config.cnIp);
    try {
      const change = await this.#send(op, config, signal);
      note(balance, name, change);
      // What a stranger had deleted already was not removed by this call, and stays away.
      if (op === 'del' && this.#isHarmed) this.#uncertain.add(name);
    } catch (error) {
      if (!(error instanceof APIError)) throw error;
      const hasGivenUp = error.code === 'SNNET_CALL_ABORTED' && abort !== undefined;
      if (!hasGivenUp && !this.#isHarmed) throw error;
      if (op === 'del' || op === 'add') this.#uncertain.add(name);
    }
  }

  /** How many tunnels more there are. */
  async #send(
    op: Call['op'],
    config: ReturnType<typeof configOf>,
    signal: AbortSignal,
  ): Promise<number> {
    switch (op) {
      case 'add':
        return (await this.#cnci.addRemoteSubnet(config, { signal })).created.tunnel ? 1 : 0;
      case 'del':
        return (await this.#cnci.delRemoteSubnet(config, { signal })).removed ? -1 : 0;
      case 'rebuild':
        await this.#cnci.rebuildTopology({ signal });
        return 0;
      case 'audit':
        await this.#cnci.audit({ signal });
        return 0;
    }
  }

  async #harm({ op, victim, delay }: Harm): Promise<void> {
    await sleep(delay);
    const links = this.#cnci
      .topology()
      .subnets.flatMap(({ bridge, tunnels }) => [bridge?.linkName, tunnels[0]?.linkName]);
    const link = links.filter((name) => name !== undefined)[victim % Math.max(links.length, 1)];
    if (link === undefined) return;
    const words = {
      delete: ['delete', link],
      rename: ['set', link, 'name', `r${String((this.#renamed += 1))}`],
      down: ['set', link, 'down'],
      detach: ['set', link, 'nomaster'],
    }[op];
    await run(['ip', '-n', this.#ns.name, 'link', ...words], { check: false });
  }

  async #repair(): Promise<void> {
    for (let n = 0; n < 3; n += 1) {
      const { left } = await this.#cnci.repair();
      const { findings } = await this.#cnci.audit();
      if (findings.length === 0) return;
      if (n === 2) throw new Error(`not repaired: ${JSON.stringify({ left, findings })}`);
    }
  }

  /** Those that nobody gave up on and no stranger came near are there, and no others. */
  #compare(): void {
    const actual = new Set(
      this.#cnci
        .topology()
        .subnets.flatMap(({ subnet, tunnels }) => tunnels.map(({ cnIp }) => nameOf(subnet, cnIp))),
    );
    for (const name of this.#uncertain) {
      if (actual.has(name)) this.#present.add(name);
      else this.#present.delete(name);
    }
    this.#uncertain.clear();
    agree('tunnels', [...actual].sort(), [...this.#present].sort());
  }

  async #finish(): Promise<void> {
    await this.#repair();
    await this.#cnci.settle();
    // What strangers deleted is back: whoever called for it still has it.
    this.#compare();
    agree('disorder', await this.#disorder(), []);
    const before = JSON.stringify(sorted(this.#cnci));
    await this.#cnci.close();
    this.#cnci = await openOne(this.#ns);
    agree('topology after a restart', JSON.stringify(sorted(this.#cnci)), before);
    await this.#cnci.shutdown();
    await this.#cnci.settle();
    agree('links at the end', (await ours(this.#ns)).length, 0);
  }

  /** As the official tools see it: bridges up, with their gateway's address; tunnels up, and ports. */
  async #disorder(): Promise<string[]> {
    const links = await ours(this.#ns);
    const addresses = await ipAddresses(this.#ns);
    const problems: string[] = [];
    for (const { ifname, ifalias = '', flags, master } of links) {
      if (!flags.includes('UP')) problems.push(`${ifname} is down`);
      if (!ifalias.startsWith('br_')) {
        const bridge = links.find((link) => link.ifname === master);
        const subnet = ifalias.replace(/^[a-z]+_/, '').replace(/##.*$/, '');
        if (bridge?.ifalias !== `br_${subnet}`) problems.push(`${ifname} is not on its bridge`);
        continue;
      }
      const gateway = `${ifalias.slice('br_'.length).replace(/\.0\+24$/, '')}.1`;
      const has = addresses.some((row) => row.ifname === ifname && row.local === gateway);
      if (!has) problems.push(`${ifname} has no ${gateway}`);
    }
    return problems;
  }
}

function note(balance: Map<string, number>, name: string, change: number): void {
  if (change !== 0) balance.set(name, (balance.get(name) ?? 0) + change);
}

function openOne(ns: Namespace): Promise<Cnci> {
  const options = {
    id: '1f8b0000-0000-4000-8000-0000000000c1',
    tenantId: 'alpha',
    dhcp: false as const,
    mode: 'vxlan' as const,
    computeNets: ['198.51.100.0/24'],
    netns: ns.path,
    allowVethUplink: true,
    timeoutMs: 60_000,
  };
  return openCnci(options, {});
}

function configOf(subnet: number, node: number) {
  const cnIp = `198.51.100.${String(20 + node)}`;
  return { subnet: `172.16.${String(subnet)}.0/24`, subnetKey: 1000 + subnet, cnIp };
}

function nameOf(subnet: string, cnIp: string): string {
  return `${subnet} ${cnIp}`;
}

async function ours(ns: Namespace): Promise<IpLink[]> {
  return (await ipLinks(ns)).filter(
    ({ ifalias = '' }) => /^(br|vxlan)_/.test(ifalias) && ifalias !== 'vxlan_anchor',
  );
}

function sorted(cnci: Cnci): unknown {
  return cnci
    .topology()
    .subnets.map(({ subnet, bridge, tunnels }) => ({
      subnet,
      bridge,
      tunnels: [...tunnels].sort((a, b) => a.cnIp.localeCompare(b.cnIp)),
    }))
    .sort((a, b) => a.subnet.localeCompare(b.subnet));
}
