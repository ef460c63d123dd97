import { APIError, KernelError } from '../errors';
import type { Kernel, RunResult } from '../kernel';
import { makePlan } from '../plan';
import type { NftCommand, NftStep, Plan, Step } from '../plan';
import {
  ADOPT_TABLE,
  DELETE_TABLE,
  FAMILY,
  TABLE,
  fold,
  isSame,
  recognise,
  wholeTable,
} from '../ruleset';
import type { Edit, Ledger, Ownership } from '../ruleset';

/** What stands in the kernel at the moment. */
interface Standing {
  readonly ledger: Ledger;
  readonly isWhole: boolean;
  /** `orphan`: it outlived its process, and can be taken over as it is. */
  readonly holder: 'nobody' | 'orphan' | 'somebody';
  readonly generation: number;
}

/**
 * Our table in the kernel, with the index of what is in it. Where the kernel guards it the index cannot
 * go stale; elsewhere each change first looks whether anybody else made one.
 */
export class FirewallTable {
  readonly #kernel: Kernel;
  readonly #ledger: Ledger;
  #ownership: Ownership;
  /** What the kernel holds and the index does not yet. */
  #owed: readonly Edit[] = [];
  #generation = 0;

  private constructor(kernel: Kernel, ledger: Ledger, ownership: Ownership) {
    this.#kernel = kernel;
    this.#ledger = ledger;
    this.#ownership = ownership;
  }

