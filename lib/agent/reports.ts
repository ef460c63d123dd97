import type { Logger } from '../model';
import type { Commit, DesiredState } from './desired-state';
import type { AgentReport } from './messages';
import type { Retries } from './retries';
import type { AgentTransport } from './transport';

export interface ReportSettings {
  readonly desired: DesiredState;
  readonly transport: AgentTransport;
  readonly retries: Retries;
  readonly logger: Logger;
  readonly onReport: (kind: AgentReport['kind'], isSent: boolean) => void;
}

const RETRY = 'reports';

/**
 * What the controllers are told: kept until the transport has taken it over, and sent in its order, first
 * of all who we are.
 */
export class Reports {
  readonly #settings: ReportSettings;
  /** Says who we are; absent while there is no connection. */
  #introduce: (() => Promise<AgentReport>) | undefined;
  #isIntroduced = false;
  #sending: Promise<void> | undefined;
  #isWanted = false;

  constructor(settings: ReportSettings) {
    this.#settings = settings;
  }

  /** Stores a report, together with what belongs to it, and sends it when it can. */
  async add(commit: Commit & { readonly report: AgentReport }): Promise<void> {
    await this.#settings.desired.commit(commit);
    this.#send();
  }

  /** A connection is there: everything that waits goes, after the introduction. */
  connected(introduce: () => Promise<AgentReport>): void {
    this.#introduce = introduce;
    this.#isIntroduced = false;
    this.#send();
  }

  disconnected(): void {
    this.#introduce = undefined;
    this.#settings.retries.forget(RETRY);
  }

  /** Resolves when nothing is under way. */
  async settle(): Promise<void> {
    await this.#sending;
  }

  #send(): void {
    this.#isWanted = true;
    this.#sending ??= this.#sendWhileWanted();
  }

  /** What is asked for while the last round ends is not lost between two promises. */
  async #sendWhileWanted(): Promise<void> {
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#sendAll();
    }
    this.#sending = undefined;
  }

  async #sendAll(): Promise<void> {
    const { desired, retries, logger } = this.#settings;
    try {
      while (this.#introduce !== undefined) {
        if (!this.#isIntroduced) await this.#introduceUs(this.#introduce);
        const [next] = desired.reports;
        if (next === undefined) break;
        const [key, { report, messageId }] = next;
        await this.#tell(report, messageId);
        await desired.forgetReport(key);
      }
      retries.forget(RETRY);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      logger.warn('a report could not be sent, and is kept', {
        why,
        waiting: desired.reports.size,
      });
      if (this.#introduce !== undefined) retries.later(RETRY, () => this.#send());
    }
  }

  async #introduceUs(introduce: () => Promise<AgentReport>): Promise<void> {
    const report = await introduce();
    await this.#tell(report, `${report.kind}-${String(Date.now())}`);
    // Another connection may have come meanwhile.
    this.#isIntroduced = this.#introduce === introduce;
  }

  async #tell(report: AgentReport, messageId: string): Promise<void> {
    const { transport, logger, onReport } = this.#settings;
    try {
      await transport.report(report, messageId);
    } catch (error) {
      onReport(report.kind, false);
      throw error;
    }
    onReport(report.kind, true);
    logger.info('reported', { ...report });
  }
}
