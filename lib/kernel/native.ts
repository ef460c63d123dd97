import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

import { APIError } from '../errors';
import type { Fault, Step } from '../plan';

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
  runProgram(program: NativeProgram): Promise<NativeProgramResult | Refusal>;
  adoptProcess(pid: number): { readonly token: number } | Refusal;
  signalProcess(token: number, signal: number): Refusal | Record<string, never>;
  forgetProcess(token: number): void;
  nameNetns(): Promise<{ readonly value: string } | Refusal>;
  sendDatagram(
    to: { readonly address: string; readonly port: number },
    bytes: Buffer,
  ): Promise<Refusal | Record<string, never>>;
  /** Called when a process that was adopted has ended. */
  onProcessEnd?: (token: number) => void;
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
