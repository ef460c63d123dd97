import { parseAttachment } from '../cni';
import type { NamedVnic } from '../compute-node';
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
  /** For its removal. */
  readonly config: VnicConfigInput;
  /** The subnet's network where it is known; the configuration has a stopgap otherwise. */
  readonly subnet: string | undefined;
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
  readonly #subnetOf: (vnic: AuditedVnic) => string | undefined;
  #lastUsers = new Map<string, Suspect>();

  constructor(subnetOf: ((vnic: AuditedVnic) => string | undefined) | undefined) {
    this.#subnetOf = subnetOf ?? (() => undefined);
  }

  take(node: Pick<AuditedNode, 'topology' | 'vnicsNamed'>): Census {
    const named = node.vnicsNamed((altName) => parseAttachment(altName) !== undefined);
    const byIndex = new Map(named.map((found) => [found.vnic.ifIndex, found]));
    const users = new Map<string, Suspect>();
    const vnics: Suspect[] = [];
    const leftovers: Suspect[] = [];
    for (const { scope, bridge, vnics: all } of node.topology().subnets) {
      const found = all.flatMap(({ ifIndex }) => this.#suspect(scope, byIndex.get(ifIndex)) ?? []);
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

  #suspect(scope: string, found: NamedVnic | undefined): Suspect | undefined {
    const attachment = found === undefined ? undefined : parseAttachment(found.altName);
    if (found === undefined || attachment === undefined) return undefined;
    const { altName, concIp } = found;
    const { linkName, ifIndex, ip, tenantId, subnetId, concId } = found.vnic;
    const vnic: AuditedVnic = Object.freeze({
      ...attachment,
      ...{ altName, linkName, ifIndex, ip, tenantId, subnetId, concId, concIp },
    });
    const subnet = found.config?.subnet ?? this.#subnetOf(vnic);
    const config = { ...(found.config ?? describe(found, subnet)), altName };
    const key = `${altName} ${String(ifIndex)}`;
    return { key, what: 'vnic', scope, vnic, config, subnet };
  }
}

/** What a VNIC is, of which this process knows only what the kernel shows. */
function describe(
  { vnic, concIp, subnetKey }: NamedVnic,
  subnet: string | undefined,
): VnicConfigInput {
  const { role, linkName, ip, mac, tenantId, subnetId, concId } = vnic;
  return {
    ...{ role, tenantId, subnetId, concId, concIp },
    vnicId: linkName,
    vnicIp: ip,
    vnicMac: mac ?? NO_MAC,
    subnet: subnet ?? networkOf(parseUnicastIpv4(ip, 'ip'), STOPGAP_PREFIX),
    subnetKey: subnetKey ?? 1,
  };
}
