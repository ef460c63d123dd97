import { APIError, FatalError, KernelError } from '../errors';
import type { APIErrorCode } from '../errors';
import { describePlan, describeStep } from '../plan';
import type { Fault, NftFamily, Plan, Step } from '../plan';
import {
  decodeAddresses,
  decodeEvents,
  decodeLinks,
  decodeNeighbours,
  decodeRoutes,
} from './decode';
import type { LinkEvent } from './decode';
import { loadAddon } from './native';
import type {
  Answer,
  DumpName,
  NativeError,
  NativeHandle,
  NativeReply,
  NativeStepError,
  NativeTable,
  OnTable,
  Refusal,
} from './native';
import { decodeFlows, decodeNftTable } from './nft-decode';
import type {
  ConntrackFilter,
  ConntrackRow,
  NftEvent,
  NftOverview,
  NftRuleRow,
  NftTableState,
} from './nft-rows';
import { Processes } from './processes';
import { toRequest } from './request';
import type { AddressRow, LinkRow, NeighbourRow, RouteRow } from './rows';

export interface KernelOptions {
  /** A path, or a name under `/run/netns`; left out: the process's own namespace. */
  readonly netns?: string | undefined;
  /** A new namespace that nobody else sees and that goes with the handle. */
  readonly fresh?: boolean | undefined;
  /** For tests: asked before each plan whether and where it is to fail. */
  readonly fault?: ((plan: Plan) => Fault | undefined) | undefined;
}

export interface RunResult {
  /** Queues handed out, by step. */
  readonly fds: ReadonlyMap<number, readonly number[]>;
  /** Steps that found things as they want them, by number. */
  readonly tolerated: readonly number[];
  /** Links to be deleted that were gone already, by interface index. */
  readonly absent: readonly number[];
  /** Flows that connection tracking knew when a plan with a transaction was done, where it tells. */
  readonly flows?: number;
}

/** Reads a dump while it comes. */
export interface RowReader<T> {
  add(rows: readonly T[]): void;
  /** The kernel was interrupted: what came counts for nothing, it begins anew. */
  restart(): void;
}

type Listener = (events: readonly LinkEvent[]) => void;
type NftListener = (events: readonly NftEvent[]) => void;

/**
 * One network namespace, spoken to over netlink by threads of its own; the event loop never waits for
 * the kernel. Several in one process are fine, also in worker threads.
 */
