import { randomUUID } from 'node:crypto';

import type { ComputeNode } from '../../compute-node';
import { APIError, isLibsnnetError } from '../../errors';
import { parseCallOptions, tryParseIpv4Cidr } from '../../model';
import type { CallOptionsInput, Ipv4Cidr } from '../../model';
import type { StoreChange } from '../../store';
import { pause } from '../waiting';
import { Ledger, NETWORKS, TABLES, TUNNELS } from './ledger';
import type { ExpectedNetwork, Reconciled } from './ledger';
import { LONGEST_MS, parseIntervalMs, parseOutboxOptions } from './options';
import type { OutboxOptions, OutboxOptionsInput } from './options';
import { Sender } from './sender';
import type { Message } from './sender';
import { readRecord, tenantEventOf } from './tunnel';
import type { OutboxEvent, TunnelOwner, TunnelRecord } from './tunnel';

/** How an outbox follows a node. */
export interface FollowOptions {
  /** From one look to the next. Default: 60000. */
  readonly intervalMs?: number | undefined;
  /** Ends it, as closing the outbox does. */
  readonly signal?: AbortSignal | undefined;
}

/** How long closing waits for what is being sent, before it closes the transport under it. */
const CLOSING_MS = 1000;

/**
 * Tells concentrators of tunnels, and goes on until they were told.
 *
 * What it is given is on disk before it is sent, and is sent until the transport has taken it over: at
 * least once, in order for each subnet. Of what waits about one tunnel only the last is said. A process
 * that dies in between sends again after its restart; what it made in the kernel and did not get to say,
 * {@link reconcile} finds.
 *
 * One outbox for each node; one process at a time.
 */
