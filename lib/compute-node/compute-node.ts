import { scopeOf } from '../alias';
import { Host, resetLinks } from '../host';
import type { HostHooks, PhysicalLink, ResetReport } from '../host';
import {
  parseCallOptions,
  parseCnciVnicConfig,
  parseCnciVnicRef,
  parseNodeOptions,
  parseRepointConfig,
  parseVnicConfig,
  parseVnicRef,
  parseWatchOptions,
  refuse,
} from '../model';
import type {
  CallOptionsInput,
  CnciVnicConfigInput,
  NodeOptions,
  NodeOptionsInput,
  RepointConfigInput,
  TunnelKind,
  VnicConfigInput,
  WatchOptionsInput,
} from '../model';
import { dryRunOf } from '../plan';
import type { DryRun, Plan } from '../plan';
import { ComputeNodeReader } from '../topology';
import type { ComputeNodeView, Finding } from '../topology';
import { LinkIndex, Watcher } from '../watch';
import type { HealSource } from '../watch';
import { checkKey } from './checks';
import { CnciVnics } from './cnci-vnics';
import type { CreatedCnciVnic, DestroyedCnciVnic } from './cnci-vnics';
import { VnicCreator } from './create-vnic';
import { VnicDestroyer } from './destroy-vnic';
import { isComputeNodeLink, rebuild, reportOf } from './maintenance';
import type { Database, RebuildReport } from './maintenance';
import { findNamedVnics } from './named-vnics';
import type { NamedVnic } from './named-vnics';
import { planVnicConfirmation, planVnicCreation, planVnicDestruction } from './plan-vnic';
import { Repairer } from './repair';
import type { HealedEvent, NodeEvent, RepairOptions, RepairReport } from './repair';
import { Repointer } from './repoint';
import type { RepointReport } from './repoint';
import type { CreatedVnic, DestroyedVnic } from './results';
import { takeSnapshot } from './snapshot';
import type { NodeTopology } from './snapshot';
import { Subnet, SubnetTable } from './subnet';
import { SubnetMender } from './subnet-mender';

/** Operations that can be planned without being done, with what they take. */
export interface PlannableOperations {
  readonly createVnic: VnicConfigInput;
  readonly destroyVnic: VnicConfigInput;
  readonly createCnciVnic: CnciVnicConfigInput;
  readonly destroyCnciVnic: CnciVnicConfigInput;
  readonly repointConcentrator: RepointConfigInput;
}

/**
 * The networking of a host that runs tenants' workloads.
 *
 * All methods may be called concurrently; equal calls share one result, calls for one VNIC wait for
 * each other, calls for different subnets do not. Each is all or nothing: an error means that nothing
 * of the call is left, unless it is a {@link FatalError}. Bad input is an {@link APIError} that names
 * the field, before anything was touched. Every method that does I/O takes `{ signal, timeoutMs }`
 * last; both bound the whole call, waiting included (`SNNET_CALL_ABORTED`, `SNNET_CALL_TIMEOUT`).
 */
export class ComputeNode {
  readonly #host: Host;
  readonly #database: Database;
  readonly #subnets: SubnetTable;
  readonly #mender: SubnetMender;
  readonly #creator: VnicCreator;
  readonly #destroyer: VnicDestroyer;
  readonly #cnciVnics: CnciVnics;
  readonly #repointer: Repointer;
  readonly #watcher: Watcher<HealedEvent>;
  #findings: readonly Finding[] = [];

  private constructor(host: Host) {
    this.#host = host;
    const links = new LinkIndex();
    this.#subnets = new SubnetTable(host, links);
    this.#cnciVnics = new CnciVnics(host, links);
    this.#database = { links, subnets: this.#subnets, cnciVnics: this.#cnciVnics };
    this.#mender = new SubnetMender(host, this.#subnets);
    this.#creator = new VnicCreator(host, this.#subnets, this.#mender);
    this.#destroyer = new VnicDestroyer(host, this.#subnets);
    this.#repointer = new Repointer(host, this.#subnets);
    const readAgain = (): Promise<unknown> => this.dbRebuild();
    this.#watcher = new Watcher(host, { links, readAgain, healing: this.#healing() });
  }

