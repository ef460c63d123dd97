import type { DhcpEvent } from '../dhcp';
import { isLibsnnetError } from '../errors';
import type { Call } from '../host';
import { makePlan } from '../plan';
import type { Finding } from '../topology';
import type { WatchEvent } from '../watch';
import type { CnciParts } from './maintenance';
import { planPort } from './plan-subnet';
import type { RemoteSubnets } from './subnets';
import type { CnciSubnet } from './table';

/** What `repair` of a concentrator did. */
export interface CnciRepairReport {
  readonly repaired: readonly Finding[];
  /** What it left alone, with the reason. */
  readonly left: readonly { readonly finding: Finding; readonly reason: string }[];
}

/** What a watcher mended by itself. */
export interface CnciHealedEvent extends CnciRepairReport {
  readonly type: 'healed';
}

/** A subnet's DHCP and DNS server: it died, was started again, or could not be. */
export interface DhcpNews {
  readonly type: 'dhcp';
  readonly state: DhcpEvent['type'];
  readonly subnet: string;
  readonly tenantId: string;
  readonly pid?: number;
  readonly error?: unknown;
}

/** What `Cnci.watch` tells. */
export type CnciEvent = WatchEvent | CnciHealedEvent | DhcpNews;

/** Turns findings into a consistent state, one by one; what needs a decision is left. */
export class CnciRepairer {
  readonly #parts: CnciParts;
  readonly #subnets: RemoteSubnets;
  readonly #call: Call;

  constructor(parts: CnciParts, subnets: RemoteSubnets, call: Call) {
    this.#parts = parts;
    this.#subnets = subnets;
    this.#call = call;
  }

  async run(findings: readonly Finding[]): Promise<CnciRepairReport> {
    const repaired: Finding[] = [];
    const left: { finding: Finding; reason: string }[] = [];
    for (const finding of findings) {
      try {
        const reason = await this.#repair(finding);
        if (reason === undefined) repaired.push(finding);
        else left.push({ finding, reason });
      } catch (error) {
        if (!isLibsnnetError(error)) throw error;
        left.push({ finding, reason: error.message });
      }
    }
    return Object.freeze({ repaired: Object.freeze(repaired), left: Object.freeze(left) });
  }

  /** The reason why it was left, if it was. */
  async #repair(finding: Finding): Promise<string | undefined> {
    if (finding.remedy === 'none') return 'a person must decide';
    if (finding.type === 'missing-tunnel') {
      await this.#restore(finding);
      return undefined;
    }
    const entry = this.#parts.table.get(finding.subnet ?? '');
    if (entry === undefined) return 'its subnet is unknown';
    if (finding.type === 'missing-bridge') await this.#subnets.regain(entry);
    if (finding.remedy === 'reattach') return await this.#reattach(finding, entry);
    await this.#parts.dhcp?.ensure(entry);
    return undefined;
  }

  /** All of the subnet that were lost: an earlier finding may have led to this one. */
  async #restore({ subnet }: Finding): Promise<void> {
    const lost = [...this.#parts.table.lost].filter((tunnel) => tunnel.subnet === subnet);
    for (const tunnel of lost) await this.#subnets.restore(tunnel, this.#call);
  }

  async #reattach({ link }: Finding, entry: CnciSubnet): Promise<string | undefined> {
    const { bridge } = entry;
    const ifindex = link?.ifIndex;
    if (ifindex === undefined || bridge === undefined) return 'its bridge is not there';
    const tunnel = entry.allTunnels.find(({ ifIndex }) => ifIndex === ifindex);
    const step =
      tunnel === undefined
        ? ({ op: 'link.set', ifindex, up: true } as const)
        : planPort(tunnel, bridge.ifIndex);
    await this.#parts.host.kernel.run(makePlan('repair', [step]));
    return undefined;
  }
}
