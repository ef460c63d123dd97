import type { ComputeNode, CreatedVnic, DestroyedVnic } from '../../compute-node';
import { parseVnicConfig, withOperation } from '../../model';
import type { CallOptionsInput, VnicConfigInput } from '../../model';
import { pause } from '../waiting';
import { parseIntervalMs } from './options';
import { TenantEventOutbox } from './outbox';
import type { OutboxOptionsInput } from './options';

/** Options of a {@link Launcher}. */
export interface LauncherOptionsInput extends Omit<OutboxOptionsInput, 'agentUuid'> {
  /** By which concentrators know this node. Default: the node's id. */
  readonly agentUuid?: string | undefined;
  /**
   * Milliseconds from one look whether every concentrator was told of what is there to the next; 0: only
   * at the beginning. Default: 60000.
   */
  readonly reconcileMs?: number | undefined;
}

/** After a call that failed: so often, so long after each other. */
const LOOKS = 4;
const LOOK_AGAIN_MS = 500;

/**
 * A compute node whose concentrators hear of its tunnels: `createVnic` and `destroyVnic` of the node, and
 * what they say goes into an outbox. Whenever the process dies, the next one finds what was not said.
 *
 * ```ts
 * await using launcher = await Launcher.open(node, { transport: new NatsLauncherTransport({ … }) });
 * const { vnic } = await launcher.createVnic(config);
 * ```
 */
export class Launcher implements AsyncDisposable {
  readonly node: ComputeNode;
  readonly outbox: TenantEventOutbox;
  readonly #closing = new AbortController();
  #looking: Promise<void> | undefined;
  #looks = 0;

  private constructor(node: ComputeNode, outbox: TenantEventOutbox) {
    this.node = node;
    this.outbox = outbox;
  }

  /**
   * Opens the outbox, and compares the node with what was said of it.
   *
   * @throws {@link APIError} `SNNET_STORE_FAILED`, `SNNET_STATE_UNSAFE`, `SNNET_INPUT_…`.
   */
  static async open(node: ComputeNode, options: LauncherOptionsInput): Promise<Launcher> {
    const { reconcileMs = 60_000, agentUuid = node.id, ...rest } = options;
    const intervalMs = withOperation('Launcher.open', () =>
      parseIntervalMs(reconcileMs, 'reconcileMs'),
    );
    const outbox = await TenantEventOutbox.open({ ...rest, agentUuid });
    try {
      await outbox.reconcile(node);
    } catch (error) {
      await outbox.close();
      throw error;
    }
    void outbox.follow(node, { intervalMs });
    return new Launcher(node, outbox);
  }

  /**
   * {@link ComputeNode.createVnic}; resolves when what is to be told of a tunnel is on disk. Where it cannot
   * be, the VNIC goes again.
   */
  async createVnic(config: VnicConfigInput, options?: CallOptionsInput): Promise<CreatedVnic> {
    const { tenantId, subnetId, concId, subnet } = parseVnicConfig(config, 'createVnic');
    const network = { tenantId, subnetId, concId, subnet };
    await this.outbox.expect(network);
    try {
      const made = await this.#watched(() => this.node.createVnic(config, options));
      try {
        await this.outbox.post(made.event);
      } catch (error) {
        if (made.created) await this.node.destroyVnic(config);
        throw error;
      }
      return made;
    } finally {
      this.outbox.settle(network);
    }
  }

  /** {@link ComputeNode.destroyVnic}; resolves when what is to be told of a tunnel is on disk. */
  async destroyVnic(config: VnicConfigInput, options?: CallOptionsInput): Promise<DestroyedVnic> {
    const gone = await this.#watched(() => this.node.destroyVnic(config, options));
    await this.outbox.post(gone.event);
    return gone;
  }

  /** Closes the outbox, and its transport and store; the node stays open. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.outbox.close();
    await this.#looking;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A call that was given up may be done all the same, or be undone a little later, and nobody is told. */
  async #watched<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      this.#looks = LOOKS;
      this.#looking ??= this.#lookAgain().finally(() => {
        this.#looking = undefined;
      });
      throw error;
    }
  }

  async #lookAgain(): Promise<void> {
    try {
      while (this.#looks > 0) {
        this.#looks -= 1;
        await this.node.settle();
        await this.outbox.reconcile(this.node);
        await pause(LOOK_AGAIN_MS, this.#closing.signal);
      }
    } catch {
      // It is closed meanwhile; the next to open it looks anyway.
    }
  }
}
