import { Cnci } from '../cnci';
import { APIError, isLibsnnetError } from '../errors';
import { openFirewall } from '../firewall';
import type { Firewall } from '../firewall';
import type { HostHooks } from '../host';
import { Kernel } from '../kernel';
import { Lanes } from '../service';
import { claimDirectory } from './claim';
import type { Claim } from './claim';
import { DesiredState, isLive } from './desired-state';
import { Forwards } from './forwards';
import { parseAgentRequest, readPublicIpTexts } from './messages';
import type { AgentReport, AgentRequest } from './messages';
import { NeighbourWishes } from './neighbours';
import { parseAgentOptions } from './options';
import type { CnciAgentOptions, CnciAgentOptionsInput } from './options';
import { PublicIpWishes } from './public-ips';
import type { Order } from './records';
import { Refusal } from './refusal';
import { Reports } from './reports';
import { Retries } from './retries';
import { SubnetWishes } from './subnets';
import type { AgentDelivery, TransportListener } from './transport';

/** How an agent is doing: plain, frozen data. */
export interface CnciAgentState {
  readonly id: string;
  readonly transport: 'ssntp' | 'nats';
  /** Whom it is connected to; absent while it is not. */
  readonly peer?: string;
  /** Tunnels that are wished for. */
  readonly tunnels: number;
  readonly publicIps: number;
  /** Results that the controllers have not been told yet. */
  readonly waitingReports: number;
  /** What failed and is tried again. */
  readonly waitingRetries: number;
  /** Rows of the store that were not understood when it was opened. */
  readonly badRows: number;
}

interface Parts {
  readonly cnci: Cnci;
  readonly firewall: Firewall | undefined;
  readonly desired: DesiredState;
  readonly badRows: number;
  readonly claim: Claim | undefined;
}

const OPEN = 'CnciAgent.open';

/**
 * The service of a tenant's concentrator: does what launchers and controllers ask for, remembers it, and
 * answers. What it was asked for is so again after a restart, before it is asked for more.
 */
export class CnciAgent {
  readonly #options: CnciAgentOptions;
  readonly #parts: Parts;
  readonly #lanes = new Lanes();
  readonly #retries = new Retries();
  readonly #closing = new AbortController();
  readonly #reports: Reports;
  readonly #subnets: SubnetWishes;
  readonly #publicIps: PublicIpWishes;
  readonly #neighbours: NeighbourWishes;
  readonly #working = new Set<Promise<unknown>>();
  #peer: string | undefined;