export class TenantEventOutbox implements AsyncDisposable {
  readonly #options: OutboxOptions;
  readonly #ledger = new Ledger(randomUUID);
  readonly #sender: Sender;
  /** What is not on disk, by the ids of the messages: their keys. */
  readonly #unsaved = new Map<string, string>();
  readonly #toldUnknown = new Set<string>();
  readonly #closing = new AbortController();
  #waiting: (() => void)[] = [];
  #repeating: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  private constructor(options: OutboxOptions) {
    this.#options = options;
    this.#sender = new Sender({
      messages: () => this.#ledger.next(),
      send: (message) => this.#send(message),
      onSent: (message) => this.#noteSent(message),
      logger: options.logger,
    });
  }

  /**
   * Opens the store, and begins to send what was left.
   *
   * @throws {@link APIError} `SNNET_STORE_FAILED`, `SNNET_STATE_UNSAFE`, `SNNET_INPUT_…`.
   */
  static async open(options: OutboxOptionsInput): Promise<TenantEventOutbox> {
    const outbox = new TenantEventOutbox(parseOutboxOptions(options, 'TenantEventOutbox.open'));
    await outbox.#load();
    return outbox;
  }

  /** How much is still to be said. */
  get pending(): number {
    return this.#ledger.pending;
  }

  /**
   * Takes what `createVnic`, `destroyVnic`, `repointConcentrator`, the CNI daemon or the audit say;
   * nothing is fine too. Resolves when it is on disk. The order is that of the calls.
   *
   * @throws {@link APIError} `SNNET_STORE_FAILED` (it is sent all the same, as long as this process lives),
   * `SNNET_INPUT_…`: a field is not as it must be, or the network is missing and nobody remembers it.
   */
  readonly post = async (event: OutboxEvent | undefined): Promise<void> => {
    if (event === undefined) return;
    this.#checkOpen('post');
    await this.#apply(this.#ledger.note(event, 'post'));
  };

  /**
   * Remembers a network before the kernel has its tunnel, until {@link settle}: the kernel does not keep it,
   * and whoever dies before `post` needs it afterwards.
   */
  async expect(network: ExpectedNetwork): Promise<void> {
    this.#checkOpen('expect');
    await this.#apply(this.#ledger.expect(network));
  }

  settle(owner: TunnelOwner): void {
    this.#ledger.settle(owner);
  }

  /**
   * Compares the node's tunnels with what was said of them, and says what is missing: of tunnels that are
   * there, and of tunnels that are gone.
   */
  async reconcile(node: Pick<ComputeNode, 'topology'>): Promise<Reconciled> {
    this.#checkOpen('reconcile');
    const { result, changes } = this.#ledger.reconcile(node.topology());
    await this.#apply(changes);
    const { added, removed, unknown } = result;
    if (added.length + removed.length > 0) {
      const [more, fewer] = [added.length, removed.length];
      this.#options.logger.info('tunnels that nobody had been told of', { more, fewer });
    }
    for (const { scope } of unknown) {
      if (this.#toldUnknown.has(scope)) continue;
      this.#toldUnknown.add(scope);
      this.#options.logger.warn('nobody remembers the network of a subnet', { subnet: scope });
    }
    return result;
  }

  /** Reconciles now and at intervals, until the signal, or the outbox is closed. Never rejects. */
  async follow(node: Pick<ComputeNode, 'topology'>, options: FollowOptions = {}): Promise<void> {
    const { signal } = options;
    const intervalMs = parseIntervalMs(options.intervalMs ?? 60_000, 'intervalMs');
    while (signal?.aborted !== true && !this.#closing.signal.aborted) {
      await this.reconcile(node).catch((error: unknown) => {
        if (isLibsnnetError(error, 'SNNET_HANDLE_CLOSED')) return;
        this.#options.logger.error('tunnels could not be compared with what was said of them', {
          error,
        });
      });
      if (intervalMs === 0) return;
      await pause(intervalMs, signal, this.#closing.signal);
    }
  }

  /** Says of every tunnel again that it is there. */
  async repeat(): Promise<void> {
    this.#checkOpen('repeat');
    await this.#apply(this.#ledger.repeat());
  }

  /**
   * Resolves when everything is said; what failed is tried again at once.
   *
   * @throws {@link APIError} `SNNET_CALL_ABORTED`, `SNNET_CALL_TIMEOUT`, `SNNET_HANDLE_CLOSED`.
   */
  async flush(options?: CallOptionsInput): Promise<void> {
    const { signal, timeoutMs } = parseCallOptions(options, 'flush');
    this.#checkOpen('flush');
    this.#sender.hurry();
    const deadline = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    while (this.#ledger.pending > 0) {
      const operation = 'flush';
      this.#checkOpen(operation);
      if (signal?.aborted === true) {
        throw new APIError('SNNET_CALL_ABORTED', { operation, cause: signal.reason });
      }
      const object = { pending: this.#ledger.pending };
      if (deadline?.aborted === true)
        throw new APIError('SNNET_CALL_TIMEOUT', { operation, object });
      await this.#change(signal, deadline);
    }
  }

  /** Sends nothing any more, and closes the transport and the store. What waits is sent after the next opening. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #load(): Promise<void> {
    const { store, repeatMs, logger } = this.#options;
    await store.open(TABLES);
    try {
      const records = [...(await store.rebuild(TUNNELS)).values()].map(readRecord);
      const networks = [...(await store.rebuild(NETWORKS)).values()].map(readNetwork);
      const bad = [...records, ...networks].filter((entry) => entry === undefined).length;
      if (bad > 0)
        logger.error('entries of the outbox cannot be read, and are passed over', { bad });
      this.#ledger.load(
        records.filter((record) => record !== undefined),
        networks.filter((network) => network !== undefined),
      );
    } catch (error) {
      await store.close();
      throw error;
    }
    if (repeatMs > 0) this.#repeating = setInterval(() => void this.#repeatQuietly(), repeatMs);
    this.#sender.wake();
  }

  /** On disk first, then to be sent. */
  async #apply(changes: readonly StoreChange[]): Promise<void> {
    if (changes.length === 0) return;
    const noted = changes.flatMap((change) => {
      const { messageId } = (change.op === 'add' ? change.value : {}) as Partial<TunnelRecord>;
      return messageId === undefined ? [] : [[messageId, change.key] as const];
    });
    for (const [messageId, key] of noted) this.#unsaved.set(messageId, key);
    try {
      await this.#options.store.transaction(changes);
      for (const [messageId] of noted) this.#unsaved.delete(messageId);
    } finally {
      for (const [id, key] of noted) {
        if (this.#ledger.get(key)?.messageId !== id) this.#unsaved.delete(id);
      }
      this.#tell();
      this.#sender.wake();
    }
  }

  async #send(message: Message): Promise<void> {
    const { record } = message;
    const { store, transport, agentUuid } = this.#options;
    if (this.#unsaved.has(record.messageId)) {
      // It is being written, or that has failed: in order, so this comes after it.
      await store.transaction([{ op: 'add', table: TUNNELS, key: message.key, value: record }]);
      this.#unsaved.delete(record.messageId);
    }
    await transport.send(tenantEventOf(record, agentUuid), record.messageId);
  }

  async #noteSent({ key, record }: Message): Promise<void> {
    const { messageId } = record;
    await this.#apply(this.#ledger.deliver(key, messageId)).catch((error: unknown) => {
      this.#options.logger.error('the outbox could not note what it has sent', { error });
    });
  }

  async #repeatQuietly(): Promise<void> {
    await this.repeat().catch((error: unknown) => {
      this.#options.logger.error('the outbox could not repeat what it has said', { error });
    });
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    this.#sender.stop();
    clearInterval(this.#repeating);
    this.#tell();
    const { transport, store, logger } = this.#options;
    await this.#idle();
    await transport.close().catch((error: unknown) => {
      logger.warn('the transport of the outbox could not be closed', { error });
    });
    await this.#idle();
    await store.close();
  }

  async #idle(): Promise<void> {
    const isIdle = new AbortController();
    void this.#sender.idle().then(() => isIdle.abort());
    await pause(CLOSING_MS, isIdle.signal);
  }

  #checkOpen(operation: string): void {
    if (this.#closing.signal.aborted) throw new APIError('SNNET_HANDLE_CLOSED', { operation });
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when something was sent or noted, or with a signal. */
  async #change(...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
    const changed = new AbortController();
    this.#waiting.push(() => changed.abort());
    await pause(LONGEST_MS, changed.signal, ...signals);
  }
}

function readNetwork(value: unknown): readonly [string, Ipv4Cidr] | undefined {
  const [owner, text] = Array.isArray(value) ? (value as readonly unknown[]) : [];
  const subnet = typeof text === 'string' ? tryParseIpv4Cidr(text) : undefined;
  return typeof owner === 'string' && subnet !== undefined ? [owner, subnet] : undefined;
}
