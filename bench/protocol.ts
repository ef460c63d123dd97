/**
 * What the driver and its peers say to each other: one JSON line each way.
 */

/** The peers that trials are measured against, and ourselves. */
export type PeerName =
  | 'ours'
  | 'floor'
  | 'go'
  | 'go-iptables'
  | 'ip-batch'
  | 'nft-f'
  | 'iptables'
  | 'cni-bridge'
  | 'docker-bridge';

export type CommandName =
  | 'create-worst-vm'
  | 'create-best-vm'
  | 'create-best-container'
  | 'destroy-best-vm'
  | 'destroy-worst-vm-answered'
  | 'destroy-worst-vm-gone'
  | 'load-create'
  | 'load-destroy'
  | 'populate'
  | 'rebuild'
  | 'reset'
  | 'event-loop'
  | 'rss'
  | 'repoint'
  | 'subnet-24'
  | 'subnet-16'
  | 'forward'
  | 'forward-off'
  | 'forward-one'
  | 'public-ip'
  | 'readopt'
  | 'new-flow'
  | 'new-flow-over'
  | 'established-flow'
  | 'docker-run'
  | 'cni-add'
  | 'cni-add-ipam'
  | 'cni-add-all'
  | 'cni-add-all-ipam'
  | 'cni-del'
  | 'cni-del-ipam'
  | 'cni-rss'
  | 'ssntp-write'
  | 'ssntp-read'
  | 'agent-added'
  | 'agent-restart'
  | 'agent-rss';

export interface Command {
  readonly cmd: CommandName;
  /** VNICs, mappings, packets or repeats. */
  readonly n: number;
  readonly subnets: number;
  /** Port mappings that are there before the clock starts. */
  readonly present: number;
}

export interface Answer {
  /** Time of each operation, microseconds, by a monotonic clock inside the peer. */
  readonly us: readonly number[];
  /** VNICs or links that the peer worked on or saw: proof that the work was done. */
  readonly count: number;
  /** What is no time: milliseconds above idle, mebibytes. */
  readonly value?: number;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** @throws Error with the peer's own words when it reports a failure */
export function parseAnswer(line: string): Answer | 'ready' {
  const value: unknown = JSON.parse(line);
  if (!isRecord(value)) throw new Error(`a peer said ${line}`);
  if (value['ready'] === true) return 'ready';
  if (typeof value['error'] === 'string') throw new Error(value['error']);
  const { us, count, value: figure } = value;
  if (!Array.isArray(us) || typeof count !== 'number') throw new Error(`a peer said ${line}`);
  const times = us.map(Number);
  return typeof figure === 'number' ? { us: times, count, value: figure } : { us: times, count };
}

export function parseCommand(line: string): Command {
  const value: unknown = JSON.parse(line);
  if (!isRecord(value) || typeof value['cmd'] !== 'string') throw new Error(`no command: ${line}`);
  return {
    cmd: value['cmd'] as CommandName,
    n: typeof value['n'] === 'number' ? value['n'] : 20,
    subnets: typeof value['subnets'] === 'number' ? value['subnets'] : 1,
    present: typeof value['present'] === 'number' ? value['present'] : 0,
  };
}

/** Serves commands from standard input until it ends; for peers written in TypeScript. */
export async function serve(run: (command: Command) => Promise<Answer>): Promise<void> {
  const { createInterface } = await import('node:readline');
  const say = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value)}\n`);
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await run(parseCommand(line)));
    } catch (error) {
      say({ error: error instanceof Error ? error.message : String(error) });
    }
  }
}

/** Microseconds since `start`, a reading of `process.hrtime.bigint()`. */
export function microsecondsSince(start: bigint): number {
  return Number(process.hrtime.bigint() - start) / 1000;
}

const hex12 = (value: number): string => value.toString(16).padStart(12, '0');

/** Identity of a VNIC, the same in every peer: the aliases that they write agree. */
export interface BenchVnic {
  readonly tenantId: string;
  readonly subnetId: string;
  readonly concId: string;
  readonly concIp: string;
  readonly vnicId: string;
  readonly vnicIp: string;
  readonly vnicMac: string;
  readonly subnet: string;
  readonly subnetKey: number;
}

/** The `port`-th VNIC (from 0) of the `number`-th subnet (from 1). */
export function describeVnic(number: number, port: number): BenchVnic {
  const network = `10.${number >> 8}.${number & 255}`;
  const octet = (value: number): string => (value & 255).toString(16).padStart(2, '0');
  return {
    tenantId: `11111111-1111-4111-8111-${hex12(number)}`,
    subnetId: `22222222-2222-4222-8222-${hex12(number)}`,
    concId: '33333333-3333-4333-8333-333333333333',
    concIp: '198.51.100.9',
    vnicId: `44444444-4444-4444-8444-${hex12(number * 65536 + port)}`,
    vnicIp: `${network}.${port + 2}`,
    vnicMac: `02:00:${octet(number >> 8)}:${octet(number)}:${octet(port >> 8)}:${octet(port)}`,
    subnet: `${network}.0/24`,
    subnetKey: 1000 + number,
  };
}

/** The alias scope of a subnet: what stands after `br_`, `vxlan_` and `vnic_`. */
export function formatScope(vnic: BenchVnic): string {
  return [vnic.tenantId, vnic.subnetId, vnic.concId, vnic.concIp].join('_');
}

/** The device that port mappings and public addresses are made for, except where packets are sent. */
export const EXTERNAL = 'eth0';

/** Port mapping `i` (from 0): every peer makes the same. */
export interface BenchMapping {
  readonly externalPort: number;
  readonly internalIp: string;
  readonly internalPort: number;
}

export function describeMapping(i: number): BenchMapping {
  const internalIp = `172.16.${Math.floor(i / 250)}.${2 + (i % 250)}`;
  return { externalPort: i + 1, internalIp, internalPort: 22 };
}

export function describeMappings(from: number, count: number): BenchMapping[] {
  return Array.from({ length: count }, (_, i) => describeMapping(from + i));
}

/** Public address `i` (from 0), and whose it is. */
export function describePublicIp(i: number): { publicIp: string; internalIp: string } {
  return { publicIp: `198.51.100.${100 + i}`, internalIp: `172.16.0.${2 + i}` };
}

/**
 * How often many mappings come and go. Every peer makes the first cycles without a clock: V8 is done with
 * compiling what reads a list after some twenty calls. Tens of thousands warm it within one.
 */
export function cyclesFor(mappings: number): {
  readonly warmUp: number;
  readonly timed: number;
} {
  return mappings > 10_000 ? { warmUp: 0, timed: 5 } : { warmUp: 25, timed: 40 };
}

/** Milliseconds: longer than the kernel has to do with what a transaction took out. */
export const REST_AFTER_TRANSACTION_MS = 20;

/** Times one mapping that comes and goes. */
export const ONES = 40;
