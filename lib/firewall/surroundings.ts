import { readFile, readdir, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';

import { APIError } from '../errors';
import type { AddressRow, Kernel, LinkRow } from '../kernel';
import { networkOf, numberToAddress, tryParseIpv4 } from '../model';
import type { Step } from '../plan';
import { BRIDGE_PREFIX } from '../ruleset';
import type { Edit, Ledger, TenantNetwork } from '../ruleset';

const FORWARDING = 'net/ipv4/ip_forward';
const BRIDGE_FILTER = 'net/bridge/bridge-nf-call-iptables';
const HOST = 32;

/** The links and addresses of the namespace, as one look showed them. */
export class Surroundings {
  readonly #links: ReadonlyMap<string, LinkRow>;
  readonly #addresses: readonly AddressRow[];

  private constructor(links: readonly LinkRow[], addresses: readonly AddressRow[]) {
    this.#links = new Map(links.map((link) => [link.ifname, link]));
    this.#addresses = addresses;
  }

  static async read(kernel: Kernel): Promise<Surroundings> {
    return new Surroundings(await kernel.links(), await kernel.addresses());
  }

  has(device: string): boolean {
    return this.#links.has(device);
  }

  addressesOf(device: string): readonly AddressRow[] {
    const ifindex = this.#links.get(device)?.ifindex;
    return this.#addresses.filter((row) => row.ifindex === ifindex);
  }

  /** Throws for a link that is not there. */
  refuseAbsent(devices: Iterable<string>, field: string): void {
    for (const device of devices) {
      if (this.has(device)) continue;
      throw new APIError('SNNET_DEVICE_NOT_FOUND', {
        field,
        value: device,
        expected: `one of ${[...this.#links.keys()].slice(0, 20).join(', ')}`,
      });
    }
  }

  /** The networks of bridges and of other links that are inside. */
  tenantNetworks(ledger: Ledger): readonly TenantNetwork[] {
    const devices = [...this.#links.keys()].filter(
      (name) => name.startsWith(BRIDGE_PREFIX) || ledger.inside.has(name),
    );
    return devices.flatMap((device) =>
      this.addressesOf(device).flatMap(({ address, prefixLength }) => {
        const parsed = tryParseIpv4(address);
        return parsed === undefined ? [] : [{ device, network: networkOf(parsed, prefixLength) }];
      }),
    );
  }

  /** Throws where a public address is this machine's own already. */
  refuseOwn(edits: readonly Edit[]): void {
    const names = new Map(
      [...this.#links.values()].map(({ ifindex, ifname }) => [ifindex, ifname]),
    );
    for (const edit of edits) {
      if (edit.type !== 'public') continue;
      for (const { address, device } of edit.put) {
        const publicIp = numberToAddress(address);
        const own = this.#addresses.find((row) => row.address === publicIp);
        const holder = own === undefined ? undefined : names.get(own.ifindex);
        if (own === undefined || (holder === device && own.prefixLength === HOST)) continue;
        throw new APIError('SNNET_FIREWALL_CONFLICT', {
          object: { publicIp },
          detail: `it is this machine's own address, ${publicIp}/${String(own.prefixLength)} on ${holder ?? '?'}`,
        });
      }
    }
  }

  /** Steps that give public addresses to their devices; those that are there are left as they are. */
  additions(rows: Iterable<{ readonly address: number; readonly device: string }>): Step[] {
    return [...rows].flatMap(({ address, device }): Step[] => {
      const ifindex = this.#links.get(device)?.ifindex;
      const publicIp = numberToAddress(address);
      const isThere = this.addressesOf(device).some((row) => row.address === publicIp);
      if (ifindex === undefined || isThere) return [];
      const step = { op: 'address.add', ifindex, address: publicIp, prefixLength: HOST } as const;
      return [{ ...step, tolerate: ['EEXIST'] }];
    });
  }

  /** Steps that take public addresses from their devices again. */
  removals(rows: Iterable<{ readonly address: number; readonly device: string }>): Step[] {
    return [...rows].flatMap(({ address, device }): Step[] => {
      const publicIp = numberToAddress(address);
      const own = this.addressesOf(device).find(
        (row) => row.address === publicIp && row.prefixLength === HOST,
      );
      if (own === undefined) return [];
      const { ifindex } = own;
      const step = {
        op: 'address.delete',
        ifindex,
        address: publicIp,
        prefixLength: HOST,
      } as const;
      return [{ ...step, tolerate: ['EADDRNOTAVAIL', 'ENODEV'] }];
    });
  }
}

/** Whether the namespace forwards IPv4. */
export async function readForwarding(kernel: Kernel): Promise<boolean> {
  return (await kernel.readSysctl(FORWARDING)) !== '0';
}

/** The step that makes it forward, or not; none where it is so. */
export function setForwarding(wanted: boolean, present: boolean): Step[] {
  if (wanted === present) return [];
  const text = (on: boolean): string => (on ? '1' : '0');
  return [{ op: 'sysctl.set', name: FORWARDING, value: text(wanted), before: text(present) }];
}

/** Whether bridged frames go through the chains for IPv4. */
export async function readBridgeFilter(kernel: Kernel): Promise<boolean> {
  try {
    return (await kernel.readSysctl(BRIDGE_FILTER)) !== '0';
  } catch {
    // Without the module there is no such setting, and no such filter.
    return false;
  }
}

/**
 * Tables of iptables-legacy in the namespace. The file shows the namespace of the thread that reads it:
 * one of the kernel handle's threads is in the right one.
 */
export async function readLegacyTables(netns: string | undefined): Promise<readonly string[]> {
  const thread = netns === undefined ? 'thread-self' : await threadIn(netns);
  if (thread === undefined) return [];
  try {
    const text = await readFile(join('/proc', thread, 'net', 'ip_tables_names'), 'utf8');
    return text.split('\n').filter((name) => name !== '');
  } catch {
    // This kernel has no iptables of its own.
    return [];
  }
}

async function threadIn(netns: string): Promise<string | undefined> {
  const path = isAbsolute(netns) ? netns : join('/run/netns', netns);
  const wanted = (await stat(path)).ino;
  for (const thread of await readdir('/proc/self/task')) {
    const at = join('self', 'task', thread);
    try {
      if ((await stat(join('/proc', at, 'ns', 'net'))).ino === wanted) return at;
    } catch {
      // It ended meanwhile.
    }
  }
  return undefined;
}
