import { formatAlias } from '../alias';
import type { Scope } from '../alias';
import {
  knownLinkOf,
  planBridge,
  planDeletion,
  planTapVnic,
  planTunnel,
  planVethVnic,
} from '../device';
import type { Host } from '../host';
import { gatewayOf, mtuFor, prefixLength } from '../model';
import type { ContainerRoute, Ipv4Cidr, VnicConfig } from '../model';
import { makePlan } from '../plan';
import type { FdbStep, LinkCreate, Plan, Step, SysctlSet, TapCreate } from '../plan';
import type { KnownLink, KnownTunnel, KnownVnic } from '../topology';
import type { Subnet } from './subnet';

const DEFAULT_ROUTE = '0.0.0.0/0' as Ipv4Cidr;

/** What the planners ask of a host. */
export type PlanningHost = Pick<Host, 'chooser' | 'mode' | 'computeLink' | 'options'>;

/** What a subnet lacks, and what it consists of when the plan has run. */
export interface SubnetCompletion {
  readonly plan: Plan;
  readonly bridge: KnownLink;
  readonly tunnel: KnownTunnel;
  readonly madeBridge: boolean;
  readonly madeTunnel: boolean;
}

export interface VnicCreation extends SubnetCompletion {
  readonly vnic: KnownVnic;
  /** Which step hands out the tap's queues. */
  readonly portStep: number;
}

/** The parts of a subnet that are there. */
export type SubnetParts = Pick<Subnet, 'scope' | 'bridge' | 'tunnel' | 'vnics'>;

/** Plans a VNIC and whatever its subnet lacks. Pure but for chance. */
export function planVnicCreation(
  host: PlanningHost,
  config: VnicConfig,
  parts: SubnetParts,
): VnicCreation {
  const mtu = config.mtu ?? mtuFor(host.mode, host.computeLink.mtu);
  const missing = planMissing(host, config, parts);
  const { links, settings, bridge, tunnel, madeBridge, madeTunnel } = missing;
  const port = planPort(host, config, { scope: parts.scope, master: bridge.ifIndex, mtu });
  const pins = pin(host, config.vnicMac, port.ifindex);
  return {
    plan: makePlan('createVnic', [
      ...links,
      port,
      ...pins,
      ...(port.op === 'link.create' ? planInside(port.peer.ifindex, config) : []),
      ...settings,
    ]),
    bridge,
    tunnel,
    madeBridge,
    madeTunnel,
    vnic: toVnic(port, config),
    portStep: links.length,
  };
}

/** Plans what a subnet with VNICs lacks: somebody took its bridge or its tunnel. */
export function planSubnetCompletion(
  host: PlanningHost,
  config: Pick<VnicConfig, 'concIp' | 'subnetKey'>,
  parts: SubnetParts,
): SubnetCompletion {
  const { links, settings, ...subnet } = planMissing(host, config, parts);
  return { ...subnet, plan: makePlan('repair', [...links, ...settings]) };
}

/** Plans what puts a VNIC that is there in order: up, attached, its subnet complete. */
export function planVnicConfirmation(
  host: PlanningHost,
  config: VnicConfig,
  parts: SubnetParts,
  vnic: KnownVnic,
): SubnetCompletion {
  const { links, settings, ...subnet } = planMissing(host, config, parts);
  const port = { ifIndex: vnic.ifIndex, mac: config.vnicMac };
  const steps = [
    ...links,
    ...planAttachment(host, port, subnet.bridge.ifIndex),
    ...planFinish(vnic, config),
    ...settings,
  ];
  return { ...subnet, plan: makePlan('createVnic', steps) };
}

interface Missing extends Omit<SubnetCompletion, 'plan'> {
  readonly links: readonly Step[];
  /** Sysctls come last: each is a request of its own. */
  readonly settings: readonly Step[];
}

function planMissing(
  host: PlanningHost,
  config: Pick<VnicConfig, 'concIp' | 'subnetKey'>,
  parts: SubnetParts,
): Missing {
  const { scope } = parts;
  const links: Step[] = [];
  const bridge = parts.bridge ?? addBridge(host, scope, links);
  const isNew = parts.bridge === undefined;
  if (isNew) links.push(...reattach(host, parts, bridge.ifIndex));
  const tunnel = parts.tunnel ?? addTunnel(host, config, { scope, master: bridge.ifIndex }, links);
  return {
    links,
    settings: isNew ? [refuseIpv6(bridge.linkName)] : [],
    bridge,
    tunnel,
    madeBridge: isNew,
    madeTunnel: parts.tunnel === undefined,
  };
}

/** Plans the end of a VNIC, and of its subnet's tunnel and bridge where it is the last. */
export function planVnicDestruction(
  host: Pick<PlanningHost, 'chooser'>,
  vnics: readonly KnownVnic[],
  last: Pick<Subnet, 'bridge' | 'tunnel'> | undefined,
): Plan {
  const links: KnownLink[] = [...vnics];
  if (last?.tunnel !== undefined) links.push(last.tunnel);
  const bridges = last?.bridge === undefined ? [] : [last.bridge];
  return makePlan('destroyVnic', [planDeletion(host.chooser, links, bridges)]);
}

/** Where a port goes. */
interface Place {
  readonly scope: Scope;
  /** Interface index of the bridge. */
  readonly master: number;
  readonly mtu: number;
}

function addBridge(host: PlanningHost, scope: Scope, links: Step[]): KnownLink {
  const alias = formatAlias({ type: 'cn-bridge', scope });
  const plain = planBridge(host.chooser, alias, mtuFor(host.mode, host.computeLink.mtu));
  const step: LinkCreate = { ...plain, ipv4: CLOSED_TO_WORKLOADS };
  links.push(step);
  return knownLinkOf(step);
}

