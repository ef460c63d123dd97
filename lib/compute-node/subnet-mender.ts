import type { Abandonment, Host } from '../host';
import type { VnicConfig } from '../model';
import type { KnownLink, KnownVnic } from '../topology';
import { findStale } from './kernel-refusal';
import { planSubnetCompletion, planVnicConfirmation } from './plan-vnic';
import type { SubnetCompletion } from './plan-vnic';
import type { Subnet, SubnetTable, VnicEntry } from './subnet';

/** Makes good what others did to a subnet of ours. */
export class SubnetMender {
  readonly #host: Host;
  readonly #subnets: SubnetTable;

  constructor(host: Host, subnets: SubnetTable) {
    this.#host = host;
    this.#subnets = subnets;
  }

  /** Sees to it that a VNIC is up and attached, and that its subnet is complete. */
  async confirm(
    subnet: Subnet,
    entry: VnicEntry,
    config: VnicConfig,
    abandoned: Abandonment,
  ): Promise<KnownVnic> {
    const leave = await this.#host.enter(abandoned);
    try {
      abandoned.check();
      const { known } = entry;
      if (known === undefined) throw new Error('unreachable');
      await this.#run(subnet, planVnicConfirmation(this.#host, config, subnet, known));
      return this.#finish(subnet, entry, known);
    } finally {
      leave();
    }
  }

  #finish(subnet: Subnet, entry: VnicEntry, known: KnownVnic): KnownVnic {
    if (known.waitingPeer === undefined) return known;
    const { waitingPeer: _, ...finished } = known;
    this.#subnets.setVnic(subnet, entry, finished);
    return finished;
  }

  /** Makes the bridge or the tunnel that a subnet lacks. The caller sees to it that it is alone. */
  async complete(
    subnet: Subnet,
    config: Pick<VnicConfig, 'concIp' | 'subnetKey'>,
  ): Promise<SubnetCompletion> {
    const completion = planSubnetCompletion(this.#host, config, subnet);
    await this.#run(subnet, completion);
    return completion;
  }

  expectMade(completion: SubnetCompletion, others: readonly KnownLink[] = []): void {
    const { bridge, tunnel, madeBridge, madeTunnel } = completion;
    this.#subnets.links.expect([
      ...others,
      madeBridge ? bridge : undefined,
      madeTunnel ? tunnel : undefined,
    ]);
  }

  /** Only what was made: the rest may have gone meanwhile. */
  foldMade(subnet: Subnet, completion: SubnetCompletion): void {
    if (completion.madeBridge) this.#subnets.setBridge(subnet, completion.bridge);
    if (!completion.madeTunnel) return;
    subnet.isAnnounced = false;
    this.#subnets.takeOwed(subnet.scope.text);
    this.#subnets.setTunnel(subnet, completion.tunnel);
  }

  async #run(subnet: Subnet, completion: SubnetCompletion): Promise<void> {
    this.expectMade(completion);
    try {
      await this.#host.kernel.run(completion.plan);
    } catch (error) {
      if (completion.madeBridge) this.#subnets.links.release([completion.bridge]);
      if (completion.madeTunnel) this.#subnets.links.release([completion.tunnel]);
      throw await findStale(this.#host, this.#subnets, subnet, error);
    }
    this.foldMade(subnet, completion);
  }
}
