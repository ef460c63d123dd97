/**
 * `npm run bench`: our library against the floor and the others, interleaved, in fresh namespaces.
 *
 * Options: `--json FILE`, `--only TRIAL,TRIAL`, `--rounds N`. Needs root.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { buildPeers, type PeerBuild } from './build';
import { Namespaces, type BenchNamespace } from './namespace';
import { Peer } from './peer';
import type { Answer, PeerName } from './protocol';
import { describeMachine, formatReport, median, toJson, type Outcome } from './report';
import { TRIALS, type Trial } from './trials';

const DEFAULT_ROUNDS = 3;

interface Options {
  readonly json: string | undefined;
  readonly trials: readonly Trial[];
  readonly rounds: number;
}

function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: { json: { type: 'string' }, only: { type: 'string' }, rounds: { type: 'string' } },
  });
  const only = values.only?.split(',');
  const unknown = only?.filter((name) => !TRIALS.some((trial) => trial.name === name)) ?? [];
  if (unknown.length > 0) {
    const known = TRIALS.map((trial) => trial.name).join(', ');
    throw new Error(`no such trial: ${unknown.join(', ')}; there are ${known}`);
  }
  const rounds = Number(values.rounds ?? DEFAULT_ROUNDS);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error('--rounds takes a whole number from 1');
  const trials = TRIALS.filter((trial) => !only || only.includes(trial.name));
  return { json: values.json, trials, rounds };
}

/** The figure of one round, in the trial's unit. */
function figureOf(trial: Trial, answer: Answer): number {
  if (answer.count !== trial.count) {
    throw new Error(`worked on ${answer.count}, where ${trial.count} were expected`);
  }
  if (answer.value !== undefined) return answer.value;
  const middle = median(answer.us);
  return trial.unit === 'ms' ? middle / 1000 : trial.unit === 'ns' ? middle * 1000 : middle;
}

class Driver {
  readonly #namespaces: Namespaces;
  readonly #builds: Record<PeerName, PeerBuild>;

  constructor(namespaces: Namespaces, builds: Record<PeerName, PeerBuild>) {
    this.#namespaces = namespaces;
    this.#builds = builds;
  }

  async measure(trial: Trial, asked: number): Promise<Outcome> {
    const rounds = Math.max(asked, trial.leastRounds ?? asked);
    const peers = trial.peers.filter((peer) => 'argv' in this.#builds[peer]);
    const seen = new Map<PeerName, number[]>();
    const failures: Partial<Record<PeerName, string>> = {};
    for (let round = 0; round < rounds; round++) {
      const turn = peers.map((_, place) => peers[(place + round) % peers.length]);
      const due = turn.filter(
        (peer): peer is PeerName =>
          peer !== undefined &&
          failures[peer] === undefined &&
          round < (trial.mostRounds?.[peer] ?? rounds),
      );
      await this.#round(trial, due, seen, failures);
    }
    const figures: Partial<Record<PeerName, number>> = {};
    for (const [peer, values] of seen) figures[peer] = median(values);
    return { trial, figures, failures };
  }

  async #round(
    trial: Trial,
    due: readonly PeerName[],
    seen: Map<PeerName, number[]>,
    failures: Partial<Record<PeerName, string>>,
  ): Promise<void> {
    let shared: BenchNamespace | undefined;
    for (const peer of due) {
      const namespace = shared ?? (await this.#prepare(trial));
      if (trial.readsOnly) shared = namespace;
      try {
        const figure = figureOf(trial, await this.#ask(peer, namespace, trial));
        seen.set(peer, [...(seen.get(peer) ?? []), figure]);
      } catch (error) {
        failures[peer] = error instanceof Error ? error.message : String(error);
      } finally {
        if (!shared) await this.#namespaces.remove(namespace);
      }
    }
    if (shared) await this.#namespaces.remove(shared);
  }

  /** A namespace with what the trial wants to find there, made by the quickest peer at hand. */
  async #prepare(trial: Trial): Promise<BenchNamespace> {
    const namespace = this.#namespaces.create();
    if (!trial.prepare) return namespace;
    const maker: PeerName = 'argv' in this.#builds.floor ? 'floor' : 'ours';
    const peer = await this.#start(maker, namespace, trial);
    try {
      await peer.run({ cmd: 'populate', present: 0, ...trial.prepare });
    } finally {
      await peer.stop();
    }
    return namespace;
  }

  async #ask(name: PeerName, namespace: BenchNamespace, trial: Trial): Promise<Answer> {
    const peer = await this.#start(name, namespace, trial);
    try {
      if (trial.warmUp) await peer.run(trial.run);
      return await peer.run(trial.run);
    } finally {
      await peer.stop();
    }
  }

  #start(name: PeerName, namespace: BenchNamespace, trial: Trial): Promise<Peer> {
    const build = this.#builds[name];
    if ('absent' in build) throw new Error(build.absent);
    return Peer.start(namespace.name, build.argv, trial.keepsMounts);
  }
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (process.getuid?.() !== 0)
    throw new Error('the bench makes network namespaces: run it as root');
  const builds = buildPeers();
  const absent: Partial<Record<PeerName, string>> = {};
  for (const name of Object.keys(builds) as PeerName[]) {
    const build = builds[name];
    if ('absent' in build) absent[name] = build.absent;
  }
  console.error(describeMachine());
  const namespaces = new Namespaces();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      namespaces.close();
      process.exit(130);
    });
  }
  const outcomes: Outcome[] = [];
  try {
    const driver = new Driver(namespaces, builds);
    for (const trial of options.trials) {
      const start = performance.now();
      outcomes.push(await driver.measure(trial, options.rounds));
      console.error(`${trial.name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
  } finally {
    namespaces.close();
  }
  process.stdout.write(formatReport(outcomes, absent));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(toJson(outcomes), null, 2)}\n`);
  const failed = outcomes.some(({ failures }) => Object.keys(failures).length > 0);
  process.exitCode = failed ? 1 : 0;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
});
