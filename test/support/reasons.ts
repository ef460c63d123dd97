/**
 * Why a test may be skipped: a closed list. A test asks for what it needs; where that is missing,
 * the test is skipped with the reason in its title, the reporter counts and prints it, and in CI a
 * reason that is not expected on that kernel fails the run.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';

import { isLongRun } from './budget';

/** What a test can need, the reason it gives when it is missing, and how to find out. */
const CAPABILITIES = {
  gretap: kernel('gretap', 'link add x type gretap local 192.0.2.1 remote 192.0.2.2 key 1'),
  geneve: kernel('geneve', 'link add x type geneve id 1 remote 192.0.2.2'),
  vxlan: kernel('vxlan', 'link add x type vxlan id 1 dstport 4789'),
  dummy: kernel('dummy', 'link add x type dummy'),
  ifb: kernel('ifb', 'link add x type ifb'),
  wireguard: kernel('wireguard', 'link add x type wireguard'),
  netkit: kernel('netkit', 'link add x type netkit'),
  macvtap: kernel('macvtap', 'link add x type veth\nlink add y link x type macvtap'),
  'vlan-filtering': kernel('vlan-filtering', 'link add x type bridge vlan_filtering 1'),
  tap: kernel('tap', 'tuntap add x mode tap'),
  nftables: packetFilter('nftables', 'table ip x { }'),
  // nft 1.0 does not know the word; the kernel has it from 6.9 on.
  'nft-persist': { reason: 'kernel-has-no-nft-persist', probe: isAtLeast(6, 9) },
  'bridge-conntrack': packetFilter(
    'bridge-conntrack',
    'table bridge x { chain y { type filter hook forward priority 10; ct state new accept; }; }',
  ),
  flowtable: packetFilter(
    'flowtable',
    'table inet x { flowtable y { hook ingress priority 0; devices = { lo }; }; }',
  ),
  // Tcpdump changes its user and groups even from root to root, which a user namespace forbids.
  capture: { reason: 'inside-a-user-namespace', probe: isRealRoot },
  'real-root': { reason: 'inside-a-user-namespace', probe: isRealRoot },
  dnsmasq: program('dnsmasq'),
  // A client for DHCP and one for DNS.
  busybox: program('busybox'),
  'iptables-nft': program('iptables-nft'),
  'iptables-legacy': {
    reason: 'no-iptables-legacy',
    probe: () => succeeds(['unshare', '--net', 'iptables-legacy', '-S'], ''),
  },
  valgrind: program('valgrind'),
  // With the runtime of its fuzzer and sanitizers, which is a package of its own.
  clang: {
    reason: 'no-clang-with-fuzzer',
    probe: () =>
      succeeds(
        ['clang++', '-fsanitize=fuzzer,address,undefined', '-x', 'c++', '-', '-o', '/dev/null'],
        'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }',
      ),
  },
  // Not any docker: Debian's, with its daemon, and what it runs containers with.
  docker: {
    reason: 'no-docker',
    probe: () =>
      isRealRoot() &&
      ['docker', 'dockerd', 'containerd', 'runc'].every((name) => isInSystem(name)) &&
      succeeds(['unshare', '--mount', 'true'], ''),
  },
  gdb: program('gdb'),
  'nats-server': program('nats-server'),
  strace: program('strace'),
  gcc: program('gcc'),
  python3: program('python3'),
  // Guests run this machine's own processor's code, with a kernel that Debian has for it.
  qemu: {
    reason: 'no-qemu-for-x86-64',
    probe: () => process.arch === 'x64' && program('qemu-system-x86_64').probe(),
  },
  'systemd-analyze': program('systemd-analyze'),
  // With the programs that it starts, or that give its containers a network.
  podman: {
    reason: 'no-podman',
    probe: () => ['podman', 'runc', 'conmon'].every((name) => isInSystem(name)),
  },
  containerd: {
    reason: 'no-containerd',
    probe: () => ['containerd', 'runc'].every((name) => isInSystem(name)),
  },
  'cni-plugins': {
    reason: 'no-cni-plugins',
    probe: () => existsSync('/usr/lib/cni/host-local') && existsSync('/usr/lib/cni/tuning'),
  },
} as const satisfies Record<string, { reason: string; probe: () => boolean }>;

export type Capability = keyof typeof CAPABILITIES;
export type Reason = (typeof CAPABILITIES)[Capability]['reason'];