function addTunnel(
  host: PlanningHost,
  config: Pick<VnicConfig, 'concIp' | 'subnetKey'>,
  { scope, master }: Omit<Place, 'mtu'>,
  links: Step[],
): KnownTunnel {
  const local = host.computeLink.address;
  const { subnetKey: key, concIp: remote } = config;
  const step = planTunnel(host.chooser, {
    kind: host.mode,
    alias: formatAlias({ type: 'cn-tunnel', tunnel: host.mode, scope }),
    local,
    remote,
    key,
    mtu: mtuFor(host.mode, host.computeLink.mtu),
    master,
    ports: { vxlan: host.options.vxlanPort, geneve: host.options.genevePort },
  });
  links.push(step);
  return { ...knownLinkOf(step), kind: host.mode, key, local, remote };
}

// On VXLAN a concentrator has one port for all its compute nodes, so a broadcast comes back to the node
// it came from. The bridge must not learn from it that the workload lives behind the tunnel.
function pin(host: PlanningHost, mac: string | undefined, ifindex: number): FdbStep[] {
  return host.mode !== 'vxlan' || mac === undefined ? [] : [{ op: 'fdb.add', ifindex, mac }];
}

/**
 * Plans what makes a link a port. One that is a port already stays one; what it was pinned to goes with
 * a port that it no longer is.
 */
export function planAttachment(
  host: PlanningHost,
  port: { readonly ifIndex: number; readonly mac: string | undefined },
  master: number,
): Step[] {
  return [
    { op: 'link.set', ifindex: port.ifIndex, master, up: true },
    ...pin(host, port.mac, port.ifIndex).map((step) => ({ ...step, tolerate: ['EEXIST'] })),
  ];
}

// A bridge made anew takes back the ports that lost theirs; one that has gone too is no loss.
function reattach(host: PlanningHost, parts: SubnetParts, master: number): Step[] {
  const steps: Step[] = [];
  if (parts.tunnel !== undefined) {
    steps.push({ op: 'link.set', ifindex: parts.tunnel.ifIndex, master, up: true });
  }
  for (const { status, known, config } of parts.vnics.values()) {
    if (status !== 'ready' || known === undefined) continue;
    const mac = config?.vnicMac ?? known.peerMac;
    steps.push(...planAttachment(host, { ifIndex: known.ifIndex, mac }, master));
  }
  return steps.map((step) => ({ ...step, tolerate: [...(step.tolerate ?? []), 'ENODEV'] }));
}

// A bridge is an interface of the host too: without these the host would answer ARP for its own
// addresses there, and take router advertisements from a tenant. Only the latter needs /proc/sys; a
// read-only one leaves it be.
const CLOSED_TO_WORKLOADS = Object.freeze({ arpIgnore: 8, rpFilter: 1 });

/** @param ifname - Of a subnet's bridge. */
export function refuseIpv6(ifname: string): Extract<Step, SysctlSet> {
  return {
    op: 'sysctl.set',
    name: `net/ipv6/conf/${ifname}/disable_ipv6`,
    value: '1',
    tolerate: ['ENOENT', 'EROFS', 'EACCES'],
  };
}

function planPort(
  host: PlanningHost,
  config: VnicConfig,
  { scope, master, mtu }: Place,
): Extract<LinkCreate, { kind: 'veth' }> | TapCreate {
  const alias = formatAlias({ type: 'cn-vnic', scope, vnicIp: config.vnicIp });
  const spec = { alias, mtu, master, altName: config.altName };
  return config.role === 'vm'
    ? planTapVnic(host.chooser, { ...spec, queues: config.queues, owner: config.owner })
    : planVethVnic(host.chooser, { ...spec, mac: config.vnicMac, attach: config.attach });
}

/**
 * What a container finds in its namespace. It announces its address when it comes up: whoever had the
 * address before, with another MAC, is forgotten.
 */
function planInside(ifindex: number, { attach, vnicIp, subnet }: VnicConfig): Step[] {
  if (attach === undefined) return [];
  const { netns } = attach;
  const gateway = gatewayOf(subnet);
  const routes: readonly ContainerRoute[] = attach.routes ?? [{ destination: DEFAULT_ROUTE }];
  return [
    { op: 'address.add', netns, ifindex, address: vnicIp, prefixLength: prefixLength(subnet) },
    { op: 'link.set', netns, ifindex, ipv4: { arpNotify: 1 }, up: true },
    ...routes.map(({ destination, via = gateway }): Step => ({
      op: 'route.add',
      netns,
      ifindex,
      destination,
      via,
      // A container on several networks: the first of them leads everywhere else.
      ...(destination === DEFAULT_ROUTE && { tolerate: ['EEXIST'] }),
    })),
  ];
}

/** The same for what a process left unfinished when it died; somebody may have finished it meanwhile. */
function planFinish({ waitingPeer }: KnownVnic, config: VnicConfig): Step[] {
  if (waitingPeer === undefined) return [];
  return planInside(waitingPeer, config).map((step) => ({ ...step, tolerate: ['EEXIST'] }));
}

function toVnic(
  port: Extract<LinkCreate, { kind: 'veth' }> | TapCreate,
  config: VnicConfig,
): KnownVnic {
  const isVeth = port.op === 'link.create';
  return {
    ifIndex: port.ifindex,
    linkName: port.ifname,
    alias: port.alias ?? '',
    mtu: port.mtu ?? 0,
    mac: port.address ?? '',
    role: config.role,
    ip: config.vnicIp,
    multiQueue: config.queues > 1,
    peerName: isVeth ? port.peer.ifname : undefined,
    peerMac: isVeth ? port.peer.address : undefined,
    altNames: Object.freeze(config.altName === undefined ? [] : [config.altName]),
  };
}
