import { APIError } from '../../errors';
import { SILENT_LOGGER } from '../../model';
import type { Logger } from '../../model';
import { formatAgentReport } from '../messages';
import type { AgentReport } from '../messages';
import { SsntpClient } from '../ssntp';
import type { SsntpClientEvent, SsntpClientOptions, SsntpFrame } from '../ssntp';
import type { AgentTransport, TransportListener } from '../transport';
import { frameFor, requestKindOf } from './kinds';

/** Requests under way; beyond these the server is made to wait. */
const MOST_AT_WORK = 1024;

/**
 * An agent's requests and reports over SSNTP. Nothing acknowledges anything there: a request comes once,
 * and a report that was sent may be lost with the connection.
 */
export class SsntpAgentTransport implements AgentTransport {
  readonly name = 'ssntp';
  readonly #options: SsntpClientOptions;
  readonly #logger: Logger;
  readonly #atWork = new Set<Promise<unknown>>();
  #client: SsntpClient | undefined;

  /** @param options - Of the client; the certificate needs the role `CNCIAGENT`. */
  constructor(options: SsntpClientOptions) {
    this.#options = options;
    this.#logger = options.logger ?? SILENT_LOGGER;
  }

  async receive(listener: TransportListener, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const client = SsntpClient.open(this.#options, { signal });
    this.#client = client;
    try {
      for await (const event of client) {
        this.#take(event, listener);
        if (this.#atWork.size >= MOST_AT_WORK) await Promise.race(this.#atWork);
      }
    } finally {
      this.#client = undefined;
      await client.close();
    }
  }

  async report(report: AgentReport): Promise<void> {
    const { kind } = report;
    if (this.#client === undefined) {
      const detail = 'the agent does not run';
      throw new APIError('SNNET_SSNTP_UNREACHABLE', { operation: 'report', detail });
    }
    await this.#client.send(frameFor(kind, formatAgentReport(report)));
  }

  #take(event: SsntpClientEvent, listener: TransportListener): void {
    switch (event.kind) {
      case 'connected':
        listener.connected(`${event.server.host}:${event.server.port}`);
        return;
      case 'disconnected':
        listener.disconnected(event.reason);
        return;
      case 'frame':
        this.#request(event.frame, listener);
    }
  }

  #request(frame: SsntpFrame, listener: TransportListener): void {
    const kind = requestKindOf(frame);
    if (kind === undefined) {
      const { type, operand } = frame;
      this.#logger.info('a frame that asks for nothing', { type, operand });
      return;
    }
    const payload = Buffer.from(frame.payload).toString('utf8');
    // What fails, the agent has remembered and tries again; nobody would deliver it a second time.
    const work = listener.request({ kind, payload }).catch(() => undefined);
    this.#atWork.add(work);
    void work.then(() => this.#atWork.delete(work));
  }
}
