/**
 * The `nft -f` peer: the same elements in the same kind of map, one process per operation. Where
 * packets are measured it is the smallest ruleset that translates: a chain, a rule, a map.
 */
import { spawnSync } from 'node:child_process';

import {
  EXTERNAL,
  ONES,
  cyclesFor,
  describeMappings,
  describePublicIp,
  microsecondsSince,
  serve,
  type Answer,
  type Command,
} from '../../protocol';
import { WIRE, measureFlows } from '../../wire';

const CYCLES = 25;
const TABLE = `table inet bench {
  map ports { type inet_proto . inet_service : ipv4_addr . inet_service; size 196608; }
  map published { type ipv4_addr : ipv4_addr; }
  map sources { type ipv4_addr . ifname : ipv4_addr; }
}
`;
const RULE = `table inet bench {
  chain arrive {
    type nat hook prerouting priority dstnat;
    iifname ${WIRE.external} dnat ip to meta l4proto . th dport map @ports
  }
}
`;

function run(program: string, args: readonly string[], input: string): string {
  const result = spawnSync(program, args, { input, encoding: 'utf8', maxBuffer: 1 << 30 });
  if (result.status !== 0) throw new Error(`${program}: ${result.stderr.trim().slice(0, 300)}`);
  return result.stdout;
}

const nft = (text: string): string => run('nft', ['-f', '-'], text);

function elements(verb: 'add' | 'delete', from: number, count: number): string {
  const rows = describeMappings(from, count).map(({ externalPort, internalIp, internalPort }) =>
    verb === 'add'
      ? `tcp . ${externalPort} : ${internalIp} . ${internalPort}`
      : `tcp . ${externalPort}`,
  );
  return `${verb} element inet bench ports { ${rows.join(', ')} }\n`;
}

interface Listed {
  readonly nftables: readonly { readonly map?: { readonly elem?: readonly unknown[] } }[];
}

function countElements(map: string): number {
  const text = run('nft', ['-j', 'list', 'map', 'inet', 'bench', map], '');
  const { nftables } = JSON.parse(text) as Listed;
  return nftables.reduce((sum, row) => sum + (row.map?.elem?.length ?? 0), 0);
}

function time(us: number[], work: () => void): void {
  const start = process.hrtime.bigint();
  work();
  us.push(microsecondsSince(start));
}

function forward(n: number, which: 'on' | 'off'): Answer {
  const on: number[] = [];
  const off: number[] = [];
  const [add, remove] = [elements('add', 0, n), elements('delete', 0, n)];
  let count = 0;
  const { warmUp, timed } = cyclesFor(n);
  for (let i = -warmUp; i < timed; i++) {
    time(on, () => nft(add));
    count = countElements('ports');
    time(off, () => nft(remove));
    count -= countElements('ports');
  }
  return { us: (which === 'on' ? on : off).slice(warmUp), count };
}

function forwardOne(present: number): Answer {
  const us: number[] = [];
  nft(elements('add', 0, present));
  for (let i = 0; i < ONES; i++) {
    if (i > 0) nft(elements('delete', present, 1));
    time(us, () => nft(elements('add', present, 1)));
  }
  return { us, count: countElements('ports') };
}

/** Two processes: the addresses come by `ip -batch`. */
function publicIp(n: number): Answer {
  const us: number[] = [];
  const all = Array.from({ length: n }, (_, i) => describePublicIp(i));
  const published = all.map(({ publicIp, internalIp }) => `${publicIp} : ${internalIp}`);
  const sources = all.map((row) => `${row.internalIp} . ${EXTERNAL} : ${row.publicIp}`);
  const text =
    `add element inet bench published { ${published.join(', ')} }\n` +
    `add element inet bench sources { ${sources.join(', ')} }\n`;
  const addresses = (verb: 'add' | 'del'): string =>
    all.map((row) => `addr ${verb} ${row.publicIp}/32 dev ${EXTERNAL}\n`).join('');
  let count = 0;
  for (let i = 0; i < CYCLES; i++) {
    time(us, () => {
      run('ip', ['-batch', '-'], addresses('add'));
      nft(text);
    });
    count = countElements('published');
    nft('flush map inet bench published\nflush map inet bench sources\n');
    run('ip', ['-batch', '-'], addresses('del'));
  }
  return { us, count };
}

function readopt(n: number): Answer {
  const us: number[] = [];
  let count = 0;
  nft(elements('add', 0, n));
  for (let i = 0; i < CYCLES; i++) time(us, () => (count = countElements('ports')));
  return { us, count };
}

function execute(command: Command): Promise<Answer> | Answer {
  if (['new-flow', 'new-flow-over', 'established-flow'].includes(command.cmd)) {
    return measureFlows(
      command,
      () => void nft(TABLE + RULE + elements('add', 0, command.present)),
    );
  }
  nft(`add table inet bench\ndelete table inet bench\n${TABLE}`);
  switch (command.cmd) {
    case 'forward':
      return forward(command.n, 'on');
    case 'forward-off':
      return forward(command.n, 'off');
    case 'forward-one':
      return forwardOne(command.present);
    case 'public-ip':
      return publicIp(command.n);
    case 'readopt':
      return readopt(command.n);
    default:
      throw new Error(`unknown command ${command.cmd}`);
  }
}

void serve(async (command) => execute(command));
