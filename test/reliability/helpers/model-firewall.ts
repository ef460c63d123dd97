/**
 * The model check of a firewall: its calls follow each other, so that each one's outcome is known
 * beforehand, whoever gives up and whatever strangers flush.
 */
import * as fc from 'fast-check';
import type { Firewall } from '#lib/firewall/index';
import { APIError } from '#lib/errors/index';
import type { FirewallAction } from '#lib/model/index';

import { CNCI, open } from '../../kernel/helpers/firewall-bed';
import type { Stage } from '../../kernel/helpers/firewall-bed';
import { patience, run, until } from '../../support/run';
import type { Outcome } from './model-run';

const PORTS = 6;
const TARGETS = 2;
const PUBLIC_IPS = 3;
const NET = CNCI.replace(/\d+$/, '');

interface Call {
  readonly what: 'port' | 'pair' | 'public';
  readonly action: FirewallAction;
  readonly index: number;
  readonly target: number;
  readonly abort: number | undefined;
}

type Turn =
  | { readonly op: 'together'; readonly calls: readonly Call[]; readonly harm: Harm | undefined }
  | { readonly op: 'reopen' };

type Harm = (typeof HARMS)[number];

const HARMS = [
  'flush ruleset',
  'delete table inet libsnnet',
  'flush table inet libsnnet',
  'add table inet theirs',
] as const;

const call = fc.record({
  what: fc.constantFrom('port' as const, 'port' as const, 'pair' as const, 'public' as const),
  action: fc.constantFrom('enable' as const, 'enable' as const, 'disable' as const),
  index: fc.nat(PORTS - 1),
  target: fc.nat(TARGETS - 1),
  abort: fc.option(fc.nat(4), { freq: 6, nil: undefined }),
});

const turn: fc.Arbitrary<Turn> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('together' as const),
      calls: fc.array(call, { minLength: 1, maxLength: 24, size: 'max' }),
      harm: fc.option(fc.constantFrom(...HARMS), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('reopen' as const) }) },
);

export interface FirewallSequence {
  /** Whether the kernel is to guard the table, where it can. */
  readonly ownership: 'owned' | 'shared';
  readonly turns: readonly Turn[];
}

export const firewallSequences: fc.Arbitrary<FirewallSequence> = fc.record({
  ownership: fc.constantFrom('owned' as const, 'shared' as const),
  turns: fc.array(turn, { minLength: 1, maxLength: 10, size: 'max' }),
});

/** Plays a sequence from nothing to nothing. */
export async function playFirewall(
  stage: Stage,
  { ownership, turns }: FirewallSequence,
): Promise<Outcome> {
  const hooks = { ownership };
  const world = new FirewallWorld(stage, await open(stage, {}, hooks), hooks);
  return await world.play(turns);
}

class FirewallWorld {
  readonly #stage: Stage;
  readonly #hooks: { readonly ownership: 'owned' | 'shared' };
  #firewall: Firewall;
  /** External port to target; public address to target. */
  readonly #ports = new Map<number, number>();
  readonly #publics = new Map<number, number>();
  readonly #pairs = new Set<number>();
  #operations = 0;

  constructor(stage: Stage, firewall: Firewall, hooks: { readonly ownership: 'owned' | 'shared' }) {
    this.#stage = stage;
    this.#firewall = firewall;
    this.#hooks = hooks;
  }

  async play(turns: readonly Turn[]): Promise<Outcome> {
    try {
      for (const each of turns) {
        this.#operations += 1;
        if (each.op === 'reopen') await this.#reopen();
        else await this.#together(each);
        await this.#compare();
      }
    } finally {
      await this.#firewall.shutdown().catch(() => undefined);
      await this.#firewall.close();
      await this.#nft('flush ruleset');
    }
    return { operations: this.#operations };
  }

  async #reopen(): Promise<void> {
    await this.#firewall.close();
    this.#firewall = await open(this.#stage, {}, this.#hooks);
  }

