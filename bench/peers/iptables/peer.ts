/**
 * The `iptables` peer: a rule for each mapping, as the Go original makes them, by the program that
 * writes nf_tables. A mapping that comes is two processes (is it there? then append it), one that goes
 * is one. A shell that is started once starts them: cheaper than from here.
 */
import { spawnSync } from 'node:child_process';

import {
  EXTERNAL,
  ONES,
  describeMappings,
  describePublicIp,
  microsecondsSince,
  serve,
  type Answer,
  type BenchMapping,
  type Command,
} from '../../protocol';
import { WIRE, measureFlows } from '../../wire';

const CYCLES = 9;

function run(program: string, args: readonly string[], input: string): string {
  const result = spawnSync(program, args, { input, encoding: 'utf8', maxBuffer: 1 << 30 });
  if (result.status !== 0) throw new Error(`${program}: ${result.stderr.trim().slice(0, 300)}`);
  return result.stdout;
}

const shell = (lines: readonly string[]): string => run('sh', ['-e'], lines.join('\n'));

function ruleOf({ externalPort, internalIp, internalPort }: BenchMapping, device: string): string {
  return `PREROUTING -i ${device} -p tcp --dport ${externalPort} -j DNAT --to-destination ${internalIp}:${internalPort}`;
}

/** Appends a rule that is not there. */
const appendUnique = (rule: string): string =>
  `iptables-nft -w -t nat -C ${rule} 2>/dev/null || iptables-nft -w -t nat -A ${rule}`;

const remove = (rule: string): string => `iptables-nft -w -t nat -D ${rule}`;

const rules = (from: number, count: number, device: string = EXTERNAL): string[] =>
  describeMappings(from, count).map((mapping) => ruleOf(mapping, device));

/** Many at once, to be there before the clock starts. */
function restore(lines: readonly string[]): void {
  const text = ['*nat', ...lines.map((rule) => `-A ${rule}`), 'COMMIT', ''].join('\n');
  run('iptables-nft-restore', ['--noflush'], text);
}

function countRules(): number {
  const text = run('iptables-nft', ['-t', 'nat', '-S', 'PREROUTING'], '');
  return text.split('\n').filter((line) => line.startsWith('-A')).length;
}

function time(us: number[], work: () => void): void {
  const start = process.hrtime.bigint();
  work();
  us.push(microsecondsSince(start));
}

/** Once: it takes seconds. */
function forward(n: number): Answer {
  const us: number[] = [];
  const lines = rules(0, n).map(appendUnique);
  time(us, () => shell(lines));
  return { us, count: countRules() };
}

function forwardOff(n: number): Answer {
  const us: number[] = [];
  restore(rules(0, n));
  const there = countRules();
  time(us, () => shell(rules(0, n).map(remove)));
  return { us, count: there - countRules() };
}

function forwardOne(present: number): Answer {
  const us: number[] = [];
  restore(rules(0, present));
  const one = rules(present, 1);
  for (let i = 0; i < ONES; i++) {
    if (i > 0) shell(one.map(remove));
    time(us, () => shell(one.map(appendUnique)));
  }
  return { us, count: countRules() };
}

/** The original's five processes for each: it asks for the program's version first. */
function publicIp(n: number): Answer {
  const us: number[] = [];
  const lines = Array.from({ length: n }, (_, i) => {
    const { publicIp, internalIp } = describePublicIp(i);
    return [
      `ip addr add ${publicIp}/32 dev ${EXTERNAL}`,
      'iptables-nft --version >/dev/null',
      appendUnique(`PREROUTING -d ${publicIp} -j DNAT --to-destination ${internalIp}`),
      appendUnique(`POSTROUTING -s ${internalIp} -j SNAT --to-source ${publicIp}`),
    ].join('\n');
  });
  time(us, () => shell(lines));
  return { us, count: countRules() };
}

function readopt(n: number): Answer {
  const us: number[] = [];
  let count = 0;
  restore(rules(0, n));
  for (let i = 0; i < CYCLES; i++) time(us, () => (count = countRules()));
  return { us, count };
}

function execute(command: Command): Promise<Answer> | Answer {
  switch (command.cmd) {
    case 'forward':
      return forward(command.n);
    case 'forward-off':
      return forwardOff(command.n);
    case 'forward-one':
      return forwardOne(command.present);
    case 'public-ip':
      return publicIp(command.n);
    case 'readopt':
      return readopt(command.n);
    case 'new-flow':
    case 'new-flow-over':
    case 'established-flow':
      return measureFlows(command, () => {
        restore(rules(0, command.present, WIRE.external));
      });
    default:
      throw new Error(`unknown command ${command.cmd}`);
  }
}

void serve(async (command) => execute(command));
