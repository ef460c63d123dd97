import { setTimeout as sleep } from 'node:timers/promises';

import { sendToUnixSocket } from '../kernel';
import { refuse, withOperation } from '../model';

const ASSIGNMENT = /^[A-Z][A-Z0-9_]*=[^\n\0]*$/;
const PAUSE_MS = 50;
const ATTEMPTS = 100;

/**
 * Tells the service manager (systemd) how this service is doing: `READY=1`, `STOPPING=1`,
 * `STATUS=…`. Several go in one message.
 *
 * @returns false where no service manager listens (`NOTIFY_SOCKET` is not set, or leads to something
 * else than a local socket), or where it does not take the message for five seconds.
 * @throws {@link APIError} `SNNET_KERNEL_FAILED` (the socket named in `NOTIFY_SOCKET` is not there).
 */
export async function notifyService(...states: readonly string[]): Promise<boolean> {
  withOperation('notifyService', () => {
    for (const [index, state] of states.entries()) {
      if (!ASSIGNMENT.test(state))
        refuse(state, `states[${String(index)}]`, 'NAME=value, one line');
    }
  });
  const address = process.env['NOTIFY_SOCKET'] ?? '';
  if (!/^[/@]./.test(address)) return false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (sendToUnixSocket(address, states.join('\n'))) return true;
    await sleep(PAUSE_MS);
  }
  return false;
}