  async #together({ calls, harm }: Extract<Turn, { op: 'together' }>): Promise<void> {
    this.#operations += calls.length + (harm === undefined ? 0 : 1) - 1;
    const harmed = harm === undefined ? undefined : this.#nft(harm);
    const outcomes = await Promise.all(calls.map((each) => this.#send(each)));
    for (const [n, error] of outcomes.entries()) {
      const each = calls[n];
      if (each !== undefined) this.#expect(each, error);
    }
    await harmed;
  }

  /** The error, if it came to one. */
  async #send({ what, action, index, target, abort }: Call): Promise<unknown> {
    const controller = new AbortController();
    if (abort !== undefined) setTimeout(() => controller.abort(), abort);
    const options = { signal: controller.signal };
    try {
      if (what === 'port')
        await this.#firewall.extPortAccess(action, portOf(index, target), options);
      if (what === 'pair') await this.#firewall.extFwding(action, pairOf(index), options);
      if (what === 'public')
        await this.#firewall.publicIpAccess(action, publicOf(index, target), options);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** In the order in which they were asked: what the model says must have come. */
  #expect(each: Call, error: unknown): void {
    if (error instanceof APIError && error.code === 'SNNET_CALL_ABORTED') {
      if (each.abort !== undefined) return;
      throw error;
    }
    const isRefused = this.#apply(each);
    const hasConflict = error instanceof APIError && error.code === 'SNNET_FIREWALL_CONFLICT';
    if (isRefused && hasConflict) return;
    if (error !== undefined) throw new Error(JSON.stringify(each), { cause: error });
    if (isRefused) throw new Error(`not refused: ${JSON.stringify(each)}`);
  }

  /** True for what contradicts what there is. */
  #apply({ what, action, index, target }: Call): boolean {
    if (what === 'pair') {
      if (action === 'enable') this.#pairs.add(index % TARGETS);
      else this.#pairs.delete(index % TARGETS);
      return false;
    }
    const there = what === 'port' ? this.#ports : this.#publics;
    const key = what === 'port' ? index : index % PUBLIC_IPS;
    const present = there.get(key);
    if (action === 'disable') {
      if (present === target) there.delete(key);
      return false;
    }
    if (present === target) return false;
    // A public address is one workload's, and a workload has one.
    const isTaken = what === 'public' && [...there.values()].includes(target);
    if (present !== undefined || isTaken) return true;
    there.set(key, target);
    return false;
  }

  /** What others flushed comes back; then the model, the library and nft agree. */
  async #compare(): Promise<void> {
    const wanted = JSON.stringify({
      ports: [...this.#ports].map(([index, target]) => portOf(index, target).externalPort).sort(),
      publics: [...this.#publics].map(([index, target]) => publicOf(index, target).publicIp).sort(),
      pairs: [...this.#pairs].map((index) => pairOf(index).internalDevice).sort(),
    });
    let actual = '';
    await until(async () => {
      actual = await this.#actual();
      return actual === wanted;
    }, 10_000 * patience);
    if (actual !== wanted) throw new Error(`the firewall holds ${actual}\n  expected: ${wanted}`);
    const text = await this.#nft('list table inet libsnnet');
    for (let index = 0; index < PORTS; index += 1) {
      const { internalPort } = portOf(index, 0);
      const isListed = text.includes(String(internalPort));
      if (isListed !== this.#ports.has(index)) throw new Error(`nft and port ${internalPort}`);
    }
  }

  async #actual(): Promise<string> {
    try {
      const { ports, publicIps, forwardings } = await this.#firewall.state();
      return JSON.stringify({
        ports: ports.map(({ externalPort }) => externalPort).sort(),
        publics: publicIps.map(({ publicIp }) => publicIp).sort(),
        pairs: forwardings.map(({ internalDevice }) => internalDevice).sort(),
      });
    } catch (error) {
      // Flushed, and not back yet.
      return String(error);
    }
  }

  async #nft(words: string): Promise<string> {
    const argv = ['nsenter', `--net=${this.#stage.cnci.path}`, 'nft', ...words.split(' ')];
    // Where the kernel guards it, strangers are refused.
    return (await run(argv, { check: false })).stdout;
  }
}

const WORKLOADS = ['172.16.1.5', '172.16.1.6'] as const;

function portOf(index: number, target: number) {
  return {
    protocol: 'tcp' as const,
    externalDevice: 'eth0',
    externalPort: 20_000 + index,
    internalIp: WORKLOADS[target] ?? WORKLOADS[0],
    internalPort: 30_000 + index,
  };
}

function publicOf(index: number, target: number) {
  return {
    internalIp: WORKLOADS[target] ?? WORKLOADS[0],
    publicIp: `${NET}${String(100 + (index % PUBLIC_IPS))}`,
    externalDevice: 'eth0',
  };
}

function pairOf(index: number) {
  return { externalDevice: 'eth0', internalDevice: `sbr_${String((index % TARGETS) + 1)}` };
}
