import { Feed } from '../watch';
import type { FirewallDriftCause, FirewallEvent } from './results';

// A reader so far behind has missed nothing that it could still do anything about.
const OVERFLOW: FirewallEvent = Object.freeze({
  type: 'drift',
  cause: 'table-changed',
  healed: true,
});

/** Those who want to know what others undid. */
export class Feeds {
  readonly #feeds = new Set<Feed<FirewallEvent>>();

  open(signal: AbortSignal | undefined): Feed<FirewallEvent> {
    const feed = new Feed<FirewallEvent>(OVERFLOW, signal, () => {
      this.#feeds.delete(feed);
    });
    if (!feed.isOver) this.#feeds.add(feed);
    return feed;
  }

  tell(cause: FirewallDriftCause, error?: unknown): void {
    const healed = error === undefined;
    const event = Object.freeze({ type: 'drift', cause, healed, ...(!healed && { error }) });
    for (const feed of this.#feeds) feed.push(event);
  }

  close(): void {
    for (const feed of [...this.#feeds]) feed.end();
  }
}
