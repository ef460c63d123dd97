import { closeSync } from 'node:fs';

import { formatAlias, scopeOf } from '../alias';
import type { Scope } from '../alias';
import { SharedWork } from '../host';
import type { Abandonment, Call, Host } from '../host';
import type { VnicConfig } from '../model';
import { checkAgrees, checkKey, checkRoom, checkSubnetKey, checkTunnelIsFree } from './checks';
import { demolish } from './demolition';
import {
  COLLISION_TRIES,
  StaleDatabaseError,
  explainRefusal,
  findStale,
  forgetLearnedMac,
  isCollision,
} from './kernel-refusal';
import { planVnicCreation } from './plan-vnic';
import { describeFound, describeMade, withoutHandover } from './report';
import type { MadeVnic } from './report';
import type { CreatedVnic } from './results';
import { newEntry } from './subnet';
import type { Subnet, SubnetTable, VnicEntry } from './subnet';
import type { SubnetMender } from './subnet-mender';

const OPERATION = 'createVnic';
// Each time, the database has learnt what had gone.
const STALE_TRIES = 5;

/** Makes VNICs: decides at once, works afterwards; who comes meanwhile waits for the same work. */
export class VnicCreator {
  readonly #host: Host;
  readonly #subnets: SubnetTable;
  readonly #mender: SubnetMender;

  constructor(host: Host, subnets: SubnetTable, mender: SubnetMender) {
    this.#host = host;
    this.#subnets = subnets;
    this.#mender = mender;
  }

  async create(config: VnicConfig, call: Call): Promise<CreatedVnic> {
    const scope = scopeOf(config);
    // The longest of the three aliases: refused before anything is touched.
    formatAlias({ type: 'cn-vnic', scope, vnicIp: config.vnicIp });
    for (let staleTries = 0; ;) {
      call.check();
      try {
        const result = await this.#attempt(scope, config, call);
        if (result !== undefined) return result;
      } catch (error) {
        if (!(error instanceof StaleDatabaseError)) throw error;
        staleTries += 1;
        if (staleTries === STALE_TRIES) throw error.cause;
      }
    }
  }

  /** Gives nothing where it had to wait for something: then things may be otherwise. */
  async #attempt(scope: Scope, config: VnicConfig, call: Call): Promise<CreatedVnic | undefined> {
    const subnet = this.#subnets.get(scope.text);
    const entry = subnet?.vnics.get(config.vnicIp);
    if (subnet !== undefined && entry !== undefined) {
      return await this.#find(subnet, entry, config, call);
    }
    if (subnet?.transition !== undefined) {
      await call.until(subnet.transition);
      return undefined;
    }
    if (subnet !== undefined) {
      checkSubnetKey(subnet, config);
      checkRoom(subnet);
    }
    if (subnet?.tunnel === undefined) {
      checkKey(this.#host, config, OPERATION);
      checkTunnelIsFree(this.#host, this.#subnets, subnet, config);
    }
    const home = subnet ?? this.#subnets.obtain(scope);
    const made = this.#start(home, config);
    return await share(made.work, home, made.entry, call);
  }

  /** The VNIC is there, or something is being done with it. */
  async #find(
    subnet: Subnet,
    entry: VnicEntry,
    config: VnicConfig,
    call: Call,
  ): Promise<CreatedVnic | undefined> {
    const { creation } = entry;
    if (creation !== undefined && !creation.isAbandoned) {
      checkAgrees(subnet, entry, config, OPERATION);
      return await share(creation, subnet, entry, call);
    }
    const busy = entry.work?.ended() ?? subnet.transition;
    if (busy !== undefined) {
      await call.until(busy);
      return undefined;
    }
    checkAgrees(subnet, entry, config, OPERATION);
    return await share(this.#confirm(subnet, entry, config), subnet, entry, call);
  }

  /** Puts a VNIC that is there in order, with its bridge and tunnel: somebody may have touched them. */
  #confirm(subnet: Subnet, entry: VnicEntry, config: VnicConfig): SharedWork<CreatedVnic> {
    const work = new SharedWork(
      async (abandoned) => {
        try {
          const known = await this.#mender.confirm(subnet, entry, config, abandoned);
          entry.config ??= config;
          return describeFound(this.#host, subnet, known, config);
        } finally {
          release(entry);
        }
      },
      (made) => {
        if (made.event !== undefined) subnet.isAnnounced = false;
      },
    );
    this.#note(subnet, entry, work);
    return work;
  }

  #start(
    subnet: Subnet,
    config: VnicConfig,
  ): { readonly work: SharedWork<CreatedVnic>; readonly entry: VnicEntry } {
    const entry = newEntry(config.vnicIp, 'creating', config);
    subnet.vnics.set(entry.ip, entry);
    const work = new SharedWork(
      (abandoned) => this.#run(subnet, entry, config, abandoned),
      (made) => this.#unmake(subnet, entry, made),
    );
    this.#note(subnet, entry, work);
    return { work, entry };
  }

