import { KernelError } from '../errors';
import { makePlan } from '../plan';
import type { NftCommand } from '../plan';
import type { Kernel } from './kernel';

/** What the kernel's nftables can do. What cannot be found out is `false`. */
export interface NftCapabilities {
  /** Tables may be changed at all. */
  readonly tables: boolean;
  /** NAT in tables of the family `inet` (5.2). */
  readonly inetNat: boolean;
  /** Maps from several fields to several. */
  readonly concatenatedMaps: boolean;
  /** A table that only its maker may change (5.12). */
  readonly owner: boolean;
  /** A table with an owner that outlives it (6.9). */
  readonly persist: boolean;
}

const T = { family: 'inet', table: 'snn_probe' } as const;
const make: NftCommand = { op: 'table.add', ...T };
const unmake: NftCommand = { op: 'table.delete', ...T };
const nat: NftCommand = {
  op: 'chain.add',
  ...T,
  chain: 'c',
  base: { type: 'nat', hook: 'prerouting', priority: -100 },
};
const map: NftCommand = {
  op: 'set.add',
  ...T,
  set: 's',
  key: ['ifname', 'inet_proto', 'inet_service'],
  data: ['ipv4_addr', 'inet_service'],
};

const ATTEMPTS: readonly (readonly [
  Exclude<keyof NftCapabilities, 'tables'>,
  readonly NftCommand[],
  string,
])[] = [
  ['inetNat', [make, nat], 'NAT in tables of the family inet (Linux 5.2)'],
  ['concatenatedMaps', [make, map], 'maps of several fields'],
  ['owner', [{ ...make, flags: ['owner'] }], 'tables with an owner (Linux 5.12)'],
  ['persist', [{ ...make, flags: ['owner', 'persist'] }], 'tables that outlive it (Linux 6.9)'],
];

/**
 * Makes tables and takes them back, in a namespace that is nobody else's; in a namespace that others
 * use only what they cannot notice is tried.
 */
export async function probeNft(
  kernel: Kernel,
  isFresh: boolean,
  remarks: string[],
): Promise<NftCapabilities> {
  const found = { tables: false, inetNat: false, concatenatedMaps: false, owner: false };
  const capabilities = { ...found, persist: false };
  // What is there already cannot be added: it is refused for that, or for want of the right.
  const refused = await refusal(kernel, [make, make]);
  capabilities.tables = refused === 'EEXIST';
  if (!capabilities.tables) {
    remarks.push(`nftables cannot be changed here (${String(refused)})`);
    return Object.freeze(capabilities);
  }
  if (!isFresh) return Object.freeze(capabilities);
  for (const [name, commands, words] of ATTEMPTS) {
    const errno = await refusal(kernel, [...commands, unmake]);
    capabilities[name] = errno === undefined;
    if (errno !== undefined) remarks.push(`this kernel's nftables has no ${words} (${errno})`);
  }
  return Object.freeze(capabilities);
}

/** The errno name that a transaction gets; `undefined` where it works. */
async function refusal(
  kernel: Kernel,
  commands: readonly NftCommand[],
): Promise<string | undefined> {
  try {
    await kernel.run(makePlan('probe', [{ op: 'nft', commands }]));
    return undefined;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (!(cause instanceof KernelError)) throw error;
    return cause.name;
  }
}
