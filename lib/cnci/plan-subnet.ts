import { formatAlias } from '../alias';
import { knownLinkOf, planBridge, planDeletion, planRemote, planTunnel } from '../device';
import type { Host } from '../host';
import { gatewayOf, mtuFor, prefixLength } from '../model';
import type { Ipv4Cidr, RemoteSubnetConfig, TunnelKind } from '../model';
import { makePlan } from '../plan';
import type { Plan, Step } from '../plan';
import type { KnownLink, KnownTunnel } from '../topology';
import type { CnciSubnet } from './table';

/** What the planners ask of a host. */
export type PlanningHost = Pick<Host, 'chooser' | 'computeLink' | 'options'>;

export interface SubnetAddition {
  readonly plan: Plan;
  readonly bridge: KnownLink;
  readonly tunnel: KnownTunnel;
  readonly madeBridge: boolean;
  readonly madeTunnel: boolean;
}

/** Plans a compute node's tunnel, and the subnet's bridge with its gateway address where it lacks. */
export function planAddition(
  host: PlanningHost,
  kind: TunnelKind,
  config: RemoteSubnetConfig,
  entry: CnciSubnet,
): SubnetAddition {
  const made = entry.bridge === undefined ? planGateway(host, kind, config.subnet) : undefined;
  const bridge = entry.bridge ?? made?.bridge;
  if (bridge === undefined) throw new Error('unreachable');
  const shared = kind === 'vxlan' ? entry.vxlan : undefined;
  const { tunnel, steps } =
    shared === undefined
      ? planOwnTunnel(host, kind, config, bridge)
      : { tunnel: shared, steps: [planRemote('fdb.add', shared.ifIndex, config.cnIp)] };
  const links = [...(made?.links ?? []), ...steps];
  return {
    plan: makePlan('addRemoteSubnet', [...links, ...(made?.settings ?? [])]),
    bridge,
    tunnel,
    madeBridge: made !== undefined,
    madeTunnel: shared === undefined,
  };
}

/** Plans a bridge in place of one that somebody took, with the tunnels that it had. */
export function planRegain(
  host: PlanningHost,
  entry: CnciSubnet,
): { readonly plan: Plan; readonly bridge: KnownLink } {
  const [first] = entry.allTunnels;
  const made = planGateway(host, first?.kind ?? 'vxlan', entry.subnet);
  const ports = entry.allTunnels.map((tunnel): Step => ({
    ...planPort(tunnel, made.bridge.ifIndex),
    tolerate: ['ENODEV'],
  }));
  const plan = makePlan('regainBridge', [...made.links, ...ports, ...made.settings]);
  return { plan, bridge: made.bridge };
}

/** Plans what makes a tunnel a port of its subnet's bridge again, and lets it come up. */
export function planPort({ ifIndex, kind }: KnownTunnel, master: number): Step {
  const hairpin = kind === 'vxlan' && { hairpin: true };
  return { op: 'link.set', ifindex: ifIndex, master, up: true, ...hairpin };
}

/** Plans the end of a compute node's tunnel; the bridge stays. */
export function planRemoval(host: PlanningHost, entry: CnciSubnet, cnIp: string): Plan {
  const own = entry.tunnels.get(cnIp);
  if (own !== undefined) return deletion(host, [own]);
  const shared = entry.vxlan;
  if (shared === undefined || !entry.remotes.has(cnIp)) return makePlan('delRemoteSubnet', []);
  if (entry.remotes.size === 1) return deletion(host, [shared]);
  const step = planRemote('fdb.delete', shared.ifIndex, cnIp);
  return makePlan('delRemoteSubnet', [{ ...step, tolerate: ['ENOENT'] }]);
}

function deletion(host: PlanningHost, links: readonly KnownLink[]): Plan {
  return makePlan('delRemoteSubnet', [planDeletion(host.chooser, links, [])]);
}

interface Gateway {
  readonly bridge: KnownLink;
  readonly links: readonly Step[];
  /** Sysctls come last: each is a request of its own. */
  readonly settings: readonly Step[];
}

function planGateway(host: PlanningHost, kind: TunnelKind, subnet: Ipv4Cidr): Gateway {
  const mtu = mtuFor(kind, host.computeLink.mtu);
  const bridge = planBridge(host.chooser, formatAlias({ type: 'cnci-bridge', subnet }), mtu);
  const address: Step = {
    op: 'address.add',
    ifindex: bridge.ifindex,
    address: gatewayOf(subnet),
    prefixLength: prefixLength(subnet),
  };
  return {
    bridge: knownLinkOf(bridge),
    links: [bridge, address],
    settings: [refuseAdvertisements(bridge.ifname)],
  };
}

/**
 * The concentrator routes for its tenant's IPv4; it must not listen to a workload's router
 * advertisements meanwhile. A read-only /proc/sys leaves it be.
 */
export function refuseAdvertisements(ifname: string): Step {
  return {
    op: 'sysctl.set',
    name: `net/ipv6/conf/${ifname}/accept_ra`,
    value: '0',
    tolerate: ['ENOENT', 'EROFS', 'EACCES'],
  };
}

// A VXLAN device is one for all compute nodes of the subnet: they stand in its forwarding table, and
// what one sends for another must leave where it came in.
function planOwnTunnel(
  host: PlanningHost,
  kind: TunnelKind,
  config: RemoteSubnetConfig,
  bridge: KnownLink,
): { readonly tunnel: KnownTunnel; readonly steps: readonly Step[] } {
  const { cnIp, subnet, subnetKey: key } = config;
  const alias =
    kind === 'vxlan'
      ? formatAlias({ type: 'cnci-tunnel', tunnel: kind, subnet })
      : formatAlias({ type: 'cnci-tunnel', tunnel: kind, subnet, cnIp });
  const step = planTunnel(host.chooser, {
    kind,
    alias,
    local: host.computeLink.address,
    ...(kind === 'vxlan' ? { hairpin: true } : { remote: cnIp }),
    key,
    mtu: mtuFor(kind, host.computeLink.mtu),
    master: bridge.ifIndex,
    ports: { vxlan: host.options.vxlanPort, geneve: host.options.genevePort },
  });
  const ends = { kind, key, local: host.computeLink.address };
  return kind === 'vxlan'
    ? {
        tunnel: { ...knownLinkOf(step), ...ends, remote: undefined },
        steps: [step, planRemote('fdb.add', step.ifindex, cnIp)],
      }
    : { tunnel: { ...knownLinkOf(step), ...ends, remote: cnIp }, steps: [step] };
}
