import { formatAlias } from '../alias';
import { planAnchor, planDeletion } from '../device';
import type { Chooser } from '../device';
import type { Kernel } from '../kernel';
import type { Logger } from '../model';
import { makePlan } from '../plan';
import type { KnownLink } from '../topology';

// Long enough that a workload which is replaced finds it still there.
const LINGER_MS = 1000;

/**
 * Holds the kernel's UDP socket of VXLAN open while there are tunnels, by a device of its own: else
 * the last tunnel to go costs 9 to 16 ms more, under the lock that everybody needs. It comes after
 * the first tunnel, behind the caller's back, and goes a little after the last.
 */
export class Anchor {
  readonly #kernel: Kernel;
  readonly #chooser: Chooser;
  readonly #port: number;
  readonly #logger: Logger;
  #link: KnownLink | undefined;
  #work: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #tunnels = 0;
  #isCreating = false;

  constructor(kernel: Kernel, chooser: Chooser, port: number, logger: Logger) {
    this.#kernel = kernel;
    this.#chooser = chooser;
    this.#port = port;
    this.#logger = logger;
  }

  get link(): KnownLink | undefined {
    return this.#link;
  }

  /** Takes over what a dump showed; more than one are one too many. */
  adopt(found: readonly KnownLink[]): void {
    this.#link = found[0];
    if (found.length > 1) this.#then(() => this.#delete(found.slice(1)));
  }

  /** Somebody else deleted a link: if it was this one, the next tunnel brings a new one. */
  lose(ifIndex: number): void {
    if (this.#link?.ifIndex === ifIndex) this.#link = undefined;
  }

  /** Waits for whatever is under way, so that a dump shows what there is. */
  async idle(): Promise<void> {
    await this.#work;
  }

  /** Says how many VXLAN tunnels there are now. */
  update(tunnels: number): void {
    this.#tunnels = tunnels;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (tunnels > 0 && this.#link === undefined && !this.#isCreating) {
      this.#isCreating = true;
      this.#then(() => this.#create());
    }
    if (tunnels === 0 && this.#link !== undefined) {
      this.#timer = setTimeout(() => {
        this.#then(() => this.#remove());
      }, LINGER_MS).unref();
    }
  }

  /** Removes it now if nothing needs it, and waits for whatever is under way. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer);
    this.#then(() => this.#remove());
    await this.#work;
  }

  #then(next: () => Promise<void>): void {
    this.#work = this.#work.then(next).catch((error: unknown) => {
      // Only speed depends on it.
      this.#logger.warn('the VXLAN anchor could not be changed', { error });
    });
  }

  async #create(): Promise<void> {
    this.#isCreating = false;
    if (this.#link !== undefined || this.#tunnels === 0) return;
    const alias = formatAlias({ type: 'anchor' });
    const step = planAnchor(this.#chooser, alias, this.#port);
    await this.#kernel.run(makePlan('anchor', [step]));
    this.#link = { ifIndex: step.ifindex, linkName: step.ifname, alias, mtu: 0, mac: '' };
  }

  async #remove(): Promise<void> {
    if (this.#link === undefined || this.#tunnels > 0) return;
    const link = this.#link;
    this.#link = undefined;
    await this.#delete([link]);
  }

  async #delete(links: readonly KnownLink[]): Promise<void> {
    await this.#kernel.run(makePlan('anchor', [planDeletion(this.#chooser, links, [])]));
  }
}