  private constructor(options: CnciAgentOptions, parts: Parts) {
    const { transport, logger, ssh, network, subnetKeys, observer } = options;
    const { cnci, firewall, desired } = parts;
    const externalDevice = linkOf(cnci).linkName;
    const common = {
      desired,
      logger,
      lanes: this.#lanes,
      retries: this.#retries,
      signal: this.#closing.signal,
    };
    this.#options = options;
    this.#parts = parts;
    this.#reports = new Reports({
      ...common,
      transport,
      onReport: (kind, isSent) => observer.reported(kind, isSent),
    });
    const forwards =
      firewall === undefined ? undefined : new Forwards({ firewall, externalDevice, ssh, logger });
    this.#subnets = new SubnetWishes({ ...common, cnci, forwards, subnetKeys });
    const toAnswer = { firewall, externalDevice, reports: this.#reports };
    this.#publicIps = new PublicIpWishes({ ...common, ...toAnswer });
    this.#neighbours = new NeighbourWishes({ ...common, cnci, network });
  }

  /**
   * Opens the store, the concentrator and its firewall, and makes everything as it was wished before. What
   * is so already is not touched. What fails is said, and tried again later.
   *
   * @throws {@link APIError} `SNNET_SERVICE_RUNNING` (another agent of this id), `SNNET_STORE_FAILED`, and
   * as `Cnci.open` and `Firewall.open`.
   */
  static async open(input: CnciAgentOptionsInput): Promise<CnciAgent> {
    return await CnciAgent.openWith(parseAgentOptions(input, OPEN), {});
  }

  /** @internal */
  static async openWith(options: CnciAgentOptions, hooks: HostHooks): Promise<CnciAgent> {
    const agent = new CnciAgent(options, await openParts(options, hooks));
    try {
      await agent.#adopt();
      return agent;
    } catch (error) {
      await agent.close();
      throw error;
    }
  }

  get id(): string {
    return this.#parts.cnci.id;
  }

  get state(): CnciAgentState {
    const { desired, badRows } = this.#parts;
    const count = (wishes: Iterable<{ readonly request: AgentRequest }>): number =>
      [...wishes].filter(({ request }) => isLive(request)).length;
    return Object.freeze({
      id: this.id,
      transport: this.#options.transport.name,
      ...(this.#peer !== undefined && { peer: this.#peer }),
      tunnels: count(desired.subnets.values()),
      publicIps: count(desired.publicIps.values()),
      waitingReports: desired.reports.size,
      waitingRetries: this.#retries.size,
      badRows,
    });
  }

  /**
   * Serves until the signal is given; what has come is finished then. Once.
   *
   * @throws {@link APIError} where connecting again would change nothing, such as a certificate that lacks
   * the role.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { transport } = this.#options;
    const ending = AbortSignal.any([signal, this.#closing.signal]);
    await transport.receive(this.#listener(), ending);
    this.#reports.disconnected();
    this.#peer = undefined;
  }

  /** Waits until the requests that came have been answered, and what they removed is gone. */
  async settle(): Promise<void> {
    await Promise.allSettled([...this.#working]);
    await this.#parts.cnci.settle();
  }

  /** Lets go of everything; the network stays as it is. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#retries.close();
    await Promise.allSettled([...this.#working]);
    await this.#reports.settle();
    const { cnci, firewall, desired, claim } = this.#parts;
    await firewall?.close();
    await cnci.close();
    await desired.close();
    await claim?.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #adopt(): Promise<void> {
    await this.#subnets.adopt();
    await this.#publicIps.adopt();
    await this.#neighbours.adopt();
  }

  #listener(): TransportListener {
    const { logger } = this.#options;
    return {
      connected: (peer) => {
        this.#peer = peer;
        this.#reports.connected(() => this.#introduction());
      },
      disconnected: (reason) => {
        this.#peer = undefined;
        this.#reports.disconnected();
        // We ended it ourselves.
        if (isLibsnnetError(reason, 'SNNET_HANDLE_CLOSED')) return;
        logger.warn('the connection was lost', { why: reason.message });
      },
      request: (delivery) => {
        const work = this.#request(delivery);
        this.#working.add(work);
        const forget = (): void => void this.#working.delete(work);
        work.then(forget, forget);
        return work;
      },
    };
  }

  async #request(delivery: AgentDelivery): Promise<'done' | 'refused'> {
    const { logger, observer } = this.#options;
    const { kind } = delivery;
    const began = performance.now();
    const measure = (outcome: 'done' | 'refused' | 'failed'): void =>
      observer.requested(kind, outcome, (performance.now() - began) / 1000);
    try {
      await this.#handle(delivery);
      measure('done');
      return 'done';
    } catch (error) {
      if (error instanceof Refusal) {
        logger.warn('a request was refused', { kind, why: error.message });
        measure('refused');
        return 'refused';
      }
      const why = error instanceof Error ? error.message : String(error);
      logger.error('a request failed', { kind, why });
      measure('failed');
      throw error;
    }
  }

  async #handle(delivery: AgentDelivery): Promise<void> {
    const order = orderOf(delivery);
    const request = await this.#parse(delivery);
    switch (request.kind) {
      case 'tenant-added':
      case 'tenant-removed':
        return this.#subnets.handle(request, order);
      case 'assign-public-ip':
      case 'release-public-ip':
        return this.#publicIps.handle(request, order);
      case 'refresh-cnci':
        return this.#neighbours.handle(request, order);
    }
  }

  /** What cannot be read is refused; whoever asked for an address is told. */
  async #parse({ kind, payload }: AgentDelivery): Promise<AgentRequest> {
    try {
      const request = parseAgentRequest(kind, payload);
      this.#checkReceiver(request);
      return request;
    } catch (error) {
      if (!isLibsnnetError(error)) throw error;
      if (kind === 'assign-public-ip' || kind === 'release-public-ip') {
        const texts = readPublicIpTexts(kind, payload);
        if (texts !== undefined) await this.#publicIps.fail(kind, texts, error);
      }
      throw new Refusal(error);
    }
  }

  /** What is another concentrator's would open its tenant's network to this one. */
  #checkReceiver(request: AgentRequest): void {
    const receiver = request.kind === 'refresh-cnci' ? request.cnciUuid : request.concentratorUuid;
    if (receiver === '' || receiver.toLowerCase() === this.id) return;
    throw new APIError('SNNET_INPUT_INVALID', {
      operation: 'request',
      field: request.kind === 'refresh-cnci' ? 'cnci_uuid' : 'concentrator_uuid',
      value: receiver,
      expected: `this concentrator's, ${this.id}`,
    });
  }

  async #introduction(): Promise<AgentReport> {
    const { cnci } = this.#parts;
    const { netns } = this.#options.cnci;
    const { address, ifIndex } = linkOf(cnci);
    const concentratorMac = await addressOf(ifIndex, netns);
    if (concentratorMac === '') {
      throw new APIError('SNNET_DEVICE_NOT_FOUND', {
        operation: 'connected',
        object: { ifIndex },
        detail: 'the link to the compute network is gone, or has no address',
      });
    }
    const { id } = this;
    const tenantUuid = cnci.tenantId === id ? '' : cnci.tenantId;
    return {
      kind: 'concentrator-instance-added',
      instanceUuid: id,
      tenantUuid,
      concentratorIp: address,
      concentratorMac,
    };
  }
}

