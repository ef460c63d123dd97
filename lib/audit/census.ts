import { parseAttachment } from '../cni';
import type { NamedVnic, NodeTopology, SubnetTopology } from '../compute-node';
import type { VnicConfigInput } from '../model';
import { networkOf, parseUnicastIpv4 } from '../model';
import type { AuditedNode, AuditedVnic } from './types';

/** Something that may have to go: a VNIC, or what the last VNIC of a subnet left behind. */
export interface Suspect {
  /** Another link is another suspect, even if it has the same name. */
  readonly key: string;
  readonly what: 'vnic' | 'subnet';
  /** Identity of its subnet. */
  readonly scope: string;
  readonly vnic: AuditedVnic;
  /** As the node knows it. */
  readonly named: NamedVnic;
}

/** What a node holds of container runtimes at one moment. */
export interface Census {
  readonly vnics: readonly Suspect[];
  /** Bridge and tunnel of a subnet whose VNICs are gone; the last of them was made for a runtime. */
  readonly leftovers: readonly Suspect[];
}

/** Of a container whose end is in its own namespace nobody here knows the MAC: it is not compared then. */
const NO_MAC = '02:00:00:00:00:01';
const STOPGAP_PREFIX = 24;

/**
 * Lists what was made for container runtimes, and remembers of each subnet who used it last: when a
 * namespace ends the kernel takes the VNIC in it along, and nobody removes bridge and tunnel.
 */
export class CensusTaker {
  #lastUsers = new Map<string, Suspect>();

  async take(node: AuditedNode, signal: AbortSignal): Promise<Census> {
    const { subnets } = await askKernel(node, signal);
    return this.#count(subnets, node.vnicsNamed(isOfRuntime));
  }

  #count(subnets: readonly SubnetTopology[], named: readonly NamedVnic[]): Census {
    const byIndex = new Map(named.map((found) => [found.vnic.ifIndex, found]));
    const users = new Map<string, Suspect>();
    const vnics: Suspect[] = [];
    const leftovers: Suspect[] = [];
    for (const { scope, bridge, vnics: all } of subnets) {
      const found = all.flatMap(({ ifIndex }) => suspectOf(scope, byIndex.get(ifIndex)) ?? []);
      vnics.push(...found);
      const [first] = found;
      // Where others use the subnet too, whoever of them is last removes it.
      if (first !== undefined && found.length === all.length) users.set(scope, first);
      const last = this.#lastUsers.get(scope);
      if (all.length > 0 || bridge === undefined || last === undefined) continue;
      users.set(scope, last);
      leftovers.push({ ...last, key: `${scope} ${String(bridge.ifIndex)}`, what: 'subnet' });
    }
    this.#lastUsers = users;
    return { vnics, leftovers };
  }
}

function suspectOf(scope: string, named: NamedVnic | undefined): Suspect | undefined {
  const attachment = named === undefined ? undefined : parseAttachment(named.altName);
  if (named === undefined || attachment === undefined) return undefined;
  const { altName, concIp } = named;
  const { linkName, ifIndex, ip, tenantId, subnetId, concId } = named.vnic;
  const { netns, network, container, ifname } = attachment;
  // Written out: with spreads, thousands of these cost more than all else of a round.
  const vnic: AuditedVnic = Object.freeze({
    netns,
    network,
    container,
    ifname,
    altName,
    linkName,
    ifIndex,
    ip,
    tenantId,
    subnetId,
    concId,
    concIp,
  });
  return { key: `${altName} ${String(ifIndex)}`, what: 'vnic', scope, vnic, named };
}

/**
 * What the kernel shows. The node hears of every deletion; of what other processes make it does not, and
 * then it is read anew. Only then: that has to be alone, and calls wait for it.
 */
async function askKernel(node: AuditedNode, signal: AbortSignal): Promise<NodeTopology> {
  const found = await node.audit({ signal });
  const known = node.topology();
  const isAll = found.vnics === known.vnics.length && found.subnets === known.subnets.length;
  if (isAll) return known;
  await node.dbRebuild({ signal });
  return node.topology();
}

function isOfRuntime(altName: string): boolean {
  return parseAttachment(altName) !== undefined;
}

/**
 * What it takes to destroy it. The name must be the same still. Of a VNIC that this process did not make,
 * what the kernel does not show is not compared, and may be anything.
 */
export function configOf(
  { altName, config, vnic, concIp, subnetKey }: NamedVnic,
  subnet: string | undefined,
): VnicConfigInput {
  if (config !== undefined) return { ...config, altName };
  const { role, linkName, ip, mac, tenantId, subnetId, concId } = vnic;
  return {
    ...{ role, tenantId, subnetId, concId, concIp, altName },
    vnicId: linkName,
    vnicIp: ip,
    vnicMac: mac ?? NO_MAC,
    subnet: subnet ?? networkOf(parseUnicastIpv4(ip, 'ip'), STOPGAP_PREFIX),
    subnetKey: subnetKey ?? 1,
  };
}
