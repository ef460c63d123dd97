import { formatAgentRequest } from '../messages';
import type { TenantEvent } from '../messages';
import { SsntpClient } from '../ssntp';
import type { SsntpClientOptions } from '../ssntp';
import type { LauncherTransport } from '../transport';
import { frameFor } from './kinds';

interface Sent {
  readonly event: TenantEvent;
  /** By `performance.now()`. */
  readonly at: number;
}

/** What was handed to the kernel so shortly before a connection broke may not have arrived. */
const DOUBTFUL_MS = 60_000;
const MOST_DOUBTFUL = 10_000;

/**
 * A launcher's events over SSNTP. The server acknowledges nothing, so what was sent within a minute before
 * a connection broke is sent again on the next; the concentrators do not mind.
 */
export class SsntpLauncherTransport implements LauncherTransport {
  readonly name = 'ssntp';
  readonly #client: SsntpClient;
  readonly #finished: Promise<void>;
  #recent: Sent[] = [];
  /** Settled when what is doubtful has been sent again. */
  #repeating: Promise<void> = Promise.resolve();

  private constructor(client: SsntpClient) {
    this.#client = client;
    this.#finished = this.#follow();
  }

  /** Begins to dial; the certificate needs the role `AGENT`. */
  static open(options: SsntpClientOptions): SsntpLauncherTransport {
    return new SsntpLauncherTransport(SsntpClient.open(options));
  }

  get isConnected(): boolean {
    return this.#client.isConnected;
  }

  async send(event: TenantEvent): Promise<void> {
    await this.#repeating;
    await this.#client.send(frameFor(event.kind, formatAgentRequest(event)));
    const at = performance.now();
    const oldest = at - DOUBTFUL_MS;
    const isFull = this.#recent.length >= MOST_DOUBTFUL;
    if (isFull || (this.#recent[0]?.at ?? at) < oldest) {
      this.#recent = this.#recent.slice(isFull ? 1 : 0).filter((sent) => sent.at >= oldest);
    }
    this.#recent.push({ event, at });
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.#finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Ends when the client is closed, or refused for good: then every `send` says so. */
  async #follow(): Promise<void> {
    let doubtful: readonly Sent[] = [];
    try {
      for await (const { kind } of this.#client) {
        if (kind === 'disconnected') {
          const oldest = performance.now() - DOUBTFUL_MS;
          doubtful = this.#recent.filter(({ at }) => at >= oldest);
        } else if (kind === 'connected' && doubtful.length > 0) {
          this.#repeating = this.#repeat(doubtful);
          doubtful = [];
        }
      }
    } catch {
      // `send` throws the same.
    }
  }

  async #repeat(sent: readonly Sent[]): Promise<void> {
    try {
      for (const { event } of sent) {
        await this.#client.send(frameFor(event.kind, formatAgentRequest(event)));
      }
    } catch {
      // The connection broke again: they are doubtful still, and younger than a minute, or old.
    }
  }
}