  #note(subnet: Subnet, entry: VnicEntry, work: SharedWork<CreatedVnic>): void {
    entry.work = work;
    entry.creation = work;
    const ended = work.ended();
    void this.#host.track(ended);
    // The others of the subnet wait until its bridge and tunnel are there.
    if (!subnet.isComplete) this.#subnets.hold(subnet, ended);
  }

  async #run(
    subnet: Subnet,
    entry: VnicEntry,
    config: VnicConfig,
    abandoned: Abandonment,
  ): Promise<CreatedVnic> {
    const keyBefore = subnet.key;
    this.#subnets.setKey(subnet, keyBefore ?? config.subnetKey);
    let leave: (() => void) | undefined;
    try {
      leave = await this.#host.enter(abandoned);
      const made = await this.#make(subnet, entry, config, abandoned);
      return describeMade(this.#host, subnet, config, made);
    } catch (error) {
      subnet.vnics.delete(entry.ip);
      if (subnet.tunnel === undefined) this.#subnets.setKey(subnet, keyBefore);
      throw error;
    } finally {
      leave?.();
      // What is to be unmade stays noted until it is.
      if (!abandoned.isAbandoned) release(entry);
    }
  }

  async #make(
    subnet: Subnet,
    entry: VnicEntry,
    config: VnicConfig,
    abandoned: Abandonment,
  ): Promise<MadeVnic> {
    for (let attempt = 1; ; attempt += 1) {
      abandoned.check();
      const creation = planVnicCreation(this.#host, config, subnet);
      const links = [creation.vnic, creation.bridge, creation.tunnel];
      this.#mender.expectMade(creation, [creation.vnic]);
      try {
        const { fds } = await this.#host.kernel.run(creation.plan);
        this.#mender.foldMade(subnet, creation);
        this.#subnets.setVnic(subnet, entry, creation.vnic);
        return { creation, fds: fds.get(creation.portStep) };
      } catch (error) {
        this.#subnets.links.release(links);
        if (isCollision(error) && attempt < COLLISION_TRIES) {
          await forgetLearnedMac(this.#host, error, creation);
          continue;
        }
        const explained = explainRefusal(error, OPERATION, creation);
        throw await findStale(this.#host, this.#subnets, subnet, explained);
      }
    }
  }

  // Everybody who waited has given up: what was made for them goes again.
  async #unmake(subnet: Subnet, entry: VnicEntry, made: CreatedVnic): Promise<void> {
    for (const fd of made.vnic.fds ?? []) closeSync(fd);
    if (made.event !== undefined) subnet.isAnnounced = false;
    if (made.container?.kind === 'container-network-add') subnet.hasContainerNetwork = false;
    if (subnet.vnics.get(entry.ip) === entry) {
      entry.status = 'destroying';
      const isLast = subnet.vnics.size === 1;
      if (isLast && entry.work !== undefined && subnet.transition === undefined) {
        this.#subnets.hold(subnet, entry.work.ended());
      }
      await this.#demolish(subnet, entry, isLast);
    }
    release(entry);
  }

  async #demolish(subnet: Subnet, entry: VnicEntry, isLast: boolean): Promise<void> {
    try {
      await demolish({ host: this.#host, subnets: this.#subnets }, subnet, entry, isLast);
    } catch (error) {
      this.#host.logger.error('what was made for a call that was aborted stayed', { error });
      // A stranger may have the bridge or the tunnel by now: the VNIC is still ours alone to take.
      if (isLast) await this.#demolish(subnet, entry, false);
    }
  }
}

async function share(
  work: SharedWork<CreatedVnic>,
  subnet: Subnet,
  entry: VnicEntry,
  call: Call,
): Promise<CreatedVnic> {
  const made = await work.join(call);
  return work.claim() ? made : withoutHandover(made, subnet, entry);
}

function release(entry: VnicEntry): void {
  entry.work = undefined;
  entry.creation = undefined;
}
