/**
 * The table of trials: what is measured, against whom, and what counts as good enough.
 */
import type { Command, PeerName } from './protocol';
import { WITH_AGENT } from './trials-agent';
import { WITH_DOCKER } from './trials-docker';
import { ON_CONTAINERS } from './trials-cni';
import { ON_FRAMES } from './trials-ssntp';

export type Unit = 'ns' | 'us' | 'ms' | 'MiB';

/** A figure of ours that is promised: at most `most` times a peer's, or at most `most` by itself. */
export interface Target {
  readonly against: PeerName | 'absolute';
  /** The peer's figure, or our own, is that of another trial. */
  readonly trial?: string;
  readonly most: number;
  readonly text: string;
}

export interface Trial {
  readonly name: string;
  readonly unit: Unit;
  readonly what: string;
  /** VNICs that are there before the clock starts, the same for every peer. */
  readonly prepare?: { readonly n: number; readonly subnets: number };
  readonly run: Command;
  readonly peers: readonly PeerName[];
  readonly targets: readonly Target[];
  /** What the peers must have worked on; a peer that saw something else is an error. */
  readonly count: number;
  /** All peers of a round share one namespace: only for trials that change nothing. */
  readonly readsOnly?: boolean;
  /** The children see the machine's own /sys, with its control groups. */
  readonly keepsMounts?: boolean;
  /** Every peer does the same once before it is measured: caches, allocators and compilers are warm. */
  readonly warmUp?: boolean;
  /** More rounds than asked for, where a target is near: the machine's speed changes within seconds. */
  readonly leastRounds?: number;
  /** Fewer rounds than asked for, where a round is long. */
  readonly mostRounds?: Partial<Record<PeerName, number>>;
}

const ALL: readonly PeerName[] = ['ours', 'floor', 'go', 'go-iptables', 'ip-batch'];
const WITHOUT_IPTABLES: readonly PeerName[] = ['ours', 'floor', 'go', 'ip-batch'];

const floor = (most: number): Target => ({
  against: 'floor',
  most,
  text: `at most ${most} x floor`,
});

function asGo(divisor: number, against: 'go' | 'go-iptables' = 'go'): Target {
  const share = divisor === 1 ? '1' : `1/${divisor}`;
  return { against, most: 1 / divisor, text: `at most ${share} x ${against}` };
}

function command(cmd: Command['cmd'], n: number, subnets = 1, present = 0): Command {
  return { cmd, n, subnets, present };
}

