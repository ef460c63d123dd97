import { setImmediate as breathe } from 'node:timers/promises';

import { parseAlias } from '../alias';
import { APIError } from '../errors';
import type { Chooser } from '../device';
import { Kernel, probe } from '../kernel';
import type { AddressRow, Capabilities, KernelOptions, LinkRow, RowReader } from '../kernel';
import { SILENT_LOGGER, TUNNEL_KINDS } from '../model';
import type { CallOptions, Logger, NodeOptions, TunnelKind } from '../model';
import { LinkSorter } from '../topology';
import type { Inventory } from '../topology';
import type { Abandonment } from './abandonment';
import { Anchor } from './anchor';
import { Call } from './call';
import { RandomChooser } from './chooser';
import { Gate } from './gate';
import { discoverPhysicalLinks } from './physical-links';
import type { PhysicalLink, PhysicalLinks } from './physical-links';

/** What tests may replace. */
export type HostHooks = Pick<KernelOptions, 'fault'> & {
  /** Chooses names and indexes; for tests of collisions. */
  readonly chooser?: Chooser;
};

/** Makes something of a dump of links, part by part. */
export interface LinkReader<T> extends RowReader<LinkRow> {
  finish(): T;
}

const LINK_KIND: Readonly<Record<TunnelKind, 'gretap' | 'vxlan' | 'geneve'>> = {
  gre: 'gretap',
  vxlan: 'vxlan',
  geneve: 'geneve',
};

/**
 * What a compute node and a CNCI have in common: a namespace, its links to the outside, and how calls
 * are let in.
 */
