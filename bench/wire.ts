/**
 * What a packet pays for the rules: a sender at the one end of a veth, the machine with the rules at
 * the other, a workload's network behind it that swallows everything.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { parseAnswer, type Answer, type Command } from './protocol';
import { median } from './report';

const FLOOR = resolve(__dirname, '../../build/bench/floor');
/** As in peers/floor/packets.c. */
const BURST = 250;

/** Links and addresses as in peers/floor/packets.c. */
export const WIRE = {
  external: 'ext0',
  sender: 'wire0',
  inside: 'sbr_bench',
  sink: 'sink0',
} as const;

// All workloads are behind one neighbour, which the kernel knows: nothing is asked for. It is not the
// one at the other end of the link, so what arrives there is dropped at once.
function layWire(): void {
  const lines = [
    `link add ${WIRE.external} type veth peer name ${WIRE.sender}`,
    `link add ${WIRE.inside} type veth peer name ${WIRE.sink}`,
    `addr add 203.0.113.1/24 dev ${WIRE.external}`,
    `addr add 10.255.0.1/30 dev ${WIRE.inside}`,
    ...Object.values(WIRE).map((link) => `link set ${link} up`),
    `neigh add 10.255.0.2 lladdr 02:00:00:00:00:99 nud permanent dev ${WIRE.inside}`,
    `route add 172.16.0.0/16 via 10.255.0.2 dev ${WIRE.inside}`,
  ];
  // The kernel's own packets of IPv6 would be counted.
  writeFileSync('/proc/sys/net/ipv6/conf/all/disable_ipv6', '1');
  execFileSync('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` });
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
}

type Sending = 'send-plain' | 'send-new' | 'send-established';

/** @returns Microseconds per packet, one figure for each burst. */
function send(cmd: Sending, n: number, ports: number): { us: number[]; count: number } {
  const input = `${JSON.stringify({ cmd, n, present: ports })}\n`;
  const { stdout, error } = spawnSync(FLOOR, [], { input, encoding: 'utf8', maxBuffer: 1 << 24 });
  if (error) throw error;
  const answer = parseAnswer(stdout.trim().split('\n').at(-1) ?? '');
  if (answer === 'ready') throw new Error('the sender ended without an answer');
  return { us: answer.us.map((burst) => burst / BURST), count: answer.count };
}

/**
 * Sends packets without any rules, loads the rules, sends packets again. The count is of those that
 * reached the workload's network.
 */
export async function measureFlows(
  { cmd, n, present }: Command,
  loadRules: () => Promise<void> | void,
): Promise<Answer> {
  layWire();
  const plain = send('send-plain', n, present);
  await loadRules();
  const { us, count } = send(
    cmd === 'established-flow' ? 'send-established' : 'send-new',
    n,
    present,
  );
  if (cmd !== 'new-flow-over') return { us, count };
  if (plain.count !== n) throw new Error(`${plain.count} of ${n} arrived without any rules`);
  return { us, count, value: (median(us) - median(plain.us)) * 1000 };
}
