/** A workload behind a VNIC: it gets its address from its subnet's server, as any other would. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { patience } from '../../support/run';
import type { Namespace, Sandbox } from '../../support/sandbox';

/** A directory that the servers' account gets through; it goes with the test. */
export class StateDir implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'snnet-state-'));
  /** Does not exist yet. */
  readonly path = join(this.#directory, 'state');

  constructor() {
    chmodSync(this.#directory, 0o711);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

// What udhcpc calls when it is told something: takes the address, the route and the MTU, and tells us.
const SCRIPT = `#!/bin/sh
[ "$1" = bound ] || exit 0
ip address flush dev "$interface"
ip address add "$ip/$mask" dev "$interface"
ip link set dev "$interface" mtu "$mtu"
ip route add default via "$router"
env
`;

/** What a client was told. */
export type Lease = Readonly<Record<string, string>>;

/** Asks for an address on a link and takes it; fails where nobody answers. */
export async function takeLease(box: Sandbox, ns: Namespace, link: string): Promise<Lease> {
  const directory = mkdtempSync(join(tmpdir(), 'snnet-lease-'));
  try {
    const script = join(directory, 'bound');
    writeFileSync(script, SCRIPT, { mode: 0o755 });
    const options = ['mtu', 'router', 'dns', 'hostname', 'domain'].flatMap((name) => ['-O', name]);
    const flags = ['-i', link, '-n', '-q', '-f', '-t', '10', '-T', '1', '-s', script];
    const { stdout } = await box.exec(ns, ['busybox', 'udhcpc', ...flags, ...options], {
      timeoutMs: 30_000 * patience,
    });
    const fields = [...stdout.matchAll(/^(\w+)=(.*)$/gm)];
    return Object.fromEntries(fields.map(([, key = '', value = '']) => [key, value] as const));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What a name server answers; nothing for a name that it does not know. */
export async function lookUp(
  box: Sandbox,
  ns: Namespace,
  { name, server }: { readonly name: string; readonly server: string },
): Promise<string[]> {
  const { stdout } = await box.exec(ns, ['busybox', 'nslookup', name, server], { check: false });
  const [, ...answer] = stdout.split(/^Address:.*:53$/m);
  return [...answer.join('').matchAll(/^(?:Address: |.*\tname = )(.+)$/gm)].map(
    ([, it = '']) => it,
  );
}