/** Opens an agent with hooks that only tests use. @internal */
export async function openCnciAgent(
  input: CnciAgentOptionsInput,
  hooks: HostHooks,
): Promise<CnciAgent> {
  return await CnciAgent.openWith(parseAgentOptions(input, OPEN), hooks);
}

async function openParts(options: CnciAgentOptions, hooks: HostHooks): Promise<Parts> {
  const { cnci: cnciOptions, store, directory, logger, network } = options;
  const undo: (() => Promise<void>)[] = [];
  try {
    const claim = directory === undefined ? undefined : await claimDirectory(directory, OPEN);
    if (claim !== undefined) undo.push(() => claim.release());
    const desired = new DesiredState(store, logger);
    undo.push(() => desired.close());
    const { badRows } = await desired.open();
    const known = { ...cnciOptions, logger, ...(!network && { dhcp: false as const }) };
    const cnci = await Cnci.openWith(known, hooks);
    undo.push(() => cnci.close());
    const firewall = network ? await openFirewallOf(cnci, options, hooks) : undefined;
    return { claim, desired, badRows, cnci, firewall };
  } catch (error) {
    for (const close of undo.reverse()) await close().catch(() => undefined);
    throw error;
  }
}

function openFirewallOf(
  cnci: Cnci,
  { cnci: { netns }, logger }: CnciAgentOptions,
  hooks: HostHooks,
): Promise<Firewall> {
  const externalDevices = [linkOf(cnci).linkName];
  const input = { externalDevices, logger, ...(netns !== undefined && { netns }) };
  return openFirewall(input, hooks);
}

/** The first carries the tunnels, and the public addresses. */
function linkOf(cnci: Cnci): Cnci['computeLinks'][number] {
  const [link] = cnci.computeLinks;
  if (link !== undefined) return link;
  throw new APIError('SNNET_NETWORK_NOT_FOUND', { operation: OPEN });
}

function orderOf({ sequence, count = '' }: AgentDelivery): Order | undefined {
  return sequence === undefined ? undefined : { sequence, count };
}

/** Asked each time: a link may be given another one. */
async function addressOf(ifIndex: number, netns: string | undefined): Promise<string> {
  const kernel = await Kernel.open({ netns });
  try {
    const rows = await kernel.links();
    return rows.find(({ ifindex }) => ifindex === ifIndex)?.address ?? '';
  } finally {
    await kernel.close();
  }
}
