import { formatAlias, parseAlias } from '../alias';
import { planCnciVnic, planDeletion } from '../device';
import { APIError } from '../errors';
import { SharedWork } from '../host';
import type { Abandonment, Call, Host } from '../host';
import type { CnciVnicConfig } from '../model';
import { makePlan } from '../plan';
import type { Plan } from '../plan';
import { identityKey } from '../topology';
import type { KnownLink } from '../topology';
import type { LinkIndex } from '../watch';
import { CnciVnic } from './vnic';

/** What `createCnciVnic` gives. */
export interface CreatedCnciVnic {
  readonly vnic: CnciVnic;
  /** False where it was there already. */
  readonly created: boolean;
}

/** What `destroyCnciVnic` gives. */
export interface DestroyedCnciVnic {
  /** False where it was gone already. */
  readonly destroyed: boolean;
}

interface Entry {
  known: KnownLink | undefined;
  work: SharedWork<KnownLink> | SharedWork<void> | undefined;
  creation: SharedWork<KnownLink> | undefined;
}

/** The macvtaps of CNCI VMs on the first compute link, by the identity in their alias. */
export class CnciVnics {
  readonly #host: Host;
  readonly #links: LinkIndex;
  readonly #entries = new Map<string, Entry>();

  constructor(host: Host, links: LinkIndex) {
    this.#host = host;
    this.#links = links;
  }

  /** Replaces everything by what a dump showed. */
  replace(found: ReadonlyMap<string, KnownLink>): void {
    this.#entries.clear();
    for (const [key, known] of found) {
      const entry: Entry = { known: undefined, work: undefined, creation: undefined };
      this.#entries.set(key, entry);
      this.#own(key, entry, known);
    }
  }

  *all(): Iterable<CnciVnic> {
    for (const { known } of this.#entries.values()) {
      const parsed = known === undefined ? undefined : parseAlias(known.alias);
      if (known === undefined || parsed?.type !== 'cnci-vnic') continue;
      yield new CnciVnic(known, parsed.tenantId, parsed.vnicId);
    }
  }

  async create(config: CnciVnicConfig, call: Call): Promise<CreatedCnciVnic> {
    const key = keyOf(config);
    for (;;) {
      call.check();
      const entry = this.#entries.get(key);
      if (entry?.known !== undefined && entry.work === undefined) {
        checkMac(entry.known, config);
        return toResult(entry.known, config, false);
      }
      const creation = entry?.creation;
      if (entry?.work !== undefined && (creation === undefined || creation.isAbandoned)) {
        await call.until(entry.work.ended());
        continue;
      }
      const work = creation ?? this.#startCreation(key, config);
      const known = await work.join(call);
      checkMac(known, config);
      return toResult(known, config, work.claim());
    }
  }

  async destroy(config: CnciVnicConfig, call: Call): Promise<DestroyedCnciVnic> {
    const key = keyOf(config);
    for (;;) {
      call.check();
      const entry = this.#entries.get(key);
      if (entry === undefined) return Object.freeze({ destroyed: false });
      if (entry.work !== undefined) {
        await call.until(entry.work.ended());
        continue;
      }
      await this.#startDestruction(key, entry).join(call);
      return Object.freeze({ destroyed: true });
    }
  }

  /** Empty where it is there. */
  planCreation(config: CnciVnicConfig): Plan {
    const isThere = this.#entries.get(keyOf(config))?.known !== undefined;
    return isThere ? makePlan('createCnciVnic', []) : this.#planNew(config);
  }

