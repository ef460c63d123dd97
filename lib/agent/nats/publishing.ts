import { asOurs, loadTransport } from './client';
import type { JetStreamClient } from './client';

/** A message for a stream. */
export interface Publication {
  readonly subject: string;
  /** The stream that must take it. */
  readonly stream: string;
  readonly payload: string;
  /** By which the server recognises it when it comes again. */
  readonly messageId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

// A header is one line of printable characters.
const UNPRINTABLE = /[^\x20-\x7e]/g;
const LONGEST_HEADER = 500;

/**
 * Resolves when the stream has it on disk.
 *
 * @throws {@link APIError} `SNNET_NATS_…`.
 */
export async function publish(js: JetStreamClient, publication: Publication): Promise<void> {
  const { subject, stream, payload, messageId, timeoutMs } = publication;
  const headers = loadTransport().headers();
  for (const [name, value] of Object.entries(publication.headers)) {
    headers.set(name, value.replace(UNPRINTABLE, '?').slice(0, LONGEST_HEADER));
  }
  try {
    await js.publish(subject, payload, {
      msgID: messageId,
      headers,
      timeout: timeoutMs,
      expect: { streamName: stream },
    });
  } catch (error) {
    throw asOurs(error).withDetails({ object: { subject } });
  }
}
