import { APIError } from '../../errors';
import type { Connection } from './connection';

/** What `work` gives; the connection is closed if that takes too long, which makes `work` reject. */
export async function within<T>(
  ms: number,
  connection: Connection,
  work: () => Promise<T>,
): Promise<T> {
  const timer = setTimeout(() => {
    const detail = `the handshake took more than ${ms} ms`;
    connection.close(new APIError('SNNET_SSNTP_STALLED', { detail }));
  }, ms);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}
