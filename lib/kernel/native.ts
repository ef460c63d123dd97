import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

import { APIError } from '../errors';
import type { NftFamily } from '../plan';
import type { NftChainRow, NftEvent, NftRuleRow, NftSetRow, NftTableRow } from './nft-rows';

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
/** What a plan came to; of what there is nothing to say there is no field. */
export interface NativeReply {
  readonly failure?: NativeStepError;
  readonly tolerated?: readonly number[];
  readonly fds?: Readonly<Record<string, readonly number[]>>;
  readonly left?: readonly NativeStepError[];
  /** Of the deletion at the plan's end. */
  readonly deletionFailure?: NativeError;
  readonly isForeign?: boolean;
  /** Of the links that the rollback wanted deleted. */
  readonly rollbackFailure?: NativeError;
  readonly absent?: readonly number[];
  /** After a transaction. */
  readonly flows?: string;
}
export interface Refusal {
  readonly error: NativeError;
}
export interface NativeHandle {
  open(netns: string, fresh: boolean): Promise<Refusal | Record<string, never>>;
  /** @param plan - JSON of `{ steps: [{ step, undo }, …], fault }`: one string crosses at a tenth of the price. */
  run(plan: string, buffers?: readonly Uint8Array[]): Promise<NativeReply | Refusal>;
  /** Gives the last part of the table; those before it go to `onTable` with this number, not 0. */
  dump(table: DumpName, dump: number): Promise<NativeTable | Refusal>;
  readSysctl(name: string): Promise<{ readonly value: string } | Refusal>;
  watch(interest: 'none' | 'deletions' | 'all'): Promise<Refusal | Record<string, never>>;
  settle(): Promise<readonly NativeError[] | Refusal>;
  close(): Promise<Refusal | Record<string, never>>;
  /** @param place - JSON of a {@link NftPlace}. */
  nftTable(place: string): Promise<Answer<NativeNftTable | null>>;
  nftOverview(): Promise<Answer<NativeNftOverview>>;
  /** @param place - JSON of a {@link NftPlace} with a `chain`. */
  nftRules(place: string): Promise<Answer<readonly NftRuleRow[]>>;
  nftGeneration(): Promise<Answer<number>>;
  /** @param filter - JSON of a filter, as `Kernel.conntrack` takes it. */
  conntrack(filter: string): Promise<Answer<NativeTable>>;
  watchNft(
    listener: ((events: readonly NftEvent[]) => void) | undefined,
  ): Promise<Refusal | Record<string, never>>;
  /** @param program - JSON of a {@link NativeProgram}. */
  runProgram(program: string): Promise<NativeProgramResult | Refusal>;
  adoptProcess(pid: number): { readonly token: number } | Refusal;
  signalProcess(token: number, signal: number): Refusal | Record<string, never>;
  forgetProcess(token: number): void;
  nameNetns(): Promise<{ readonly value: string } | Refusal>;
  /** @param to - JSON of an `address` and a `port`. */
  sendDatagram(to: string, bytes: Buffer): Promise<Refusal | Record<string, never>>;
  /** Called when a process that was adopted has ended. */
  onProcessEnd?: (token: number) => void;
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
export interface NativeProgram {
  readonly file: string;
  /** From the program's own name on. */
  readonly arguments: readonly string[];
  readonly environment: readonly string[];
  readonly directory: string;
  readonly timeoutMs: number;
  readonly errorBytes: number;
}
export interface NativeProgramResult {
  /** Neither this nor a signal: somebody else took the end of the process. */
  readonly status?: number;
  readonly signal?: number;
  readonly errorOutput: string;
  readonly hasTimedOut: boolean;
}
export type DumpName = 'link' | 'address' | 'route' | 'neighbour' | 'fdb';

/**
 * Gets what happened to links (`dump` is 0) and the parts of dumps. No table: the kernel was interrupted,
 * the parts that came of this dump count for nothing.
 */
export type OnTable = (table: NativeTable | undefined, dump: number) => void;

interface Addon {
  readonly KernelHandle: new (onTable: OnTable) => NativeHandle;
  peerCredentials(
    fd: number,
  ): { readonly pid: number; readonly uid: number; readonly gid: number } | Refusal;
  sendToUnixSocket(address: string, text: string): Refusal | Record<string, never>;
  lockFile(fd: number): Refusal | Record<string, never>;
  /** Gives back to the kernel what the C library holds of memory that is free. */
  releaseMemory(): void;
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
