import { APIError } from '../errors';
import { Kernel } from '../kernel';
import {
  SILENT_LOGGER,
  parseCallOptions,
  parseFirewallAction,
  parseFirewallOptions,
  parseForwardings,
  parsePortMappings,
  parsePublicIps,
  parseWatchOptions,
} from '../model';
import type {
  CallOptionsInput,
  FirewallAction,
  FirewallOptions,
  FirewallOptionsInput,
  ForwardingInput,
  PortMappingInput,
  PublicIpInput,
  WatchOptionsInput,
} from '../model';
import { makePlan } from '../plan';
import type { Step } from '../plan';
import { changeForwardings, changePorts, formatState } from '../ruleset';
import type { Change } from '../ruleset';
import { auditFirewall } from './audit';
import { applyChange, dryRun, endAllFlows, planPublicIps, report, stepsFor } from './changes';
import type { Changing } from './changes';
import { Feeds } from './feeds';
import { planOpening, refuseHeld, stepsOf } from './opening';
import type { FirewallHooks, Opening } from './opening';
import { closePassage, readPassage, switchPassage, together } from './passage';
import type {
  FirewallDryRun,
  FirewallEvent,
  FirewallFinding,
  FirewallReport,
  FirewallShutdown,
  FirewallView,
} from './results';
import { Surroundings, readForwarding, setForwarding } from './surroundings';
import { FirewallTable } from './table';
import { Turns } from './turns';
import { Upkeep } from './upkeep';

type OneOrMany<T> = T | readonly T[];

/** What {@link Firewall.plan} can plan, and what each takes. */
export interface PlannableChanges {
  readonly extFwding: OneOrMany<ForwardingInput>;
  readonly extPortAccess: OneOrMany<PortMappingInput>;
  readonly publicIpAccess: OneOrMany<PublicIpInput>;
}

/**
 * The packet filter between tenants and the outside: masquerade, forwarding, port mappings and public
 * addresses, in one table of nftables that is ours alone.
 *
 * Everything is closed until it is opened. Every change is one transaction: done, or not done. All
 * methods may be called concurrently; they follow each other. Every method that does I/O takes
 * `{ signal, timeoutMs }` last.
 */
export class Firewall {
  readonly #kernel: Kernel;
  readonly #options: FirewallOptions;
  readonly #opening: Opening;
  readonly #table: FirewallTable;
  readonly #turns: Turns;
  readonly #upkeep: Upkeep;
  readonly #feeds = new Feeds();
  #isOver = false;

  private constructor(
    kernel: Kernel,
    options: FirewallOptions,
    opening: Opening,
    table: FirewallTable,
  ) {
    this.#kernel = kernel;
    this.#options = options;
    this.#opening = opening;
    this.#table = table;
    this.#turns = new Turns(options.timeoutMs);
    const logger = options.logger ?? SILENT_LOGGER;
    const report: Feeds['tell'] = (cause, error) => {
      this.#feeds.tell(cause, error);
    };
    this.#upkeep = new Upkeep({ kernel, table, turns: this.#turns, logger, report });
  }

  /**
   * Closes the way between tenants and the outside, masquerades on every external device, and lets the
   * machine forward; or takes over what an earlier process left. In this order: no tenant's address
   * gets out at any moment.
   *
   * @throws {@link APIError} `SNNET_DEVICE_NOT_FOUND`, `SNNET_FIREWALL_FOREIGN` (another program's
   * table of our name), `SNNET_FIREWALL_HELD` (another process has it), `SNNET_PRIVILEGE_MISSING`.
   */
  static open(options: FirewallOptionsInput): Promise<Firewall> {
    return openFirewall(options, {});
  }

  /** @internal */
  static async openWith(options: FirewallOptions, hooks: FirewallHooks): Promise<Firewall> {
    const kernel = await Kernel.open({ netns: options.netns, fault: hooks.fault });
    try {
      const logger = options.logger ?? SILENT_LOGGER;
      const opening = await planOpening(kernel, options, logger);
      const { ledger, standing, then } = opening;
      if (options.readOnly) {
        const table = FirewallTable.detached(kernel, ledger, standing);
        return new Firewall(kernel, options, opening, table);
      }
      refuseHeld(opening);
      const best = hooks.ownership ?? 'owned';
      const table = await FirewallTable.establish(kernel, { standing, ledger, best, then });
      const firewall = new Firewall(kernel, options, opening, table);
      await firewall.#upkeep.start();
      return firewall;
    } catch (error) {
      await kernel.close();
      throw error;
    }
  }

