import { formatAlias, parseAlias, parseScope } from '../alias';
import type { Scope } from '../alias';
import { APIError } from '../errors';
import type { Ipv4Address } from '../model';
import type { Step, TunnelSet } from '../plan';
import type { KnownLink, KnownTunnel, KnownVnic } from '../topology';
import type { PlanningHost } from './plan-vnic';
import type { MovedSubnet, Subnet } from './subnet';

/** The scope of the same subnet with its concentrator at another address. */
export function scopeAt(scope: Scope, address: Ipv4Address): Scope {
  const owner = scope.text.slice(0, scope.text.lastIndexOf('_'));
  const moved = parseScope(`${owner}_${address}`);
  if (moved === undefined) throw new Error('unreachable');
  return moved;
}

/**
 * Plans a subnet's way to another address of its concentrator: the tunnel and its identity in one
 * message, then the VNICs', the bridge's last. Whoever finds the tunnel on a bridge of the former
 * identity knows that this was interrupted, and what is left to do. What is so already has no step.
 */
export function planMove(host: PlanningHost, subnet: Subnet, to: Ipv4Address): MovedSubnet {
  const scope = scopeAt(subnet.scope, to);
  const bridge = subnet.bridge && { ...subnet.bridge, alias: movedAlias(subnet.bridge, scope) };
  const tunnel = subnet.tunnel && {
    ...subnet.tunnel,
    alias: movedAlias(subnet.tunnel, scope),
    remote: to,
  };
  const vnics: KnownVnic[] = [];
  const renames: Step[] = [];
  for (const { known } of subnet.vnics.values()) {
    if (known === undefined) continue;
    const moved = { ...known, alias: movedAlias(known, scope) };
    vnics.push(moved);
    renames.push(...rename(known, moved));
  }
  const steps = [
    ...(subnet.tunnel && tunnel ? redirect(host, subnet.tunnel, tunnel) : []),
    ...renames,
    ...(subnet.bridge && bridge ? rename(subnet.bridge, bridge) : []),
  ];
  return { subnet, scope, bridge, tunnel, vnics, steps };
}

function redirect(host: PlanningHost, before: KnownTunnel, after: KnownTunnel): Step[] {
  return before.remote === after.remote ? rename(before, after) : [tunnelStep(host, before, after)];
}

function rename(before: KnownLink, after: KnownLink): Step[] {
  if (before.alias === after.alias) return [];
  const { ifIndex: ifindex, alias } = after;
  return [{ op: 'link.set', ifindex, alias, before: { alias: before.alias } }];
}

/** The same identity, but for the concentrator's address. */
function movedAlias({ alias }: KnownLink, scope: Scope): string {
  const parsed = parseAlias(alias);
  switch (parsed?.type) {
    case 'cn-bridge':
    case 'cn-tunnel':
    case 'cn-vnic':
      return formatAlias({ ...parsed, scope: scopeAt(parsed.scope, scope.concIp) });
    default:
      return alias;
  }
}

function tunnelStep(host: PlanningHost, before: KnownTunnel, after: KnownTunnel): TunnelSet {
  const { ifIndex: ifindex, alias, kind, remote: to = '' } = after;
  const { remote: from, alias: formerAlias } = before;
  const base = { op: 'tunnel.set', ifindex, alias } as const;
  // Where the kernel did not say where it led, that cannot be put back.
  const former = <D>(data: D) =>
    from === undefined ? {} : { before: { data, alias: formerAlias } };
  switch (kind) {
    case 'vxlan':
      return { ...base, kind, data: { remote: to }, ...former({ remote: from ?? '' }) };
    case 'geneve':
      return { ...base, kind, data: { remote: to }, ...former({ remote: from ?? '' }) };
    case 'gre': {
      const { key, local = host.computeLink.address } = before;
      if (key === undefined) throw keyless(before);
      const rest = { local, key, pmtudisc: true } as const;
      return {
        ...base,
        kind: 'gretap',
        data: { ...rest, remote: to },
        ...former({ ...rest, remote: from ?? '' }),
      };
    }
  }
}

function keyless({ linkName, ifIndex }: KnownTunnel): APIError {
  return new APIError('SNNET_LINK_INCONSISTENT', {
    object: { linkName, ifIndex },
    detail: 'the tunnel has no key: it is none of ours',
  });
}
