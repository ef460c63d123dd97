import { APIError } from '../errors';
import { Kernel } from '../kernel';
import type { Handlers } from './drivers';
import { ipamHandlers } from './ipam-driver';
import { listen } from './listening';
import type { Listening } from './listening';
import { networkHandlers } from './network-driver';
import { parsePluginOptions } from './options';
import type { DockerPluginOptions, DockerPluginOptionsInput } from './options';
import { reconcile } from './reconcile';
import { Registry } from './registry';
import { makeServer } from './server';
import type { PluginServer } from './server';
import { VnicFinder } from './vnics';

/** What a plugin knows of docker's wishes. */
export interface DockerPluginState {
  /** Where it listens; absent while it does not. */
  readonly address?: string;
  readonly networks: number;
  readonly endpoints: number;
}

interface Opened {
  readonly kernel: Kernel;
  readonly registry: Registry;
  readonly handlers: Handlers;
}

interface Started {
  readonly server: PluginServer;
  readonly listening: Listening;
}

/**
 * Docker's network and IPAM driver for tenants' networks. It makes nothing: the launcher's `createVnic`
 * makes a VNIC, says what network docker must know (`container`), and then `docker run` gets the VNIC.
 *
 * It keeps what docker tells it in a store, since docker tells it once. It never calls docker, so that
 * either can start first; it looks VNICs up in the kernel, so that it sees those of all processes. It has
 * to run in the network namespace of dockerd, or be told which that is.
 */
export class DockerPlugin {
  readonly #options: DockerPluginOptions;
  #opened: Promise<Opened> | undefined;
  #started: Promise<Started> | undefined;
  #address: string | undefined;
  #registry: Registry | undefined;

  /** @throws {@link APIError} `SNNET_INPUT_…`. */
  constructor(options: DockerPluginOptionsInput = {}) {
    this.#options = parsePluginOptions(options, 'DockerPlugin');
  }

  /** What docker calls the driver. */
  get name(): string {
    return this.#options.name;
  }

  /** What it knows at this moment. */
  get state(): DockerPluginState {
    return Object.freeze({
      ...(this.#address !== undefined && { address: this.#address }),
      networks: this.#registry?.networks.size ?? 0,
      endpoints: this.#registry?.endpoints.size ?? 0,
    });
  }

  /**
   * Opens the store, reads back what docker said before, and forgets what docker has no use for any
   * more. Once is enough; {@link start} does it too.
   *
   * @throws {@link APIError} `SNNET_STORE_FAILED`, `SNNET_STATE_UNSAFE`, `SNNET_NETNS_NOT_FOUND`,
   * `SNNET_ADDON_MISSING`.
   */
  async init(): Promise<void> {
    const opening = (this.#opened ??= this.#open());
    try {
      await opening;
    } catch (error) {
      if (this.#opened === opening) this.#opened = undefined;
      throw error;
    }
  }

  /**
   * Listens, and tells docker where. A socket that a dead process left is replaced; one that is answered
   * is not.
   *
   * @throws {@link APIError} as {@link init}, and `SNNET_SERVICE_RUNNING` (a socket that is answered),
   * `SNNET_ADDRESS_TAKEN` (a port).
   */
  async start(): Promise<void> {
    await this.init();
    const starting = (this.#started ??= this.#listen());
    try {
      await starting;
    } catch (error) {
      if (this.#started === starting) this.#started = undefined;
      throw error;
    }
  }

  /** Answers what was asked and listens no more. {@link start} goes on where this ended. */
  async stop(): Promise<void> {
    const started = await this.#started?.catch(() => undefined);
    this.#started = undefined;
    this.#address = undefined;
    if (started === undefined) return;
    await started.listening.withdraw();
    await started.server.close();
  }

  /** Stops, and lets go of the store and the kernel. Containers keep their networks. */
  async close(): Promise<void> {
    await this.stop();
    const opened = await this.#opened?.catch(() => undefined);
    this.#opened = undefined;
    this.#registry = undefined;
    await opened?.registry.close();
    await opened?.kernel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(): Promise<Opened> {
    const { store, logger, netns } = this.#options;
    const registry = new Registry(store, logger);
    const kernel = await Kernel.open({ netns });
    try {
      await registry.open();
      const context = { registry, finder: new VnicFinder(kernel), logger };
      const forgotten = await reconcile(context);
      logger.info('read back what docker said', { ...sizesOf(registry), forgotten });
      const handlers: Handlers = {
        '/Plugin.Activate': () => ({ Implements: ['NetworkDriver', 'IpamDriver'] }),
        ...networkHandlers(context),
        ...ipamHandlers(context),
      };
      this.#registry = registry;
      return { kernel, registry, handlers };
    } catch (error) {
      await registry.close().catch(() => undefined);
      await kernel.close();
      throw error;
    }
  }

  async #listen(): Promise<Started> {
    const opened = await this.#opened;
    if (opened === undefined) throw new APIError('SNNET_HANDLE_CLOSED', { operation: 'start' });
    const { timeoutMs, logger } = this.#options;
    const server = makeServer({ handlers: opened.handlers, timeoutMs, logger });
    try {
      const listening = await listen(server.fastify, this.#options);
      this.#address = listening.address;
      return { server, listening };
    } catch (error) {
      await server.close();
      throw error;
    }
  }
}

function sizesOf({ networks, endpoints }: Registry): { networks: number; endpoints: number } {
  return { networks: networks.size, endpoints: endpoints.size };
}
