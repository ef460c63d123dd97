import { openComputeNode } from '#lib/compute-node/index';
import type { ComputeNode } from '#lib/compute-node/index';
import type { HostHooks } from '#lib/host/index';
import type { NodeOptionsInput, TunnelKind, VnicConfigInput } from '#lib/model/index';

import { isFallbackLink } from '../../support/leaks';
import { ipLinks } from '../../support/oracle';
import type { IpLink } from '../../support/oracle';
import { needs } from '../../support/reasons';
import type { DefineTest } from '../../support/reasons';
import { run } from '../../support/run';
import type { Namespace, Sandbox } from '../../support/sandbox';

export const NODE_ID = '44444444-4444-4444-8444-444444444444';
export const TENANT = '11111111-1111-4111-8111-111111111111';
export const OTHER_TENANT = '22222222-2222-4222-8222-222222222222';
export const SUBNET = '33333333-3333-4333-8333-333333333333';
export const CONC = '55555555-5555-4555-8555-555555555555';
export const CONC_IP = '198.51.100.9';
export const NODE_IP = '198.51.100.1';
const UPLINKS = ['eth0', 'eth0peer'];

/** A namespace that stands for a host with one uplink. */
export async function makeHost(box: Sandbox, label = 'node'): Promise<Namespace> {
  const ns = await box.netns(label, { leaves: UPLINKS });
  const lines = [
    'link add eth0 type veth peer name eth0peer',
    `address add ${NODE_IP}/24 dev eth0`,
    'link set eth0 up',
    'link set eth0peer up',
  ];
  await ip(ns, ...lines);
  return ns;
}

/** Lines for `ip -batch`. */
export async function ip(ns: Namespace, ...lines: readonly string[]): Promise<void> {
  await run(['ip', '-n', ns.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

export function optionsFor(
  ns: Namespace,
  options: Partial<NodeOptionsInput> = {},
): NodeOptionsInput {
  return {
    id: NODE_ID,
    mode: 'vxlan',
    computeNets: ['198.51.100.0/24'],
    netns: ns.path,
    allowVethUplink: true,
    // A guest, or a busy machine, is slow.
    timeoutMs: 60_000,
    ...options,
  };
}

export function openNode(
  ns: Namespace,
  options: Partial<NodeOptionsInput> = {},
  hooks: HostHooks = {},
): Promise<ComputeNode> {
  return openComputeNode(optionsFor(ns, options), hooks);
}

/** The n-th VNIC of a subnet, n from 0. */
export function vnicConfig(n = 0, changes: Partial<VnicConfigInput> = {}): VnicConfigInput {
  const low = (n % 250) + 2;
  const high = Math.floor(n / 250);
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  return {
    role: 'vm',
    tenantId: TENANT,
    subnetId: SUBNET,
    concId: CONC,
    concIp: CONC_IP,
    vnicId: `vnic${n}`,
    vnicIp: `172.16.${high}.${low}`,
    vnicMac: `02:00:ac:10:${hex(high)}:${hex(low)}`,
    subnet: '172.16.0.0/16',
    subnetKey: 69_804,
    ...changes,
  };
}

/** The n-th subnet of its own. */
export function subnetConfig(n: number, changes: Partial<VnicConfigInput> = {}): VnicConfigInput {
  return vnicConfig(0, { subnetId: `subnet${n}`, subnetKey: 1000 + n, ...changes });
}

/** What there is in the namespace besides its loopback, its uplink, and what the kernel puts there. */
export async function linksOf(ns: Namespace): Promise<IpLink[]> {
  const links = await ipLinks(ns);
  return links.filter(
    ({ ifname }) => ifname !== 'lo' && !UPLINKS.includes(ifname) && !isFallbackLink(ifname),
  );
}

export async function namesOf(ns: Namespace): Promise<string[]> {
  return (await linksOf(ns)).map(({ ifname }) => ifname).sort();
}

/** Links by what their alias says they are; the anchor is left out. */
export async function ourLinks(
  ns: Namespace,
): Promise<{ bridges: IpLink[]; tunnels: IpLink[]; vnics: IpLink[]; cnciVnics: IpLink[] }> {
  const links = await linksOf(ns);
  const having = (prefix: RegExp): IpLink[] =>
    links.filter(({ ifalias }) => prefix.test(ifalias ?? ''));
  return {
    bridges: having(/^br_/),
    tunnels: having(/^(gre|vxlan|geneve)_(?!anchor)/),
    vnics: having(/^vnic_/),
    cnciVnics: having(/^cncivnic_/),
  };
}

/** Every VNIC is a port of its subnet's bridge and up; every bridge has its tunnel, and both are up. */
export async function findDisorder(ns: Namespace): Promise<string[]> {
  const { bridges, tunnels, vnics } = await ourLinks(ns);
  const problems: string[] = [];
  const scopeOf = ({ ifalias = '' }: IpLink): string =>
    ifalias.replace(/^[a-z]+_/, '').replace(/##.*$/, '');
  const bridgeOf = new Map(bridges.map((bridge) => [scopeOf(bridge), bridge]));
  if (bridgeOf.size !== bridges.length) problems.push('two bridges of one subnet');
  for (const port of [...vnics, ...tunnels]) {
    const bridge = bridgeOf.get(scopeOf(port));
    if (bridge === undefined) problems.push(`${port.ifname} has no bridge`);
    else if (port.master !== bridge.ifname) problems.push(`${port.ifname} is not attached`);
  }
  for (const [scope, bridge] of bridgeOf) {
    const own = tunnels.filter((tunnel) => scopeOf(tunnel) === scope);
    if (own.length !== 1) problems.push(`${bridge.ifname} has ${own.length} tunnels`);
    if (!vnics.some((vnic) => scopeOf(vnic) === scope)) problems.push(`${bridge.ifname} is empty`);
  }
  for (const link of [...bridges, ...tunnels, ...vnics]) {
    if (!link.flags.includes('UP')) problems.push(`${link.ifname} is down`);
  }
  return problems;
}

interface KindOfTunnel {
  readonly mode: TunnelKind;
  readonly link: 'gretap' | 'vxlan' | 'geneve';
  /** `test`, or a skip with its reason. */
  readonly test: DefineTest;
}

/** The kinds of tunnel: a kernel that lacks one skips its tests. */
export const KINDS: readonly KindOfTunnel[] = [
  { mode: 'vxlan', link: 'vxlan', test: needs('vxlan') },
  { mode: 'gre', link: 'gretap', test: needs('gretap') },
  { mode: 'geneve', link: 'geneve', test: needs('geneve') },
];

/** Fulfilled with the error that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof Error) return outcome;
  throw new Error('it did not fail');
}

/**
 * Tells when a plan of `operation` goes to the kernel: in the same turn of the event loop, so that its
 * answer cannot have come yet. To be given to a node as its hook.
 */
export function planSent(operation: string): {
  readonly sent: Promise<void>;
  readonly fault: NonNullable<HostHooks['fault']>;
} {
  let tell = (): void => undefined;
  const sent = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return {
    sent,
    fault: (plan) => {
      if (plan.operation === operation) tell();
      return undefined;
    },
  };
}

/** A chooser that gives what it is told to, then counts on. */
export function countingChooser(
  start = 0x3000_0000,
  forced: { names?: string[]; indexes?: number[] } = {},
): NonNullable<HostHooks['chooser']> {
  let next = 1;
  return {
    ifname: (prefix) => forced.names?.shift() ?? `${prefix}${(next++).toString(16)}`,
    ifindex: () => forced.indexes?.shift() ?? start + next++,
    mac: () => '02:00:00:00:00:01',
  };
}
