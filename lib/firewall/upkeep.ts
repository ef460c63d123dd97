import type { Kernel, LinkEvent, NftEvent } from '../kernel';
import type { Logger } from '../model';
import { makePlan } from '../plan';
import type { Step } from '../plan';
import { FAMILY, TABLE } from '../ruleset';
import { Pace } from './pace';
import { openPassage, readPassage } from './passage';
import type { FirewallDriftCause } from './results';
import { Surroundings } from './surroundings';
import type { FirewallTable } from './table';
import type { Turns } from './turns';

const OPERATION = 'Firewall.upkeep';
/** A failure is followed by a pause at once. */
const FAILURE_COUNTS = 3;

interface Parts {
  readonly kernel: Kernel;
  readonly table: FirewallTable;
  readonly turns: Turns;
  readonly logger: Logger;
  /** Somebody changed something of ours; it was put right unless there is an error. */
  readonly report: (cause: FirewallDriftCause, error?: unknown) => void;
}

type Chore = 'table' | 'addresses' | 'passage';

const CAUSES: Readonly<Record<Chore, FirewallDriftCause>> = {
  table: 'table-changed',
  addresses: 'address-lost',
  passage: 'passage-closed',
};

/**
 * Puts right what others undo while this process lives: a table that was flushed (where the kernel does
 * not guard it), public addresses of a device that went away and came back, the passage through
 * iptables. Notifications are hints: what is there is read first.
 */
export class Upkeep {
  readonly #parts: Parts;
  #unwatch: (() => Promise<void>)[] = [];
  readonly #waiting = new Set<Chore>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #paces = { table: new Pace(), addresses: new Pace(), passage: new Pace() };
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
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
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
    const { turns } = this.#parts;
    if (!this.#isRunning || turns.isClosing || this.#waiting.has(chore)) return;
    if (chore === 'passage' && !this.#isKeepingPassage) return;
    if (chore === 'table' && this.#parts.table.ownership === 'owned') return;
    this.#waiting.add(chore);
    const pause = this.#paces[chore].pause();
    if (pause === 0) {
      void this.#takeTurn(chore);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#takeTurn(chore);
    }, pause);
    this.#timers.add(timer.unref());
  }

  async #takeTurn(chore: Chore): Promise<void> {
    const { turns, logger, report } = this.#parts;
    try {
      const hasChanged = await turns.take(OPERATION, {}, async () => {
        this.#waiting.delete(chore);
        return this.#isRunning && (await this.#do(chore));
      });
      if (!hasChanged) return;
      this.#paces[chore].note();
      logger.warn('somebody changed the firewall: it was put back', { chore });
      report(CAUSES[chore]);
    } catch (error) {
      this.#waiting.delete(chore);
      if (!this.#isRunning || turns.isClosing) return;
      logger.warn('the firewall could not be put right; it is tried again', { chore, error });
      report(CAUSES[chore], error);
      // Often enough that there is a pause before the next attempt.
      for (let n = 0; n < FAILURE_COUNTS; n += 1) this.#paces[chore].note();
      this.#ask(chore);
    }
  }

  /** Says whether there was anything to do. */
  async #do(chore: Chore): Promise<boolean> {
    const { kernel, table } = this.#parts;
    if (chore === 'table') return await table.mend(OPERATION);
    const steps = await (chore === 'passage' ? this.#planPassage() : this.#planAddresses());
    if (steps.length > 0) await kernel.run(makePlan(OPERATION, steps));
    return steps.length > 0;
  }

  async #planPassage(): Promise<readonly Step[]> {
    const { kernel, table } = this.#parts;
    return openPassage(await readPassage(kernel, table.ledger));
  }

  async #planAddresses(): Promise<readonly Step[]> {
    const { kernel, table } = this.#parts;
    const rows = [...table.ledger.published].map(([address, { device }]) => ({ address, device }));
    return (await Surroundings.read(kernel)).additions(rows);
  }
}