  get ledger(): Ledger {
    fold(this.#ledger, this.#owed);
    this.#owed = [];
    return this.#ledger;
  }
  get ownership(): Ownership {
    return this.#ownership;
  }

  /** Reads what is there; nothing where there is no table. */
  static async read(kernel: Kernel, operation: string): Promise<Standing | undefined> {
    const state = await kernel.nft(FAMILY, TABLE);
    if (state === undefined) return undefined;
    const found = recognise(state);
    if (found.type === 'foreign') {
      throw new APIError('SNNET_FIREWALL_FOREIGN', {
        operation,
        object: { table: `${FAMILY} ${TABLE}` },
        detail: found.why,
      });
    }
    const isOrphan = state.owner === 0 && state.flags.includes('persist');
    return {
      ledger: found.ledger,
      isWhole: found.isWhole,
      holder: state.owner === 0 ? (isOrphan ? 'orphan' : 'nobody') : 'somebody',
      generation: state.generation,
    };
  }

  /** Only to look at: changes nothing. */
  static detached(kernel: Kernel, ledger: Ledger, standing: Standing | undefined): FirewallTable {
    const ownership = standing === undefined || standing.holder === 'nobody' ? 'shared' : 'owned';
    return new FirewallTable(kernel, ledger, ownership);
  }

  /**
   * Puts the table there, or takes over the one that stands; then does what follows. All in one plan.
   *
   * @param best - `shared` keeps it from being guarded, as on kernels before 6.9.
   */
  static async establish(
    kernel: Kernel,
    { standing, ledger, best, then }: Establishing,
  ): Promise<FirewallTable> {
    const attempt = async (ownership: Ownership): Promise<FirewallTable> => {
      const first = establishment(standing, ledger, ownership);
      const steps = first === undefined ? then : [first, ...then];
      if (steps.length > 0) await kernel.run(makePlan('Firewall.open', steps));
      const table = new FirewallTable(kernel, ledger, ownership);
      table.#generation = await kernel.nftGeneration();
      return table;
    };
    if (best === 'shared') return attempt('shared');
    try {
      return await attempt('owned');
    } catch (error) {
      if (!isRefusedFlag(error)) throw error;
      return attempt('shared');
    }
  }

  /** What others did since is put right first; so a change is always one of what is really there. */
  async verify(operation: string): Promise<void> {
    if (this.#ownership === 'owned') return;
    if ((await this.#kernel.nftGeneration()) === this.#generation) return;
    await this.mend(operation);
  }

  /** Reads the table and, where it is not as we left it, writes it anew. Says whether it did. */
  async mend(operation: string): Promise<boolean> {
    const standing = await FirewallTable.read(this.#kernel, operation);
    if (standing?.isWhole === true && isSame(standing.ledger, this.ledger)) {
      this.#generation = standing.generation;
      return false;
    }
    const step = establishment(standing, this.ledger, this.#ownership, 'anew');
    if (step !== undefined) await this.#kernel.run(makePlan(operation, [step]));
    this.#generation = await this.#kernel.nftGeneration();
    return true;
  }

  /**
   * Runs a plan that does these edits among other things.
   *
   * @returns How many flows connection tracking knows then, where it tells.
   */
  async run(
    operation: string,
    steps: readonly Step[],
    edits: readonly Edit[],
  ): Promise<number | undefined> {
    if (steps.length === 0) return undefined;
    const plan = makePlan(operation, steps);
    let result: RunResult;
    try {
      result = await this.#kernel.run(plan);
    } catch (error) {
      result = await this.#runOnMended(operation, plan, error);
    }
    this.#owe(edits);
    // Ours counts one; if there was another in between, the next change finds out.
    if (edits.length > 0) this.#generation += 1;
    return result.flows;
  }

  /**
   * The index follows when the caller has its answer. Thousands of mappings take as long as all the rest
   * of our part; and while the kernel works, the thread that asks it may wait for this processor.
   */
  #owe(edits: readonly Edit[]): void {
    this.#owed = [...this.#owed, ...edits];
    setImmediate(() => this.ledger);
  }

  /** Between the look and the change somebody may have taken what it was built on. */
  async #runOnMended(operation: string, plan: Plan, error: unknown): Promise<RunResult> {
    if (this.#ownership === 'owned' || !(error instanceof APIError)) throw error;
    if (!(await this.mend(operation))) throw error;
    return await this.#kernel.run(plan);
  }

  /** What removes the table, if it is there and ours; its inverse puts it back. */
  async removal(): Promise<NftStep[]> {
    const standing = await FirewallTable.read(this.#kernel, 'shutdown');
    if (standing === undefined) return [];
    const before = wholeTable(this.ledger, this.#ownership);
    return [{ op: 'nft', commands: [DELETE_TABLE], before }];
  }
}

interface Establishing {
  readonly standing: Standing | undefined;
  readonly ledger: Ledger;
  readonly best: Ownership;
  readonly then: readonly Step[];
}

/** The step that makes the kernel's table hold this; nothing where it does. */
export function establishment(
  standing: Standing | undefined,
  ledger: Ledger,
  ownership: Ownership,
  how: 'adopt' | 'anew' = 'adopt',
): NftStep | undefined {
  const whole = wholeTable(ledger, ownership);
  if (standing === undefined) return { op: 'nft', commands: whole, before: [DELETE_TABLE] };
  if (how === 'adopt' && standing.isWhole && isSame(standing.ledger, ledger)) {
    if (standing.holder === 'orphan' && ownership === 'owned') {
      // Given up again when the process ends; there is nothing to undo.
      return { op: 'nft', commands: [ADOPT_TABLE], before: [] };
    }
    if (standing.holder === 'nobody' && ownership === 'shared') return undefined;
  }
  const former: Ownership = standing.holder === 'nobody' ? 'shared' : 'owned';
  const back: NftCommand[] = [DELETE_TABLE, ...wholeTable(standing.ledger, former)];
  return { op: 'nft', commands: [DELETE_TABLE, ...whole], before: back };
}

// A kernel that does not know the flags says EOPNOTSUPP (nf_tables_api.c, nf_tables_newtable: any bit
// outside NFT_TABLE_F_MASK), older ones EINVAL.
function isRefusedFlag(error: unknown): boolean {
  const cause = error instanceof APIError ? error.cause : undefined;
  return cause instanceof KernelError && (cause.name === 'EOPNOTSUPP' || cause.name === 'EINVAL');
}
