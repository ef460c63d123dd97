/**
 * What a runtime does to attach containers, the same for every plugin: namespaces made before the clock
 * starts, the plugin's program run with an environment and a configuration, its end awaited.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';

import { microsecondsSince, type Answer, type Command } from './protocol';

/** A plugin under measurement. */
export interface CniContestant {
  readonly file: string;
  /** `CNI_PATH`. */
  readonly path: string;
  /** The network configuration for the n-th container, n from 0. */
  readonly config: (n: number) => object;
}

/** Rounds before the clock starts. */
const WARM_UP = 3;
let names = 0;

interface Container {
  readonly id: string;
  readonly netns: string;
  readonly config: object;
}

function ip(lines: readonly string[]): void {
  execFileSync('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` });
}

function makeContainers(contestant: CniContestant, n: number): Container[] {
  const containers = Array.from({ length: n }, (_, i) => {
    const id = `bench-${String(process.pid)}-${String(++names)}`;
    return { id, netns: `/run/netns/${id}`, config: contestant.config(i) };
  });
  ip(containers.map(({ id }) => `netns add ${id}`));
  return containers;
}

function removeContainers(containers: readonly Container[]): void {
  ip(containers.map(({ id }) => `netns del ${id}`));
}

function environment(contestant: CniContestant, command: string, container: Container) {
  return {
    PATH: process.env['PATH'] ?? '',
    CNI_COMMAND: command,
    CNI_CONTAINERID: container.id,
    CNI_NETNS: container.netns,
    CNI_IFNAME: 'eth0',
    CNI_PATH: contestant.path,
  };
}

/** One at a time; gives what the plugin printed. */
function call(contestant: CniContestant, command: string, container: Container): unknown {
  const env = environment(contestant, command, container);
  const input = JSON.stringify(container.config);
  const { status, stdout } = spawnSync(contestant.file, [], { env, input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ended with ${String(status)}: ${stdout}`);
  return stdout === '' ? undefined : JSON.parse(stdout);
}

/** The same without waiting: many are under way at once. */
function begin(contestant: CniContestant, command: string, container: Container): Promise<void> {
  const env = environment(contestant, command, container);
  const child = spawn(contestant.file, [], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(container.config));
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      if (status === 0) resolve();
      else reject(new Error(`${command} ended with ${String(status)}: ${said}`));
    });
  });
}

/** As a runtime does: what ADD said comes with DEL. */
function withResult(container: Container, prevResult: unknown): Container {
  return { ...container, config: { ...container.config, prevResult } };
}

function countVeths(): number {
  const said = execFileSync('ip', ['-o', 'link', 'show', 'type', 'veth'], { encoding: 'utf8' });
  // The underlay of the bench is one too.
  return said.split('\n').filter((line) => line !== '' && !line.includes(': eth0@')).length;
}

function oneByOne(
  contestant: CniContestant,
  n: number,
): { add: number[]; del: number[]; seen: number } {
  const containers = makeContainers(contestant, n + WARM_UP);
  const add: number[] = [];
  const added = containers.map((container) => {
    const start = process.hrtime.bigint();
    const result = call(contestant, 'ADD', container);
    add.push(microsecondsSince(start));
    return withResult(container, result);
  });
  const seen = countVeths() - WARM_UP;
  const del = added.map((container) => {
    const start = process.hrtime.bigint();
    call(contestant, 'DEL', container);
    return microsecondsSince(start);
  });
  removeContainers(containers);
  return { add: add.slice(WARM_UP), del: del.slice(WARM_UP), seen };
}

async function allAtOnce(contestant: CniContestant, n: number): Promise<Answer> {
  oneByOne(contestant, 1);
  const containers = makeContainers(contestant, n);
  const start = process.hrtime.bigint();
  await Promise.all(containers.map((container) => begin(contestant, 'ADD', container)));
  const us = [microsecondsSince(start)];
  const count = countVeths();
  await Promise.all(containers.map((container) => begin(contestant, 'DEL', container)));
  removeContainers(containers);
  return { us, count };
}

/** Nothing where the command is for somebody else. */
export async function measureCni(
  contestant: CniContestant,
  { cmd, n }: Command,
): Promise<Answer | undefined> {
  switch (cmd) {
    case 'cni-add': {
      const { add, seen } = oneByOne(contestant, n);
      return { us: add, count: seen };
    }
    case 'cni-del': {
      const { del, seen } = oneByOne(contestant, n);
      return { us: del, count: seen };
    }
    case 'cni-add-all':
      return await allAtOnce(contestant, n);
    default:
      return undefined;
  }
}