/** Reasons that are no surprise in CI, by where the tests run. Everything else there is a failure. */
const EXPECTED: Readonly<Record<string, readonly Reason[]>> = {
  // Whatever the host's kernel lacks, the guests have.
  host: [
    'kernel-has-no-gretap',
    'kernel-has-no-geneve',
    'kernel-has-no-dummy',
    'kernel-has-no-ifb',
    'kernel-has-no-wireguard',
    'kernel-has-no-netkit',
    'kernel-has-no-vlan-filtering',
    'kernel-has-no-bridge-conntrack',
    'kernel-has-no-flowtable',
    'no-docker',
    'no-podman',
    'no-containerd',
    'no-cni-plugins',
    'no-valgrind',
    'no-clang-with-fuzzer',
    'no-gdb',
    'no-nats-server',
    'no-strace',
    'no-systemd-analyze',
  ],
  '6.1': ['kernel-has-no-netkit', 'kernel-has-no-nft-persist', 'no-strace', 'no-python3'],
  '6.12': ['no-strace', 'no-python3', 'no-iptables-nft', 'no-iptables-legacy'],
};

const TITLE = /\[skipped: ([a-z0-9-]+)\]$/;
const known = new Map<Capability, boolean>();

/** `host`, or the version of the guest kernel these tests run under. */
export function whereabouts(): string {
  return process.env['SNNET_GUEST'] ?? 'host';
}

/** Tells whether the machine can do it; asked once per run and remembered. */
export function has(capability: Capability): boolean {
  const answer = known.get(capability) ?? recall(capability) ?? CAPABILITIES[capability].probe();
  if (!known.has(capability)) remember(capability, answer);
  return answer;
}

/** The first reason why these needs are not met here. */
export function reasonToSkip(...needed: readonly Capability[]): Reason | undefined {
  const missing = needed.find((capability) => !has(capability));
  return missing === undefined ? undefined : CAPABILITIES[missing].reason;
}

export type DefineTest = (title: string, body: () => Promise<void>, timeoutMs?: number) => void;

/**
 * Stands in for `test` where a test needs more than every machine has. What needs VXLAN is the host's:
 * guests are for what its kernel lacks, and an emulated processor would take minutes more. A long run
 * has them.
 */
export function needs(...needed: readonly [Capability, ...Capability[]]): DefineTest {
  if (needed.includes('vxlan') && whereabouts() !== 'host' && !isLongRun()) return () => undefined;
  return needsAnywhere(...needed);
}

/** The same where what is tested differs between kernels, whatever it uses on the way. */
export function needsAnywhere(...needed: readonly [Capability, ...Capability[]]): DefineTest {
  const reason = reasonToSkip(...needed);
  if (reason === undefined) return (title, body, timeoutMs) => test(title, body, timeoutMs);
  return (title, body) => test.skip(`${title} [skipped: ${reason}]`, body);
}

/** The reason in the title of a skipped test; `undefined` if there is none, or none of the list. */
export function parseReason(title: string): Reason | undefined {
  const text = TITLE.exec(title)?.[1];
  return Object.values(CAPABILITIES)
    .map(({ reason }): Reason => reason)
    .find((reason) => reason === text);
}

export function isExpectedInCi(reason: Reason, where: string): boolean {
  return EXPECTED[where]?.includes(reason) ?? false;
}

function kernel<Name extends string>(name: Name, batch: string) {
  const argv = ['unshare', '--net', 'ip', '-batch', '-'];
  return { reason: `kernel-has-no-${name}` as const, probe: () => succeeds(argv, `${batch}\n`) };
}

function packetFilter<Name extends string>(name: Name, ruleset: string) {
  const argv = ['unshare', '--net', 'nft', '-f', '-'];
  return { reason: `kernel-has-no-${name}` as const, probe: () => succeeds(argv, `${ruleset}\n`) };
}

function program<Name extends string>(name: Name) {
  return { reason: `no-${name}` as const, probe: () => succeeds(['which', name], '') };
}

function isInSystem(name: string): boolean {
  return ['/usr/bin', '/usr/sbin'].some((directory) => existsSync(`${directory}/${name}`));
}

function succeeds([command = '', ...args]: readonly string[], input: string): boolean {
  return spawnSync(command, args, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

function isAtLeast(major: number, minor: number) {
  return (): boolean => {
    const [isMajor = 0, isMinor = 0] = release().split('.').map(Number);
    return isMajor > major || (isMajor === major && isMinor >= minor);
  };
}

function isRealRoot(): boolean {
  return (
    readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/).join(' ') === '0 0 4294967295'
  );
}

/** Test files share no memory, so the answers lie in the run's own directory. */
function answerFile(capability: Capability): string | undefined {
  const directory = process.env['SNNET_RUN_DIR'];
  return directory === undefined ? undefined : `${directory}/${capability}`;
}

function recall(capability: Capability): boolean | undefined {
  const file = answerFile(capability);
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8') === 'yes';
  } catch {
    return undefined;
  }
}

function remember(capability: Capability, answer: boolean): void {
  known.set(capability, answer);
  const file = answerFile(capability);
  if (file !== undefined) writeFileSync(file, answer ? 'yes' : 'no');
}
