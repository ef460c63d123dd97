import { readFileSync } from 'node:fs';

/** linux/capability.h: CAP_NET_ADMIN. */
const CAP_NET_ADMIN = 12n;

export const PRIVILEGE_ADVICE =
  'This process lacks CAP_NET_ADMIN: run it as root, or in a service with AmbientCapabilities=CAP_NET_ADMIN CAP_SYS_ADMIN.';

/** Whether this process may change links in the namespace it is in. */
export function hasNetAdmin(): boolean {
  const status = readFileSync('/proc/self/status', 'utf8');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) === 1n;
}
