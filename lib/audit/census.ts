import type { NodeTopology, SubnetTopology, Vnic } from '../compute-node';
import type { VnicConfigInput } from '../model';
import { networkOf, parseUnicastIpv4 } from '../model';
import type { Attachment, AuditedVnic } from './types';

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
  readonly #parse: (altName: string) => Attachment | undefined;
  readonly #subnetOf: (vnic: AuditedVnic) => string | undefined;
  #lastUsers = new Map<string, Suspect>();

  constructor(
    parse: (altName: string) => Attachment | undefined,
    subnetOf: ((vnic: AuditedVnic) => string | undefined) | undefined,
  ) {
    this.#parse = parse;
    this.#subnetOf = subnetOf ?? (() => undefined);
  }

  take({ subnets }: NodeTopology): Census {
    const users = new Map<string, Suspect>();
    const vnics: Suspect[] = [];
    const leftovers: Suspect[] = [];
    for (const subnet of subnets) {
      const found = subnet.vnics.flatMap((vnic) => this.#suspect(subnet, vnic) ?? []);
      vnics.push(...found);
      const [first] = found;
      // Where others use the subnet too, whoever of them is last removes it.
      if (first !== undefined && found.length === subnet.vnics.length) users.set(subnet.scope, first);
      const last = this.#lastUsers.get(subnet.scope);
      if (subnet.vnics.length > 0 || subnet.bridge === undefined || last === undefined) continue;
      users.set(subnet.scope, last);
      const key = `${subnet.scope} ${String(subnet.bridge.ifIndex)}`;
      leftovers.push({ ...last, key, what: 'subnet' });
    }
    this.#lastUsers = users;
    return { vnics, leftovers };
  }

  #suspect({ scope, ids, concIp, tunnel }: SubnetTopology, vnic: Vnic): Suspect | undefined {
    const altName = vnic.altNames.find((name) => this.#parse(name) !== undefined);
    const attachment = altName === undefined ? undefined : this.#parse(altName);
    // Runtimes' VNICs have no ambiguous ids: one that has them is not what its name says.
    if (altName === undefined || attachment === undefined || ids === undefined) return undefined;
    const { linkName, ifIndex, ip, role, mac, vnicId } = vnic;
    const audited: AuditedVnic = Object.freeze({
      ...attachment,
      ...{ altName, linkName, ifIndex, ip, concIp },
      ...ids,
    });
    const subnet = vnic.subnet ?? this.#subnetOf(audited);
    const config = {
      ...{ role, altName, concIp, ...ids },
      vnicId: vnicId ?? linkName,
      vnicIp: ip,
      vnicMac: mac ?? NO_MAC,
      subnet: subnet ?? networkOf(parseUnicastIpv4(ip, 'ip'), STOPGAP_PREFIX),
      subnetKey: tunnel?.key ?? 1,
    };
    const key = `${altName} ${String(ifIndex)}`;
    return { key, what: 'vnic', scope, vnic: audited, config, subnet };
  }
}