  get externalDevices(): readonly string[] {
    return Object.freeze([...this.#table.ledger.external].sort());
  }

  /** Lets the machine forward IPv4, or not. */
  async routing(action: FirewallAction, options?: CallOptionsInput): Promise<FirewallReport> {
    const operation = 'routing';
    const parsed = parseFirewallAction(action, operation);
    return await this.#change(operation, options, async () => {
      const wanted = parsed === 'enable';
      const steps = setForwarding(wanted, await readForwarding(this.#kernel));
      await this.#table.run(operation, steps, []);
      return report(steps.length, 1 - steps.length, 0);
    });
  }

  /**
   * Opens the way from tenants' devices to the outside, and for the answers back; or closes it, also
   * for what is under way. One pair, or a list in one transaction.
   *
   * @throws {@link APIError} `SNNET_DEVICE_NOT_FOUND`, `SNNET_FIREWALL_CONFLICT`.
   */
  async extFwding(
    action: FirewallAction,
    forwardings: OneOrMany<ForwardingInput>,
    options?: CallOptionsInput,
  ): Promise<FirewallReport> {
    const operation = 'extFwding';
    const parsed = parseFirewallAction(action, operation);
    const pairs = parseForwardings(forwardings, operation);
    return await this.#change(operation, options, async () => {
      const change = changeForwardings(this.#table.ledger, parsed, pairs);
      if (parsed === 'enable' && change.changed > 0) {
        const devices = pairs.map(({ internalDevice }) => internalDevice);
        (await Surroundings.read(this.#kernel)).refuseAbsent(devices, 'internalDevice');
      }
      return applyChange(this.#changing(operation), change);
    });
  }

  /**
   * Makes ports of external devices lead to workloads, or no longer. One mapping, or a list in one
   * transaction. Flows by a mapping that changes or goes are ended.
   *
   * @throws {@link APIError} `SNNET_FIREWALL_CONFLICT` (the port leads elsewhere; both are named),
   * `SNNET_DEVICE_NOT_FOUND`.
   */
  async extPortAccess(
    action: FirewallAction,
    mappings: OneOrMany<PortMappingInput>,
    options?: CallOptionsInput,
  ): Promise<FirewallReport> {
    const operation = 'extPortAccess';
    const parsed = parseFirewallAction(action, operation);
    const list = parsePortMappings(mappings, operation);
    return await this.#change(operation, options, () =>
      applyChange(this.#changing(operation), changePorts(this.#table.ledger, parsed, list)),
    );
  }

  /**
   * Gives workloads addresses of the outside, or takes them away: the address on the external device,
   * the way in, and the way out. One, or a list in one transaction.
   *
   * @throws {@link APIError} `SNNET_FIREWALL_CONFLICT` (the address is another workload's, a tenant's or
   * this machine's own), `SNNET_DEVICE_NOT_FOUND`.
   */
  async publicIpAccess(
    action: FirewallAction,
    addresses: OneOrMany<PublicIpInput>,
    options?: CallOptionsInput,
  ): Promise<FirewallReport> {
    const operation = 'publicIpAccess';
    const parsed = parseFirewallAction(action, operation);
    const list = parsePublicIps(addresses, operation);
    return await this.#change(operation, options, async () => {
      const surroundings = await Surroundings.read(this.#kernel);
      const change = planPublicIps(this.#table.ledger, parsed, list, surroundings);
      return applyChange(this.#changing(operation), change, surroundings);
    });
  }

  /**
   * Opens a passage for tenants' traffic through the chain of iptables that docker makes drop what is
   * forwarded, or closes it. Nothing happens where iptables (by nftables) is not in use. While this
   * process lives, a passage that somebody flushes is opened again.
   */
  async passBridges(action: FirewallAction, options?: CallOptionsInput): Promise<FirewallReport> {
    const operation = 'passBridges';
    const parsed = parseFirewallAction(action, operation);
    return await this.#change(operation, options, async () => {
      const isOpening = parsed === 'enable';
      const { ledger } = this.#table;
      const { changed, unchanged } = await switchPassage(this.#kernel, ledger, isOpening);
      await this.#upkeep.keepPassage(isOpening);
      return report(changed, unchanged, 0);
    });
  }

  /** What a change would do, and does not. What would be refused is refused. */
  async plan<O extends keyof PlannableChanges>(
    operation: O,
    action: FirewallAction,
    input: PlannableChanges[O],
    options?: CallOptionsInput,
  ): Promise<FirewallDryRun> {
    const parsed = parseFirewallAction(action, operation);
    const callOptions = parseCallOptions(options, operation);
    return await this.#turns.take(operation, callOptions, async () => {
      const surroundings = await Surroundings.read(this.#kernel);
      const { edits } = this.#planned(operation, parsed, input, surroundings);
      return dryRun(operation, stepsFor(edits, surroundings));
    });
  }

  /** What opening did; with `readOnly`, what it would do. */
  planOfOpening(): FirewallDryRun {
    return dryRun('Firewall.open', stepsOf(this.#opening));
  }

  /** What {@link shutdown} would do. */
  async planOfShutdown(options?: CallOptionsInput): Promise<FirewallDryRun> {
    const operation = 'shutdown';
    const parsed = parseCallOptions(options, operation);
    return await this.#turns.take(operation, parsed, async () =>
      dryRun(operation, await this.#ending()),
    );
  }

  /** What the kernel holds: plain, frozen data. */
  async state(options?: CallOptionsInput): Promise<FirewallView> {
    const operation = 'state';
    return await this.#turns.take(operation, parseCallOptions(options, operation), async () => {
      const standing = await FirewallTable.read(this.#kernel, operation);
      if (standing === undefined) {
        const detail = 'there is no table of ours';
        throw new APIError('SNNET_FIREWALL_ABSENT', { operation, detail });
      }
      return Object.freeze({
        ...standing.ledger.toState(),
        forwarding: await readForwarding(this.#kernel),
        ownership: standing.holder === 'nobody' ? 'shared' : 'owned',
      });
    });
  }

  /** What the kernel holds, as text: one line for each thing. */
  async dump(options?: CallOptionsInput): Promise<string> {
    return formatState(await this.state(options));
  }

  /** What on this machine keeps the firewall from doing what it says. */
  async audit(options?: CallOptionsInput): Promise<readonly FirewallFinding[]> {
    const operation = 'audit';
    return await this.#turns.take(operation, parseCallOptions(options, operation), () =>
      auditFirewall(this.#kernel, this.#table, this.#options.netns),
    );
  }

  /**
   * What others undo, from now on, until the signal fires, the loop over it ends, or it is closed. It is
   * put right whether anybody watches or not; more slowly where it is undone again and again.
   */
  watch(options?: WatchOptionsInput): AsyncGenerator<FirewallEvent, void, undefined> {
    const { signal } = parseWatchOptions(options);
    this.#refuseReadOnly('watch');
    this.#turns.refuseIfClosed('watch');
    return this.#feeds.open(signal);
  }

  /** Removes everything of ours, and lets the machine forward as it did before. */
  async shutdown(options?: CallOptionsInput): Promise<FirewallShutdown> {
    const operation = 'shutdown';
    const parsed = parseCallOptions(options, operation);
    this.#refuseReadOnly(operation);
    return await this.#turns.take(operation, parsed, async () => {
      const removed = !this.#isOver;
      if (removed) {
        const { ledger } = this.#table;
        await this.#upkeep.stop();
        await this.#kernel.run(makePlan(operation, await this.#ending()));
        this.#isOver = true;
        await endAllFlows(this.#changing(operation), ledger);
      }
      return Object.freeze({ removed, forwarding: await readForwarding(this.#kernel) });
    });
  }

  /** Waits for what runs, refuses what is new, and leaves the kernel's state as it is. */
  close(): Promise<void> {
    this.#feeds.close();
    return this.#turns.close(async () => {
      await this.#upkeep.stop();
      await this.#kernel.close();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #change(
    operation: string,
    options: CallOptionsInput | undefined,
    body: () => Promise<FirewallReport>,
  ): Promise<FirewallReport> {
    const parsed = parseCallOptions(options, operation);
    this.#refuseReadOnly(operation);
    return await this.#turns.take(operation, parsed, async () => {
      if (this.#isOver) throw new APIError('SNNET_FIREWALL_ABSENT', { operation });
      await this.#table.verify(operation);
      return body();
    });
  }

  #changing(operation: string): Changing {
    return { kernel: this.#kernel, table: this.#table, operation };
  }

  #planned(
    operation: keyof PlannableChanges,
    action: FirewallAction,
    input: unknown,
    surroundings: Surroundings,
  ): Change {
    const { ledger } = this.#table;
    switch (operation) {
      case 'extFwding':
        return changeForwardings(ledger, action, parseForwardings(input, operation));
      case 'extPortAccess':
        return changePorts(ledger, action, parsePortMappings(input, operation));
      case 'publicIpAccess':
        return planPublicIps(ledger, action, parsePublicIps(input, operation), surroundings);
    }
  }

  // The table goes after forwarding went back, and the addresses before: nothing leads to them any more.
  async #ending(): Promise<readonly Step[]> {
    const { ledger } = this.#table;
    const isForwarding = await readForwarding(this.#kernel);
    const surroundings = await Surroundings.read(this.#kernel);
    const rows = [...ledger.published].map(([address, { device }]) => ({ address, device }));
    const passage = closePassage(await readPassage(this.#kernel, ledger));
    return [
      ...setForwarding(ledger.options.forwardedBefore, isForwarding),
      ...surroundings.removals(rows),
      // Nobody else knows that there was a passage: it goes in the same transaction.
      ...together(passage, await this.#table.removal()),
    ];
  }

  #refuseReadOnly(operation: string): void {
    if (this.#options.readOnly) throw new APIError('SNNET_FIREWALL_READ_ONLY', { operation });
  }
}

/** Opens a firewall with hooks that only tests use. @internal */
export async function openFirewall(
  options: FirewallOptionsInput,
  hooks: FirewallHooks,
): Promise<Firewall> {
  return await Firewall.openWith(parseFirewallOptions(options, 'Firewall.open'), hooks);
}