const ON_LINKS: readonly Trial[] = [
  {
    name: 'create-worst-vm',
    unit: 'us',
    what: 'first VNIC of a subnet: bridge, vxlan and tap, aliased, attached, up',
    run: command('create-worst-vm', 25),
    peers: ALL,
    warmUp: true,
    count: 25,
    targets: [floor(1.3), asGo(1), asGo(3, 'go-iptables')],
  },
  {
    name: 'create-best-vm',
    unit: 'us',
    what: 'a further VM VNIC on a bridge that stands',
    run: command('create-best-vm', 240),
    peers: WITHOUT_IPTABLES,
    warmUp: true,
    count: 240,
    targets: [floor(1.3), asGo(1)],
  },
  {
    name: 'create-best-container',
    unit: 'us',
    what: 'a further container VNIC on a bridge that stands',
    run: command('create-best-container', 240),
    peers: WITHOUT_IPTABLES,
    warmUp: true,
    count: 240,
    targets: [floor(1.3), asGo(1)],
  },
  {
    name: 'destroy-best-vm',
    unit: 'us',
    what: 'a VNIC of several, until the caller is answered; each from rest',
    run: command('destroy-best-vm', 20),
    peers: WITHOUT_IPTABLES,
    count: 20,
    targets: [asGo(15)],
  },
  {
    name: 'destroy-worst-vm-answered',
    unit: 'us',
    what: 'the last VNIC of a subnet, until the caller is answered; each from rest',
    run: command('destroy-worst-vm-answered', 12),
    peers: ALL,
    count: 12,
    targets: [asGo(20)],
  },
  {
    name: 'destroy-worst-vm-gone',
    unit: 'us',
    what: 'the last VNIC of a subnet, until tap, tunnel and bridge have left the kernel',
    run: command('destroy-worst-vm-gone', 12),
    peers: ALL,
    count: 12,
    targets: [asGo(3)],
  },
  {
    name: 'load-620-create',
    unit: 'ms',
    what: '620 VNICs on 20 bridges, 128 calls outstanding',
    run: command('load-create', 620, 20),
    peers: WITHOUT_IPTABLES,
    count: 620,
    targets: [],
  },
  {
    name: 'load-620-destroy',
    unit: 'ms',
    what: 'the same destroyed, until all have left the kernel',
    run: command('load-destroy', 620, 20),
    peers: WITHOUT_IPTABLES,
    count: 620,
    targets: [asGo(20)],
    mostRounds: { go: 1 },
  },
  {
    name: 'rebuild-1000',
    unit: 'ms',
    what: 'read 1,000 VNICs on 4 bridges back from the kernel',
    prepare: { n: 1000, subnets: 4 },
    run: command('rebuild', 1000, 4),
    peers: WITHOUT_IPTABLES,
    count: 1000,
    targets: [],
    readsOnly: true,
  },
  {
    name: 'rebuild-5000',
    unit: 'ms',
    what: 'read 5,000 VNICs on 20 bridges back from the kernel',
    prepare: { n: 5000, subnets: 20 },
    run: command('rebuild', 5000, 20),
    peers: WITHOUT_IPTABLES,
    count: 5000,
    targets: [floor(1.5), asGo(1.5)],
    readsOnly: true,
  },
  {
    name: 'reset-1000',
    unit: 'ms',
    what: 'delete 1,000 VNICs on 4 bridges, until they have left the kernel',
    prepare: { n: 1000, subnets: 4 },
    run: command('reset', 1000, 4),
    peers: WITHOUT_IPTABLES,
    count: 1008,
    targets: [floor(1.3), asGo(20)],
    mostRounds: { go: 1 },
  },
  {
    name: 'reset-6000',
    unit: 'ms',
    what: 'delete 6,000 VNICs on 24 bridges, until they have left the kernel',
    prepare: { n: 6000, subnets: 24 },
    run: command('reset', 6000, 24),
    peers: ['ours', 'floor'],
    count: 6048,
    targets: [floor(1.3)],
    mostRounds: { ours: 2, floor: 2 },
  },
  {
    name: 'event-loop-p99',
    unit: 'ms',
    what: 'p99 delay of the event loop while 620 VNICs come and go, above idle',
    run: command('event-loop', 620, 20),
    peers: ['ours'],
    count: 620,
    targets: [{ against: 'absolute', most: 5, text: 'below 5 ms above idle' }],
  },
  {
    name: 'rss-growth',
    unit: 'MiB',
    what: 'growth of the resident set over 20,000 create/destroy pairs, after warm-up',
    run: command('rss', 20_000, 20),
    peers: ['ours'],
    count: 20_000,
    targets: [
      { against: 'absolute', most: 4, text: 'none (at most 4 MiB, the noise of the collector)' },
    ],
    mostRounds: { ours: 1 },
  },
];

const ON_THE_FIREWALL: readonly PeerName[] = ['ours', 'floor', 'nft-f', 'iptables'];
const WITHOUT_A_RULE_EACH: readonly PeerName[] = ['ours', 'floor', 'nft-f'];
/** The floor of a packet is the smallest ruleset, whoever loads it: that is the peer nft-f. */
const WITH_RULES: readonly PeerName[] = ['ours', 'nft-f', 'iptables'];
const PACKETS = 20_000;

function absolute(most: number, text: string): Target {
  return { against: 'absolute', most, text };
}

function fasterThan(against: PeerName, times: number): Target {
  const text = times === 1 ? `faster than ${against}` : `${times} x faster than ${against}`;
  return { against, most: 1 / times, text };
}

function timesOwn(trial: string, most: number): Target {
  return { against: 'ours', trial, most, text: `at most ${most} x ours in ${trial}` };
}

const ON_A_CONCENTRATOR: readonly Trial[] = [
  {
    name: 'repoint-100',
    unit: 'ms',
    what: '100 subnets with a VNIC each: their tunnels lead to another address of the concentrator',
    run: command('repoint', 6, 100),
    peers: ['ours', 'ip-batch'],
    count: 100,
    targets: [absolute(1000, 'below 1 s')],
  },
  {
    name: 'subnet-24',
    unit: 'ms',
    what: 'a concentrator gets a subnet of 254 addresses: bridge, gateway address, tunnel',
    run: command('subnet-24', 12),
    peers: ['ours', 'ip-batch'],
    count: 12,
    targets: [],
  },
  {
    name: 'subnet-16',
    unit: 'ms',
    what: 'a concentrator gets a subnet of 65,534 addresses',
    run: command('subnet-16', 12),
    peers: ['ours', 'ip-batch'],
    count: 12,
    targets: [],
  },
];

