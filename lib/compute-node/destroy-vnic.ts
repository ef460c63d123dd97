import { scopeOf } from '../alias';
import type { Scope } from '../alias';
import { SharedWork } from '../host';
import type { Abandonment, Call, Host } from '../host';
import type { VnicConfig } from '../model';
import { checkAgrees } from './checks';
import { demolish } from './demolition';
import { containerNetwork, tunnelEvent } from './events';
import type { DestroyedVnic } from './results';
import type { Subnet, SubnetTable, VnicEntry } from './subnet';

const OPERATION = 'destroyVnic';
const GONE: DestroyedVnic = Object.freeze({ destroyed: false });

interface Task {
  readonly subnet: Subnet;
  /** Absent where there is no VNIC left, only what others left of its subnet. */
  readonly entry: VnicEntry | undefined;
  readonly config: VnicConfig;
  readonly isLast: boolean;
}

/** Destroys VNICs, and the tunnel and bridge of a subnet with its last. */
export class VnicDestroyer {
  readonly #host: Host;
  readonly #subnets: SubnetTable;

  constructor(host: Host, subnets: SubnetTable) {
    this.#host = host;
    this.#subnets = subnets;
  }

  async destroy(config: VnicConfig, call: Call): Promise<DestroyedVnic> {
    const scope = scopeOf(config, { allowUnderscore: true });
    for (;;) {
      call.check();
      const subnet = this.#subnets.get(scope.text);
      const entry = subnet?.vnics.get(config.vnicIp);
      if (subnet === undefined || entry === undefined) {
        if (subnet?.transition === undefined) {
          return await this.#clearAway(scope, subnet, config, call);
        }
        await call.until(subnet.transition);
      } else {
        const result = await this.#attempt(subnet, entry, config, call);
        if (result !== undefined) return result;
      }
    }
  }

  /** Gives nothing where it had to wait for something: then things may be otherwise. */
  async #attempt(
    subnet: Subnet,
    entry: VnicEntry,
    config: VnicConfig,
    call: Call,
  ): Promise<DestroyedVnic | undefined> {
    checkAgrees(subnet, entry, config, OPERATION);
    const { destruction } = entry;
    if (destruction !== undefined && !destruction.isAbandoned) return await take(destruction, call);
    const busy = entry.work?.ended() ?? subnet.transition ?? whenDecided(subnet, entry);
    if (busy === undefined) return await take(this.#start(subnet, entry, config), call);
    await call.until(busy);
    return undefined;
  }

  /** The VNIC is gone; with nobody left, what others left of its subnet goes too. */
  async #clearAway(
    scope: Scope,
    subnet: Subnet | undefined,
    config: VnicConfig,
    call: Call,
  ): Promise<DestroyedVnic> {
    const owed = this.#subnets.takeOwed(scope.text);
    if (owed !== undefined) return Object.freeze({ ...owed, destroyed: false });
    const isClear = subnet?.bridge === undefined && subnet?.tunnel === undefined;
    if (subnet === undefined || subnet.vnics.size > 0 || isClear) return GONE;
    const work = this.#begin({ subnet, entry: undefined, config, isLast: true });
    return Object.freeze({ ...(await take(work, call)), destroyed: false });
  }

  #start(subnet: Subnet, entry: VnicEntry, config: VnicConfig): SharedWork<DestroyedVnic> {
    entry.status = 'destroying';
    const isLast = [...subnet.vnics.values()].every((other) => other.status === 'destroying');
    const work = this.#begin({ subnet, entry, config, isLast });
    entry.work = work;
    entry.destruction = work;
    return work;
  }

  #begin(task: Task): SharedWork<DestroyedVnic> {
    const { subnet, isLast } = task;
    const work = new SharedWork(
      (abandoned) => this.#run(task, abandoned),
      (result) => {
        this.#subnets.owe(subnet, result);
      },
    );
    void this.#host.track(work.ended());
    // Nobody may build on a bridge that goes, nor lose one that was just found.
    if (isLast) this.#subnets.hold(subnet, work.ended());
    return work;
  }

  async #run(task: Task, abandoned: Abandonment): Promise<DestroyedVnic> {
    const { subnet, entry, config, isLast } = task;
    try {
      if (isLast) await othersEnded(subnet, entry);
      const leave = await this.#host.enter(abandoned);
      try {
        abandoned.check();
        // One of the others may have failed and stayed: then this is not the last after all.
        const takesBridge = isLast && subnet.vnics.size === (entry === undefined ? 0 : 1);
        const result = takesBridge ? this.#lastResult(subnet, config) : { destroyed: true };
        const done = demolish(
          { host: this.#host, subnets: this.#subnets },
          subnet,
          entry,
          takesBridge,
        );
        // What waits for the kernel to let go of links holds no place: the more wait, the fewer
        // groups the kernel has to delete.
        leave();
        await done;
        return Object.freeze(result);
      } finally {
        leave();
      }
    } catch (error) {
      if (entry !== undefined) entry.status = 'ready';
      throw error;
    } finally {
      if (entry !== undefined) {
        entry.work = undefined;
        entry.destruction = undefined;
      }
    }
  }

  #lastResult(subnet: Subnet, config: VnicConfig): DestroyedVnic {
    const { tunnel, bridge } = subnet;
    const event = tunnelEvent('tunnel-del', config, {
      tunnel: tunnel?.kind ?? this.#host.mode,
      cnIp: tunnel?.local ?? this.#host.computeLink.address,
      subnetKey: tunnel?.key ?? subnet.key ?? config.subnetKey,
      cnId: this.#host.options.id,
    });
    const container =
      subnet.hasContainerNetwork && bridge !== undefined
        ? containerNetwork('container-network-del', config, bridge)
        : undefined;
    return { destroyed: true, event, ...(container !== undefined && { container }) };
  }
}

// Of several equal calls one gets the events.
async function take(work: SharedWork<DestroyedVnic>, call: Call): Promise<DestroyedVnic> {
  const result = await work.join(call);
  return work.claim() ? result : GONE;
}

/**
 * Whether a VNIC is the last shows only when those being made have come about: resolves when one has.
 * Nothing to wait for where another one is there, or where nobody else comes.
 */
function whenDecided(subnet: Subnet, entry: VnicEntry): Promise<void> | undefined {
  let coming: VnicEntry | undefined;
  for (const other of subnet.vnics.values()) {
    if (other === entry) continue;
    if (other.status === 'ready') return undefined;
    if (other.status === 'creating') coming ??= other;
  }
  return coming?.work?.ended();
}

async function othersEnded(subnet: Subnet, entry: VnicEntry | undefined): Promise<void> {
  const others = [...subnet.vnics.values()].filter((other) => other !== entry);
  await Promise.all(others.flatMap(({ work }) => (work === undefined ? [] : [work.ended()])));
}