export class Host {
  readonly kernel: Kernel;
  readonly options: NodeOptions;
  readonly logger: Logger;
  readonly mode: TunnelKind;
  readonly physical: PhysicalLinks;
  readonly chooser: Chooser;
  readonly anchor: Anchor;
  readonly #gate: Gate;
  readonly #seed: (links: readonly LinkRow[]) => void;
  readonly #working = new Set<Promise<unknown>>();
  #exclusive: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    kernel: Kernel,
    options: NodeOptions,
    { mode, physical }: { readonly mode: TunnelKind; readonly physical: PhysicalLinks },
    chooser: Chooser | undefined,
  ) {
    const random = new RandomChooser();
    this.kernel = kernel;
    this.options = options;
    this.mode = mode;
    this.physical = physical;
    this.logger = options.logger ?? SILENT_LOGGER;
    this.chooser = chooser ?? random;
    this.#seed = (links) => {
      random.seed(links);
    };
    this.anchor = new Anchor(kernel, this.chooser, options.vxlanPort, this.logger);
    this.#gate = new Gate(options.maxConcurrency);
  }

  /** Opens the namespace and finds the links to the outside. */
  static async open(operation: string, options: NodeOptions, hooks: HostHooks = {}): Promise<Host> {
    const kernel = await Kernel.open({ netns: options.netns, fault: hooks.fault });
    try {
      const links = await kernel.links();
      const addresses = await kernel.addresses();
      const physical = discoverPhysicalLinks(links, addresses, ourIndexes(links), {
        operation,
        ...options,
      });
      const mode = await chooseMode(operation, options);
      const host = new Host(kernel, options, { mode, physical }, hooks.chooser);
      host.#seed(links);
      return host;
    } catch (error) {
      await kernel.close();
      throw error;
    }
  }

  /** The link that tunnels run on: the first, as in the original. */
  get computeLink(): PhysicalLink {
    const [first] = this.physical.compute;
    if (first === undefined) throw new APIError('SNNET_NETWORK_NOT_FOUND', { operation: 'open' });
    return first;
  }

  /** One dump of links; the chooser avoids what it shows. */
  async links(): Promise<LinkRow[]> {
    const links = await this.kernel.links();
    this.#seed(links);
    return links;
  }

  /** One dump of links, sorted while it comes. */
  async inventory(): Promise<Inventory> {
    return await this.read(new LinkSorter());
  }

  /** One dump of links, read while it comes: the event loop has its turns in between. */
  async read<T>(reader: LinkReader<T>): Promise<T> {
    this.#seed(await this.kernel.links(reader));
    await breathe();
    return reader.finish();
  }

  async addresses(): Promise<AddressRow[]> {
    return this.kernel.addresses();
  }

  /** Waits for a place among the calls at work; the result gives it back. */
  enter(abandoned?: Abandonment): Promise<() => void> {
    return this.#gate.enter(abandoned);
  }

  /** Runs one call of the API: refused when closed, kept out while an exclusive one is at work. */
  async call<T>(
    operation: string,
    options: CallOptions,
    body: (call: Call) => Promise<T>,
  ): Promise<T> {
    return await this.#admit(operation, options, (call) => this.track(body(call)));
  }

  /** Runs a call that must be alone: the others wait until it is over. */
  async alone<T>(
    operation: string,
    options: CallOptions,
    body: (call: Call) => Promise<T>,
  ): Promise<T> {
    return await this.#admit(operation, options, (call) => {
      const work = this.#whenQuiet().then(() => {
        call.check();
        return body(call);
      });
      this.#exclusive = work;
      void work
        .catch(() => undefined)
        .finally(() => {
          this.#exclusive = undefined;
        });
      return call.until(work);
    });
  }

  async #admit<T>(
    operation: string,
    options: CallOptions,
    run: (call: Call) => Promise<T>,
  ): Promise<T> {
    this.refuseIfClosed(operation);
    const call = new Call(operation, options, this.options.timeoutMs);
    try {
      while (this.#exclusive !== undefined) {
        await call.until(this.#exclusive.catch(() => undefined));
      }
      // From the last look to the work nothing may come in between: not even a microtask.
      call.check();
      this.refuseIfClosed(operation);
      return await run(call);
    } catch (error) {
      throw naming(operation, error) as Error;
    } finally {
      call.finish();
    }
  }

  /** Notes work that an exclusive call, or closing, has to wait for. */
  track<T>(work: Promise<T>): Promise<T> {
    this.#working.add(work);
    const forget = (): void => {
      this.#working.delete(work);
    };
    work.then(forget, forget);
    return work;
  }

  /**
   * Waits for what runs, refuses what is new, leaves the kernel's state alone.
   *
   * @param release - What else lets go, before the kernel handle does.
   */
  close(release?: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(release);
    return this.#closing;
  }

  async #close(release?: () => Promise<void>): Promise<void> {
    await this.#exclusive?.catch(() => undefined);
    await this.#whenQuiet();
    await release?.();
    await this.anchor.settle();
    await this.kernel.close();
  }

  async #whenQuiet(): Promise<void> {
    while (this.#working.size > 0) await Promise.allSettled([...this.#working]);
  }

  /** Throws `SNNET_HANDLE_CLOSED` once closing has begun. */
  refuseIfClosed(operation: string): void {
    if (this.#closing === undefined) return;
    throw new APIError('SNNET_HANDLE_CLOSED', { operation });
  }
}

// Bridges of ours carry addresses on a CNCI; they never lead outside.
function ourIndexes(links: readonly LinkRow[]): Set<number> {
  const isOurs = ({ ifname, alias }: LinkRow): boolean =>
    /^s(br|gt|vn|vp|vc)_/.test(ifname) || (alias !== '' && parseAlias(alias) !== undefined);
  return new Set(links.filter(isOurs).map((link) => link.ifindex));
}

// Planners and parsers of identities do not know which call they work for.
function naming(operation: string, error: unknown): unknown {
  const isNameless = error instanceof APIError && error.operation === undefined;
  return isNameless ? error.withDetails({ operation }) : error;
}

async function chooseMode(operation: string, options: NodeOptions): Promise<TunnelKind> {
  if (options.mode !== 'auto') return options.mode;
  const capabilities = await probe();
  const mode = TUNNEL_KINDS.find((kind) => capabilities.linkKinds[LINK_KIND[kind]]);
  if (mode !== undefined) return mode;
  throw noTunnel(operation, capabilities);
}

function noTunnel(operation: string, capabilities: Capabilities): APIError {
  // Without the right to make links nobody can tell what the kernel would make.
  const code = capabilities.netAdmin ? 'SNNET_KIND_UNSUPPORTED' : 'SNNET_PRIVILEGE_MISSING';
  return new APIError(code, { operation, detail: capabilities.remarks.join('; ') });
}