const ON_PORTS: readonly Trial[] = [
  {
    name: 'forward-253',
    unit: 'ms',
    what: '253 port mappings come, in one call; iptables: in 506 processes',
    run: command('forward', 253),
    peers: ON_THE_FIREWALL,
    count: 253,
    targets: [],
  },
  {
    name: 'forward-253-off',
    unit: 'ms',
    what: 'the same go, in one call; iptables: in 253 processes',
    run: command('forward-off', 253),
    peers: ON_THE_FIREWALL,
    count: 253,
    targets: [],
    mostRounds: { iptables: 1 },
  },
  {
    name: 'forward-2045',
    unit: 'ms',
    what: '2,045 port mappings come, in one call; iptables: in 4,090 processes',
    run: command('forward', 2045),
    peers: ON_THE_FIREWALL,
    count: 2045,
    targets: [floor(1.5), fasterThan('nft-f', 1), fasterThan('iptables', 500)],
    leastRounds: 9,
    mostRounds: { iptables: 1 },
  },
  {
    name: 'forward-2045-off',
    unit: 'ms',
    what: 'the same go, in one call',
    run: command('forward-off', 2045),
    peers: WITHOUT_A_RULE_EACH,
    count: 2045,
    targets: [],
  },
  {
    name: 'forward-60000',
    unit: 'ms',
    what: '60,000 port mappings come, in one call',
    run: command('forward', 60_000),
    peers: WITHOUT_A_RULE_EACH,
    count: 60_000,
    targets: [],
  },
  {
    name: 'forward-60000-off',
    unit: 'ms',
    what: 'the same go, in one call',
    run: command('forward-off', 60_000),
    peers: WITHOUT_A_RULE_EACH,
    count: 60_000,
    targets: [],
  },
  {
    name: 'forward-one-at-1',
    unit: 'us',
    what: 'one more port mapping where there is one',
    run: command('forward-one', 1, 1, 1),
    peers: ON_THE_FIREWALL,
    count: 2,
    targets: [],
  },
  {
    name: 'forward-one-at-60000',
    unit: 'us',
    what: 'the 60,000th port mapping',
    run: command('forward-one', 1, 1, 59_999),
    peers: WITHOUT_A_RULE_EACH,
    count: 60_000,
    targets: [timesOwn('forward-one-at-1', 2)],
  },
  {
    name: 'public-ip-50',
    unit: 'ms',
    what: '50 public addresses come, on the link and in the rules; iptables: in 300 processes',
    run: command('public-ip', 50),
    peers: ON_THE_FIREWALL,
    count: 50,
    targets: [],
  },
  {
    name: 'readopt-2045',
    unit: 'ms',
    what: 'a firewall opens where 2,045 port mappings are: ours takes them over, the others read them',
    run: command('readopt', 2045),
    peers: ON_THE_FIREWALL,
    count: 2045,
    targets: [absolute(50, 'below 50 ms')],
  },
];

const ON_PACKETS: readonly Trial[] = [
  {
    name: 'new-flow-1',
    unit: 'ns',
    what: 'a packet that begins a flow to the one mapped port, from one link through the other',
    run: command('new-flow', PACKETS, 1, 1),
    peers: WITH_RULES,
    count: PACKETS,
    targets: [],
  },
  {
    name: 'new-flow-2000',
    unit: 'ns',
    what: 'the same to 2,000 mapped ports in turn',
    run: command('new-flow', PACKETS, 1, 2000),
    peers: WITH_RULES,
    count: PACKETS,
    targets: [timesOwn('new-flow-1', 1.3)],
  },
  {
    name: 'new-flow-2000-over',
    unit: 'ns',
    what: 'the same, above what a packet costs that passes without any rules',
    run: command('new-flow-over', PACKETS, 1, 2000),
    peers: WITH_RULES,
    count: PACKETS,
    targets: [{ ...fasterThan('iptables', 3), text: 'at most 1/3 x iptables' }],
  },
  {
    name: 'established-flow-2000',
    unit: 'ns',
    what: 'a packet of a flow that is known, with 2,000 mapped ports',
    run: command('established-flow', PACKETS, 1, 2000),
    peers: WITH_RULES,
    count: PACKETS,
    targets: [],
  },
];

export const TRIALS: readonly Trial[] = [
  ...ON_LINKS,
  ...ON_A_CONCENTRATOR,
  ...ON_PORTS,
  ...ON_PACKETS,
  ...WITH_DOCKER,
  ...ON_CONTAINERS,
  ...ON_FRAMES,
  ...WITH_AGENT,
];
