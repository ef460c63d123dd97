import { parseAlias } from '../alias';
import type { Scope } from '../alias';
import type { Kernel } from '../kernel';
import { identityKey, rebuildComputeNode } from '../topology';
import type { ComputeNodeView, KnownVnic } from '../topology';

/** The VNICs of a namespace at one moment. */
export class VnicView {
  readonly #view: ComputeNodeView;

  constructor(view: ComputeNodeView) {
    this.#view = view;
  }

  /** A workload's VNIC, by its subnet and its address. */
  find(scope: Scope, address: string): KnownVnic | undefined {
    return this.#view.subnets.get(identityKey(scope.text))?.vnics.get(address);
  }

  /** The same by its alias. */
  findByAlias(alias: string): KnownVnic | undefined {
    const parsed = parseAlias(alias);
    return parsed?.type === 'cn-vnic' ? this.find(parsed.scope, parsed.vnicIp) : undefined;
  }
}

/**
 * Looks for VNICs in the kernel, each time anew: other processes make and destroy them. Those who ask
 * while a dump is at work share the next one.
 */
export class VnicFinder {
  readonly #kernel: Kernel;
  #running: Promise<VnicView> | undefined;
  #next: Promise<VnicView> | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** What there is now: no dump is used that began before the call. */
  look(): Promise<VnicView> {
    this.#next ??= this.#lookAfter(this.#running);
    return this.#next;
  }

  async #lookAfter(running: Promise<VnicView> | undefined): Promise<VnicView> {
    // A turn at least: who asks in the same turn asks for the same.
    await running?.catch(() => undefined);
    const dump = this.#dump();
    this.#running = dump;
    this.#next = undefined;
    return await dump;
  }

  async #dump(): Promise<VnicView> {
    return new VnicView(rebuildComputeNode(await this.#kernel.links()));
  }
}