export class Kernel {
  /** Programs started in this namespace, and processes in it that live on without us. */
  readonly processes: Processes;
  readonly #handle: NativeHandle;
  readonly #fault: KernelOptions['fault'];
  readonly #listeners = new Set<{
    readonly interest: 'deletions' | 'all';
    readonly listener: Listener;
  }>();
  readonly #dumps = new Map<number, (table: NativeTable | undefined) => void>();
  #lastDump = 0;
  readonly #nftListeners = new Set<{ readonly listener: NftListener }>();
  #closing: Promise<void> | undefined;

  private constructor(
    makeHandle: (onTable: OnTable) => NativeHandle,
    fault: KernelOptions['fault'],
  ) {
    this.#handle = makeHandle((table, dump) => {
      if (dump !== 0) this.#dumps.get(dump)?.(table);
      else if (table !== undefined) this.#tell(decodeEvents(table));
    });
    this.#fault = fault;
    this.processes = new Processes(this.#handle, toApiError);
  }

  static async open(options: KernelOptions = {}): Promise<Kernel> {
    const { KernelHandle } = loadAddon();
    const kernel = new Kernel((onTable) => new KernelHandle(onTable), options.fault);
    const reply = await kernel.#handle.open(options.netns ?? '', options.fresh ?? false);
    if (isRefusal(reply)) {
      await kernel.close();
      throw toApiError('open', reply.error);
    }
    return kernel;
  }

  /**
   * Runs a plan in one call. It is done, or it is undone: what fails is rolled back before this
   * rejects.
   *
   * @throws {@link APIError} — failed and rolled back; names the step, carries the kernel's error.
   * @throws {@link FatalError} — the rollback failed too; says what is left.
   */
  async run(plan: Plan): Promise<RunResult> {
    const { text, buffers } = toRequest(plan, this.#fault?.(plan));
    const reply = await this.#handle.run(text, buffers);
    if (isRefusal(reply)) throw toApiError(plan.operation, reply.error);
    if (reply.failure !== undefined) throw planFailure(plan, reply, reply.failure);
    if (reply.deletionFailure !== undefined) {
      throw deletionFailure(plan, reply, reply.deletionFailure);
    }
    return toResult(reply);
  }

  /** @param reader - Gets the rows as they come, while the kernel goes on. */
  links(reader?: RowReader<LinkRow>): Promise<LinkRow[]> {
    return this.#dump('link', decodeLinks, reader);
  }
  addresses(): Promise<AddressRow[]> {
    return this.#dump('address', decodeAddresses);
  }
  routes(): Promise<RouteRow[]> {
    return this.#dump('route', decodeRoutes);
  }
  neighbours(): Promise<NeighbourRow[]> {
    return this.#dump('neighbour', decodeNeighbours);
  }
  forwardingEntries(): Promise<NeighbourRow[]> {
    return this.#dump('fdb', decodeNeighbours);
  }

  /** @param name - Path under `/proc/sys`, for example `net/ipv4/ip_forward`. */
  async readSysctl(name: string): Promise<string> {
    const reply = await this.#handle.readSysctl(name);
    if ('error' in reply) throw toApiError('readSysctl', reply.error);
    return reply.value;
  }

  /**
   * Calls `listener` with what happens to links, until the returned function is called. Listeners do
   * not keep the process alive.
   *
   * @param interest - `deletions` costs next to nothing: the kernel filters the rest.
   */
  async watch(interest: 'deletions' | 'all', listener: Listener): Promise<() => Promise<void>> {
    const entry = { interest, listener };
    this.#listeners.add(entry);
    try {
      await this.#updateInterest();
    } catch (error) {
      this.#listeners.delete(entry);
      throw error;
    }
    return async () => {
      if (!this.#listeners.delete(entry) || this.#closing !== undefined) return;
      await this.#updateInterest();
    };
  }

  async #updateInterest(): Promise<void> {
    const interests = [...this.#listeners].map((entry) => entry.interest);
    const interest = interests.includes('all') ? 'all' : (interests[0] ?? 'none');
    const reply = await this.#handle.watch(interest);
    if (isRefusal(reply)) throw toApiError('watch', reply.error);
  }

  /** One table with all that is in it, as it was at one moment; nothing where there is none. */
  async nft(family: NftFamily, table: string): Promise<NftTableState | undefined> {
    const found = answered('nft', await this.#handle.nftTable(JSON.stringify({ family, table })));
    return found === null ? undefined : decodeNftTable(found);
  }
  /** The tables and chains of all families, whosever they are. */
  async nftTables(): Promise<NftOverview> {
    return answered('nftTables', await this.#handle.nftOverview());
  }
  /** The rules of one chain, in order; none where there is no such chain. */
  async nftRules(family: NftFamily, table: string, chain: string): Promise<readonly NftRuleRow[]> {
    return answered(
      'nftRules',
      await this.#handle.nftRules(JSON.stringify({ family, table, chain })),
    );
  }
  /** Counts the transactions of the namespace, everybody's. */
  async nftGeneration(): Promise<number> {
    return answered('nftGeneration', await this.#handle.nftGeneration());
  }
  /** What connection tracking knows of TCP, UDP and ICMP over IPv4. */
  async conntrack(filter: ConntrackFilter = {}): Promise<ConntrackRow[]> {
    return decodeFlows(answered('conntrack', await this.#handle.conntrack(JSON.stringify(filter))));
  }

  /**
   * Calls `listener` with what transactions did to tables of nftables, until the returned function is
   * called. They are hints: read the table again. Listeners do not keep the process alive.
   */
  async watchNft(listener: NftListener): Promise<() => Promise<void>> {
    const entry = { listener };
    this.#nftListeners.add(entry);
    try {
      await this.#updateNftWatch();
    } catch (error) {
      this.#nftListeners.delete(entry);
      throw error;
    }
    return async () => {
      if (!this.#nftListeners.delete(entry) || this.#closing !== undefined) return;
      await this.#updateNftWatch();
    };
  }

  async #updateNftWatch(): Promise<void> {
    const tell: NftListener = (events) => {
      for (const { listener } of this.#nftListeners) listener(events);
    };
    const reply = await this.#handle.watchNft(this.#nftListeners.size > 0 ? tell : undefined);
    if (isRefusal(reply)) throw toApiError('watchNft', reply.error);
  }

  /** Waits until every link given up so far has left the kernel. */
  async settle(): Promise<void> {
    const reply = await this.#handle.settle();
    if (!Array.isArray(reply)) throw toApiError('settle', (reply as Refusal).error);
    const errors = (reply as readonly NativeError[]).map(toKernelError);
    if (errors.length === 0) return;
    throw new FatalError('SNNET_ROLLBACK_FAILED', {
      operation: 'settle',
      cause: errors.length === 1 ? errors[0] : new AggregateError(errors),
      repair: errors.map((error) => error.request),
    });
  }

  /** Refuses what is new, finishes what was asked, ends the threads. Leaves the kernel as it is. */
  close(): Promise<void> {
    this.#closing ??= this.#handle.close().then(() => undefined);
    return this.#closing;
  }

  async #dump<T>(
    name: DumpName,
    decode: (table: NativeTable) => T[],
    reader?: RowReader<T>,
  ): Promise<T[]> {
    let rows: T[] = [];
    const read = (table: NativeTable | undefined): void => {
      if (table === undefined) {
        rows = [];
        reader?.restart();
        return;
      }
      const part = decode(table);
      reader?.add(part);
      rows = rows.length === 0 ? part : rows.concat(part);
    };
    const number = (this.#lastDump += 1);
    this.#dumps.set(number, read);
    try {
      const reply = await this.#handle.dump(name, number);
      if ('error' in reply) throw toApiError('dump', reply.error);
      read(reply);
      return rows;
    } finally {
      this.#dumps.delete(number);
    }
  }

  #tell(events: readonly LinkEvent[]): void {
    for (const { listener } of this.#listeners) listener(events);
  }
}

function toResult({ fds, tolerated = [], absent = [], flows }: NativeReply): RunResult {
  const entries = fds && Object.entries(fds);
  const queues = entries?.map(([step, numbers]) => [Number(step), numbers] as const);
  return { fds: new Map(queues), tolerated, absent, ...(flows && { flows: Number(flows) }) };
}

function isRefusal(reply: object): reply is Refusal {
  return 'error' in reply;
}

function answered<T>(operation: string, answer: Answer<T>): T {
  if ('error' in answer) throw toApiError(operation, answer.error);
  return answer.value;
}

function toKernelError(error: NativeError): KernelError {
  return new KernelError(error);
}

/** What an errno means whatever was asked. */
function codeOf(error: NativeError, step?: Step): APIErrorCode {
  switch (error.name) {
    case 'EPERM':
    case 'EACCES':
      return 'SNNET_PRIVILEGE_MISSING';
    case 'EBADF':
      return 'SNNET_HANDLE_CLOSED';
    case 'EXFULL':
      return 'SNNET_BRIDGE_FULL';
    case 'ENOENT':
    case 'ENXIO':
    case 'ENODEV':
      if (error.request.includes('network namespace')) return 'SNNET_NETNS_NOT_FOUND';
      return error.request.includes('/dev/net/tun')
        ? 'SNNET_KIND_UNSUPPORTED'
        : 'SNNET_KERNEL_FAILED';
    case 'EOPNOTSUPP':
      return step?.op === 'link.create' ? 'SNNET_KIND_UNSUPPORTED' : 'SNNET_KERNEL_FAILED';
    case 'EINVAL':
      return error.request.startsWith('open network namespace')
        ? 'SNNET_NETNS_NOT_FOUND'
        : 'SNNET_KERNEL_FAILED';
    case 'EEXIST':
      return error.extack?.includes('VNI') === true ? 'SNNET_VNI_TAKEN' : 'SNNET_KERNEL_FAILED';
    default:
      return 'SNNET_KERNEL_FAILED';
  }
}

function toApiError(operation: string, error: NativeError): APIError {
  const cause = toKernelError(error);
  return new APIError(codeOf(error), { operation, detail: cause.message, cause });
}

function planFailure(
  plan: Plan,
  reply: NativeReply,
  failure: NativeStepError,
): APIError | FatalError {
  const cause = toKernelError(failure);
  const step = plan.steps[failure.step]?.step;
  const details = {
    operation: plan.operation,
    detail: cause.message,
    cause,
    ...(step !== undefined && { step: { index: failure.step, text: describeStep(step) } }),
  };
  const repair = whatIsLeft(plan, reply);
  if (repair.length > 0) return new FatalError('SNNET_ROLLBACK_FAILED', { ...details, repair });
  return new APIError(codeOf(failure, step), details);
}

function whatIsLeft(plan: Plan, reply: NativeReply): string[] {
  const left = (reply.left ?? []).map((error) => {
    const undo = plan.steps[error.step]?.undo;
    const text = undo === undefined ? error.request : describeStep(undo);
    return `${text} (${error.name}${error.extack === undefined ? '' : `: ${error.extack}`})`;
  });
  if (reply.rollbackFailure !== undefined) {
    const { request, name } = reply.rollbackFailure;
    left.push(`${request} (${name}); the plan was: ${describePlan(plan)}`);
  }
  return left;
}

/** A deletion is the last step of its plan; those before it were undone. */
function deletionFailure(
  plan: Plan,
  reply: NativeReply,
  error: NativeError,
): APIError | FatalError {
  const cause = toKernelError(error);
  const index = plan.steps.length - 1;
  const step = plan.steps[index]?.step;
  const details = {
    operation: plan.operation,
    detail: cause.message,
    cause,
    ...(step !== undefined && { step: { index, text: describeStep(step) } }),
  };
  const repair = whatIsLeft(plan, reply);
  if (repair.length > 0) return new FatalError('SNNET_ROLLBACK_FAILED', { ...details, repair });
  return new APIError(reply.isForeign === true ? 'SNNET_LINK_FOREIGN' : codeOf(error), details);
}