  /**
   * Opens a node: finds its links to the outside, chooses the kind of tunnel, and rebuilds the
   * topology from the kernel, whoever made it.
   *
   * @throws {@link APIError} `SNNET_NETWORK_NOT_FOUND`, `SNNET_NETWORK_AMBIGUOUS`,
   * `SNNET_NETNS_NOT_FOUND`, `SNNET_KIND_UNSUPPORTED` (mode `auto` and no kind of tunnel),
   * `SNNET_PRIVILEGE_MISSING`, `SNNET_ADDON_MISSING`, and for bad options `SNNET_INPUT_…`.
   */
  static open(options: NodeOptionsInput): Promise<ComputeNode> {
    return openComputeNode(options, {});
  }

  /** @internal */
  static async openWith(options: NodeOptions, hooks: HostHooks): Promise<ComputeNode> {
    const host = await Host.open('ComputeNode.open', options, hooks);
    const node = new ComputeNode(host);
    try {
      await node.#watcher.start();
      await node.dbRebuild();
    } catch (error) {
      await host.close();
      throw error;
    }
    return node;
  }

  /** UUID of this node. */
  get id(): string {
    return this.#host.options.id;
  }
  /** The kind of tunnel in use. */
  get mode(): TunnelKind {
    return this.#host.mode;
  }
  get managementLinks(): readonly PhysicalLink[] {
    return this.#host.physical.management;
  }
  /** The first carries the tunnels. */
  get computeLinks(): readonly PhysicalLink[] {
    return this.#host.physical.compute;
  }