  planDestruction(config: CnciVnicConfig): Plan {
    const known = this.#entries.get(keyOf(config))?.known;
    return known === undefined ? makePlan('destroyCnciVnic', []) : destructionOf(this.#host, known);
  }

  #planNew(config: CnciVnicConfig): Plan {
    const link = this.#host.computeLink.ifIndex;
    const { vnicMac: mac, mode } = config;
    const step = planCnciVnic(this.#host.chooser, { alias: aliasOf(config), mac, mode, link });
    return makePlan('createCnciVnic', [step]);
  }

  #own(key: string, entry: Entry, known: KnownLink): void {
    entry.known = known;
    const parsed = parseAlias(known.alias);
    this.#links.own(known, {
      ...(parsed?.type === 'cnci-vnic' && { tenantId: parsed.tenantId }),
      masterOf: () => undefined,
      forget: () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    });
  }

  #startCreation(key: string, config: CnciVnicConfig): SharedWork<KnownLink> {
    const entry: Entry = { known: undefined, work: undefined, creation: undefined };
    this.#entries.set(key, entry);
    const work = new SharedWork(
      async (abandoned) => {
        try {
          const leave = await this.#host.enter(abandoned);
          try {
            return await this.#make(key, entry, config, abandoned);
          } finally {
            leave();
          }
        } catch (error) {
          this.#entries.delete(key);
          throw error;
        } finally {
          // What is to be unmade stays noted until it is.
          if (!abandoned.isAbandoned) release(entry);
        }
      },
      (known) => this.#unmake(key, entry, known),
    );
    entry.work = work;
    entry.creation = work;
    void this.#host.track(work.ended());
    return work;
  }

  async #make(
    key: string,
    entry: Entry,
    config: CnciVnicConfig,
    abandoned: Abandonment,
  ): Promise<KnownLink> {
    abandoned.check();
    const plan = this.#planNew(config);
    const step = plan.steps[0]?.step;
    if (step?.op !== 'link.create') throw new Error('unreachable');
    const known: KnownLink = {
      ifIndex: step.ifindex,
      linkName: step.ifname,
      alias: step.alias ?? '',
      mtu: this.#host.computeLink.mtu,
      mac: step.address ?? '',
    };
    this.#links.expect([known]);
    try {
      await this.#host.kernel.run(plan);
    } catch (error) {
      this.#links.release([known]);
      throw error;
    }
    this.#own(key, entry, known);
    return known;
  }

  // Everybody who waited has given up: what was made for them goes again.
  async #unmake(key: string, entry: Entry, known: KnownLink): Promise<void> {
    try {
      await this.#delete(key, entry, known);
    } catch (error) {
      this.#host.logger.error('what was made for a call that was aborted stayed', { error });
    }
    release(entry);
  }

  #startDestruction(key: string, entry: Entry): SharedWork<void> {
    const work = new SharedWork<void>(async (abandoned) => {
      try {
        const leave = await this.#host.enter(abandoned);
        leave();
        abandoned.check();
        if (entry.known !== undefined) await this.#delete(key, entry, entry.known);
      } finally {
        release(entry);
      }
    });
    entry.work = work;
    void this.#host.track(work.ended());
    return work;
  }

  async #delete(key: string, entry: Entry, known: KnownLink): Promise<void> {
    this.#links.expect([known]);
    try {
      await this.#host.kernel.run(destructionOf(this.#host, known));
    } catch (error) {
      this.#own(key, entry, known);
      throw error;
    }
    this.#links.release([known]);
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }
}

function release(entry: Entry): void {
  entry.work = undefined;
  entry.creation = undefined;
}

function keyOf(config: CnciVnicConfig): string {
  return identityKey(aliasOf(config));
}

function aliasOf(config: CnciVnicConfig): string {
  return formatAlias({ type: 'cnci-vnic', tenantId: config.tenantId, vnicId: config.vnicId });
}

function destructionOf(host: Host, link: KnownLink): Plan {
  return makePlan('destroyCnciVnic', [planDeletion(host.chooser, [link], [])]);
}

function checkMac(known: KnownLink, config: CnciVnicConfig): void {
  if (known.mac === config.vnicMac) return;
  throw new APIError('SNNET_VNIC_CONFLICT', {
    operation: 'createCnciVnic',
    field: 'vnicMac',
    value: config.vnicMac,
    object: { linkName: known.linkName },
    detail: `${known.linkName} has the MAC ${known.mac}, the configuration says ${config.vnicMac}`,
  });
}

function toResult(known: KnownLink, config: CnciVnicConfig, created: boolean): CreatedCnciVnic {
  return Object.freeze({ vnic: new CnciVnic(known, config.tenantId, config.vnicId), created });
}
