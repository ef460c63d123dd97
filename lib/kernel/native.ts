import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

import { APIError } from '../errors';
import type { Fault, NftFamily, Step } from '../plan';
import type {
  ConntrackFilter,
  NftChainRow,
  NftEvent,
  NftRuleRow,
  NftSetRow,
  NftTableRow,
} from './nft-rows';

/** An error of the kernel as the addon hands it over. */
export interface NativeError {
  readonly errno: number;
  readonly name: string;
  readonly request: string;
  readonly extack?: string;
  readonly offset?: number;
}
export interface NativeStepError extends NativeError {
  readonly step: number;
}
export interface NativeTable {
  readonly numbers: Uint32Array;
  /** Each text is followed by a NUL. */
  readonly text: string;
}
export interface NativeReply {
  readonly failure?: NativeStepError;
  readonly tolerated: readonly number[];
  readonly fds: Readonly<Record<string, readonly number[]>>;
  readonly left: readonly NativeStepError[];
  /** Of the deletion at the plan's end. */
  readonly deletionFailure?: NativeError;
  readonly isForeign?: boolean;
  /** Of the links that the rollback wanted deleted. */
  readonly rollbackFailure?: NativeError;
  readonly absent: readonly number[];
}
export interface Refusal {
  readonly error: NativeError;
}
export interface NativeHandle {
  open(netns: string, fresh: boolean): Promise<Refusal | Record<string, never>>;
  run(
    steps: readonly { readonly step: Step; readonly undo: Step | undefined }[],
    fault: Fault | undefined,
  ): Promise<NativeReply | Refusal>;
  dump(table: DumpName): Promise<NativeTable | Refusal>;
  readSysctl(name: string): Promise<{ readonly value: string } | Refusal>;
  watch(interest: 'none' | 'deletions' | 'all'): Promise<Refusal | Record<string, never>>;
  settle(): Promise<readonly NativeError[] | Refusal>;
  close(): Promise<Refusal | Record<string, never>>;
  nftTable(place: NftPlace): Promise<Answer<NativeNftTable | null>>;
  nftOverview(): Promise<Answer<NativeNftOverview>>;
  nftRules(place: NftPlace & { readonly chain: string }): Promise<Answer<readonly NftRuleRow[]>>;
  nftGeneration(): Promise<Answer<number>>;
  conntrack(filter: ConntrackFilter): Promise<Answer<NativeTable>>;
  watchNft(
    listener: ((events: readonly NftEvent[]) => void) | undefined,
  ): Promise<Refusal | Record<string, never>>;
}
export type Answer<T> = { readonly value: T } | Refusal;
export interface NftPlace {
  readonly family: NftFamily;
  readonly table: string;
}
export interface NativeNftOverview {
  readonly tables: readonly NftTableRow[];
  readonly chains: readonly NftChainRow[];
  readonly generation: number;
}
/** The verdicts of a map: codes among the numbers, chains among the texts. */
export type NativeNftSet = Omit<NftSetRow, 'verdicts'> & { readonly verdicts?: NativeTable };
export interface NativeNftTable extends NftTableRow {
  readonly chains: readonly NftChainRow[];
  readonly sets: readonly NativeNftSet[];
  readonly rules: readonly NftRuleRow[];
  readonly generation: number;
}
export type DumpName = 'link' | 'address' | 'route' | 'neighbour' | 'fdb';

interface Addon {
  readonly KernelHandle: new (onEvents: (table: NativeTable) => void) => NativeHandle;
}

let loaded: Addon | undefined;

/**
 * Loads the addon: what was built here, else the binary that travels in the package. Only when it is
 * first needed, so that importing the types of a machine without it costs nothing. `SNNET_ADDON` names
 * another file, for a build with sanitizers.
 */
export function loadAddon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  const root = join(__dirname, '..', '..');
  const chosen = process.env['SNNET_ADDON'];
  try {
    const load = createRequire(__filename);
    if (chosen !== undefined && chosen !== '') return load(resolve(chosen)) as Addon;
    // The picker is untyped CommonJS; what it returns is our own addon.
    const pick = load('node-gyp-build') as (root: string) => Addon;
    return pick(root);
  } catch (cause) {
    throw new APIError('SNNET_ADDON_MISSING', { operation: 'load', detail: explain(cause), cause });
  }
}

function explain(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (text.includes('libnl')) {
    return 'it needs libnl-3 (Debian: libnl-3-200, Fedora: libnl3, Alpine: libnl3)';
  }
  if (text.includes('No native build')) {
    return `there is no binary for ${process.platform} ${process.arch}; build it with: npm rebuild libsnnet (needs python3, make, g++, pkg-config, libnl-3-dev)`;
  }
  return text;
}