  /**
   * Creates a workload's VNIC and, with the first of a subnet, the subnet's bridge and tunnel. What is
   * there already is returned with `created: false` and no event.
   *
   * @throws {@link APIError} `SNNET_VNIC_CONFLICT` (it is there and contradicts the configuration),
   * `SNNET_VNI_TAKEN`, `SNNET_TUNNEL_TAKEN`, `SNNET_KEY_RANGE`, `SNNET_BRIDGE_FULL`,
   * `SNNET_KIND_UNSUPPORTED`, `SNNET_KERNEL_FAILED`.
   */
  async createVnic(config: VnicConfigInput, options?: CallOptionsInput): Promise<CreatedVnic> {
    const operation = 'createVnic';
    const parsed = parseVnicConfig(config, operation);
    return await this.#host.call(operation, parseCallOptions(options, operation), (call) =>
      this.#creator.create(parsed, call),
    );
  }

  /**
   * Destroys a VNIC and, with the last of a subnet, the subnet's tunnel and bridge. One that is gone
   * is a success. Resolves when the kernel has let go of the links; a bridge is stripped of its name
   * and deleted a little later: {@link settle} waits for it.
   *
   * @throws {@link APIError} `SNNET_VNIC_CONFLICT`, `SNNET_LINK_FOREIGN` (somebody changed its alias:
   * it is left alone).
   */
  async destroyVnic(config: VnicConfigInput, options?: CallOptionsInput): Promise<DestroyedVnic> {
    const operation = 'destroyVnic';
    const parsed = parseVnicRef(config, operation);
    return await this.#host.call(operation, parseCallOptions(options, operation), (call) =>
      this.#destroyer.destroy(parsed, call),
    );
  }

  /** Creates the VNIC of a CNCI's VM: a macvtap on the first compute link. Idempotent. */
  async createCnciVnic(
    config: CnciVnicConfigInput,
    options?: CallOptionsInput,
  ): Promise<CreatedCnciVnic> {
    const operation = 'createCnciVnic';
    const parsed = parseCnciVnicConfig(config, operation);
    return await this.#host.call(operation, parseCallOptions(options, operation), (call) =>
      this.#cnciVnics.create(parsed, call),
    );
  }

  /** Destroys the VNIC of a CNCI's VM; one that is gone is a success. */
  async destroyCnciVnic(
    config: CnciVnicConfigInput,
    options?: CallOptionsInput,
  ): Promise<DestroyedCnciVnic> {
    const operation = 'destroyCnciVnic';
    const parsed = parseCnciVnicRef(config, operation);
    return await this.#host.call(operation, parseCallOptions(options, operation), (call) =>
      this.#cnciVnics.destroy(parsed, call),
    );
  }

  /**
   * Throws the database away and builds it from one dump of the kernel's links. Waits for the calls at
   * work; those that come meanwhile wait for it. Inconsistencies are reported, never an error.
   */
  async dbRebuild(options?: CallOptionsInput): Promise<RebuildReport> {
    const parsed = parseCallOptions(options, 'dbRebuild');
    return await this.#host.alone('dbRebuild', parsed, async () => {
      return reportOf(await this.#rebuild());
    });
  }

  /**
   * Deletes every link that is ours, by alias, then by name what carries none; nothing else. Reports
   * what could not be deleted.
   */
  async resetNetwork(options?: CallOptionsInput): Promise<ResetReport> {
    const parsed = parseCallOptions(options, 'resetNetwork');
    return await this.#host.alone('resetNetwork', parsed, async () => {
      // From here on it is us who delete.
      this.#database.links.clear();
      try {
        return await resetLinks(this.#host, 'resetNetwork', isComputeNodeLink);
      } finally {
        await this.#rebuild();
      }
    });
  }

  /** Compares the kernel with what should be there, and changes nothing. */
  async audit(options?: CallOptionsInput): Promise<RebuildReport> {
    const parsed = parseCallOptions(options, 'audit');
    return await this.#host.call('audit', parsed, async () =>
      reportOf(await this.#host.read(new ComputeNodeReader())),
    );
  }

  /** Rebuilds, then mends what is safe to mend; deliver the events that it returns. */
  async repair(repairs: RepairOptions = {}, options?: CallOptionsInput): Promise<RepairReport> {
    const parsed = parseCallOptions(options, 'repair');
    return await this.#host.alone('repair', parsed, () => this.#repair(repairs));
  }

  /**
   * A concentrator has another address: all tunnels that lead to it lead there from now on, in one
   * transaction, without being taken down. An interrupted move is completed by the same call, or by
   * {@link repair}. Deliver the events that it returns, to the new address and to the former one.
   *
   * @throws {@link APIError} `SNNET_TUNNEL_TAKEN` (a tunnel with the same key leads there already),
   * `SNNET_ALIAS_TOO_LONG`, `SNNET_LINK_INCONSISTENT`, `SNNET_KERNEL_FAILED`.
   */
  async repointConcentrator(
    config: RepointConfigInput,
    options?: CallOptionsInput,
  ): Promise<RepointReport> {
    const operation = 'repointConcentrator';
    const parsed = parseRepointConfig(config, operation);
    return await this.#host.alone(operation, parseCallOptions(options, operation), (call) =>
      this.#repointer.run(parsed, call),
    );
  }

  /** A dry run: what the operation would do now, as data and as text. Touches nothing. */
  plan<O extends keyof PlannableOperations>(operation: O, config: PlannableOperations[O]): DryRun {
    return dryRunOf(this.#plan(operation, config), (ifIndex) => this.#nameOf(ifIndex));
  }

  /** The topology at this moment: plain, frozen data. */
  topology(): NodeTopology {
    return takeSnapshot(this.#host, this.#subnets, this.#cnciVnics, this.#findings);
  }

  /** VNICs that have an alternative name of some kind: what plugins of runtimes know theirs by. @internal */
  vnicsNamed(matches: (altName: string) => boolean): readonly NamedVnic[] {
    return findNamedVnics(this.#subnets, matches);
  }

  /**
   * What others do to the links of this node, from now on, until the signal fires, the loop over it
   * ends, or the node is closed. A change is told when it lasts: what is put back at once is none.
   *
   * With `heal`, what is out of order is mended as {@link repair} would, also what was so before.
   * Deliver the events of each `healed` to the concentrator. What a VNIC's deletion took is not brought
   * back: its workload has lost it. Healing ends with the loop.
   */
  watch(options?: WatchOptionsInput): AsyncGenerator<NodeEvent, void, undefined> {
    this.#host.refuseIfClosed('watch');
    return this.#watcher.watch(parseWatchOptions(options));
  }

  /** Waits until everything given up so far has left the kernel. */
  async settle(): Promise<void> {
    await this.#host.anchor.settle();
    await this.#host.kernel.settle();
  }

  /** Waits for what runs, refuses what is new, and leaves the kernel's state as it is. */
  close(): Promise<void> {
    this.#watcher.close();
    return this.#host.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #repair(
    repairs: RepairOptions,
    isMeant?: (finding: Finding) => boolean,
  ): Promise<RepairReport> {
    const repairer = new Repairer(this.#host, this.#subnets, this.#mender, repairs);
    const report = await repairer.run(await this.#rebuild(), isMeant);
    await this.#rebuild();
    return report;
  }

  #healing(): HealSource {
    return {
      findings: async () => (await this.audit()).findings,
      mend: async (isDue) => {
        const report = await this.#host.alone('heal', {}, () => this.#repair({}, isDue));
        if (report.repaired.length > 0) this.#watcher.tell({ ...report, type: 'healed' });
        return report;
      },
      tenantOf: (subnet) => this.#subnets.get(subnet)?.scope.ids?.tenantId,
    };
  }

  async #rebuild(): Promise<ComputeNodeView> {
    const view = await rebuild(this.#host, this.#database);
    this.#findings = view.findings;
    return view;
  }

  #plan(operation: keyof PlannableOperations, config: unknown): Plan {
    switch (operation) {
      case 'createVnic': {
        const parsed = parseVnicConfig(config, 'plan');
        checkKey(this.#host, parsed, 'plan');
        const scope = scopeOf(parsed);
        const subnet = this.#subnets.get(scope.text) ?? new Subnet(scope);
        const known = subnet.vnics.get(parsed.vnicIp)?.known;
        if (known !== undefined && subnet.isComplete) return emptyPlan(operation);
        return known === undefined
          ? planVnicCreation(this.#host, parsed, subnet).plan
          : planVnicConfirmation(this.#host, parsed, subnet, known).plan;
      }
      case 'destroyVnic': {
        const parsed = parseVnicRef(config, 'plan');
        const subnet = this.#subnets.get(scopeOf(parsed, { allowUnderscore: true }).text);
        const known = subnet?.vnics.get(parsed.vnicIp)?.known;
        if (subnet === undefined || known === undefined) return emptyPlan(operation);
        const isLast = subnet.vnics.size === 1;
        return planVnicDestruction(this.#host, [known], isLast ? subnet : undefined);
      }
      case 'createCnciVnic':
        return this.#cnciVnics.planCreation(parseCnciVnicConfig(config, 'plan'));
      case 'destroyCnciVnic':
        return this.#cnciVnics.planDestruction(parseCnciVnicRef(config, 'plan'));
      case 'repointConcentrator':
        return this.#repointer.plan(parseRepointConfig(config, 'plan'));
      default:
        return refuse(operation, 'operation', 'an operation that can be planned');
    }
  }

  #nameOf(ifIndex: number): string | undefined {
    for (const { bridge, tunnel } of this.#subnets.all()) {
      if (bridge?.ifIndex === ifIndex) return bridge.linkName;
      if (tunnel?.ifIndex === ifIndex) return tunnel.linkName;
    }
    const { compute } = this.#host.physical;
    return compute.find((link) => link.ifIndex === ifIndex)?.linkName;
  }
}

/** Opens a node with hooks that only tests use. @internal */
export async function openComputeNode(
  options: NodeOptionsInput,
  hooks: HostHooks,
): Promise<ComputeNode> {
  return await ComputeNode.openWith(parseNodeOptions(options, 'ComputeNode.open'), hooks);
}

function emptyPlan(operation: string): Plan {
  return Object.freeze({ operation, steps: Object.freeze([]) });
}
