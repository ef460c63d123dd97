import type { Kernel, LinkEvent, NftEvent } from '../kernel';
import type { Logger } from '../model';
import { makePlan } from '../plan';
import { FAMILY, TABLE } from '../ruleset';
import { openPassage, readPassage } from './passage';
import { Surroundings } from './surroundings';
import type { FirewallTable } from './table';
import type { Turns } from './turns';

const OPERATION = 'Firewall.upkeep';

interface Parts {
  readonly kernel: Kernel;
  readonly table: FirewallTable;
  readonly turns: Turns;
  readonly logger: Logger;
}

type Chore = 'table' | 'addresses' | 'passage';

/**
 * Puts right what others undo while this process lives: a table that was flushed (where the kernel does
 * not guard it), public addresses of a device that went away and came back, the passage through
 * iptables. Notifications are hints: what is there is read first.
 */
export class Upkeep {
  readonly #parts: Parts;
  #unwatch: (() => Promise<void>)[] = [];
  readonly #waiting = new Set<Chore>();
  #isKeepingPassage = false;
  #isWatchingTables = false;
  #isRunning = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    const { kernel, table } = this.#parts;
    this.#isRunning = true;
    const onLinks = (events: readonly LinkEvent[]): void => {
      if (events.some((event) => this.#concerns(event))) this.#ask('addresses');
    };
    this.#unwatch.push(await kernel.watch('all', onLinks));
    const { present } = await readPassage(kernel, table.ledger);
    this.#isKeepingPassage = present.length > 0;
    if (table.ownership === 'shared' || this.#isKeepingPassage) await this.#watchTables();
  }

  /** From now on the passage is opened again when somebody closes it; or no longer. */
  async keepPassage(isOpen: boolean): Promise<void> {
    this.#isKeepingPassage = isOpen;
    if (isOpen) await this.#watchTables();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#isWatchingTables = false;
    for (const unwatch of this.#unwatch.splice(0)) await unwatch();
  }

  async #watchTables(): Promise<void> {
    if (this.#isWatchingTables) return;
    this.#isWatchingTables = true;
    const onTables = (events: readonly NftEvent[]): void => {
      for (const event of events) this.#hear(event);
    };
    this.#unwatch.push(await this.#parts.kernel.watchNft(onTables));
  }

  #hear(event: NftEvent): void {
    if (event.type === 'resync') {
      this.#ask('table');
      this.#ask('passage');
    } else if (!event.isOwn) {
      if (event.family === FAMILY && event.table === TABLE) this.#ask('table');
      if (event.family === 'ip' && event.table === 'filter') this.#ask('passage');
    }
  }

  #concerns(event: LinkEvent): boolean {
    if (event.type === 'resync') return true;
    if (event.type === 'gone') return false;
    return (this.#parts.table.ledger.sources.get(event.link.ifname)?.size ?? 0) > 0;
  }

  // Each waits for its turn among the calls; asked for twice before that, it is done once.
  #ask(chore: Chore): void {
    const { turns, logger } = this.#parts;
    if (!this.#isRunning || turns.isClosing || this.#waiting.has(chore)) return;
    if (chore === 'passage' && !this.#isKeepingPassage) return;
    if (chore === 'table' && this.#parts.table.ownership === 'owned') return;
    this.#waiting.add(chore);
    turns
      .take(OPERATION, {}, async () => {
        this.#waiting.delete(chore);
        if (this.#isRunning) await this.#do(chore);
      })
      .catch((error: unknown) => {
        this.#waiting.delete(chore);
        // The next change finds it as it is and fails aloud.
        logger.warn('the firewall could not be put right', { chore, error });
      });
  }

  async #do(chore: Chore): Promise<void> {
    const { kernel, table, logger } = this.#parts;
    if (chore === 'table') {
      if (await table.mend(OPERATION))
        logger.warn('somebody changed the firewall: it was put back');
      return;
    }
    if (chore === 'passage') {
      const steps = openPassage(await readPassage(kernel, table.ledger));
      if (steps.length > 0) await kernel.run(makePlan(OPERATION, steps));
      return;
    }
    const rows = [...table.ledger.published].map(([address, { device }]) => ({ address, device }));
    const steps = (await Surroundings.read(kernel)).additions(rows);
    if (steps.length > 0) await kernel.run(makePlan(OPERATION, steps));
  }
}
