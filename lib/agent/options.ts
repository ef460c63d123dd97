import {
  defineShape,
  optional,
  parseBoolean,
  parseChoice,
  parseCnciOptions,
  parseLogger,
  parsePath,
  SILENT_LOGGER,
  withDefault,
  withMethods,
} from '../model';
import type { CnciOptions, CnciOptionsInput, Logger } from '../model';
import { LmdbStore, parseStoreProvider } from '../store';
import type { StoreProvider } from '../store';
import type { AgentReport, AgentRequestKind } from './messages';
import type { AgentTransport } from './transport';

/** What an agent tells of its work, for measuring. */
export interface AgentObserver {
  /** `failed`: it is tried again. */
  requested(kind: AgentRequestKind, outcome: 'done' | 'refused' | 'failed', seconds: number): void;
  reported(kind: AgentReport['kind'], isSent: boolean): void;
}

/** Options of {@link CnciAgent.open}. */
export interface CnciAgentOptionsInput {
  /** The concentrator: its `id` is the agent's UUID. */
  readonly cnci: CnciOptionsInput;
  /** How requests come. */
  readonly transport: AgentTransport;
  /** Where the store lies, in a directory of the agent's id. Default: `/var/lib/libsnnet/agent`. */
  readonly dataDir?: string | undefined;
  /** Another store; the agent opens and closes it. Default: an `LmdbStore` in `dataDir`. */
  readonly store?: StoreProvider | undefined;
  /** False: what is asked for is checked and remembered, and nothing is done. Default: true. */
  readonly network?: boolean | undefined;
  /** A port of the concentrator for port 22 of each workload. Default: true. */
  readonly ssh?: boolean | undefined;
  /**
   * `of-subnet`: a subnet's key must be the one that ciao's launchers compute, as in the original; `any`:
   * whatever the launcher used. Default: `of-subnet` with SSNTP, else `any`.
   */
  readonly subnetKeys?: 'any' | 'of-subnet' | undefined;
  readonly observer?: AgentObserver | undefined;
  /** Where log lines go. Default: nowhere. */
  readonly logger?: Logger | undefined;
}

/** Parsed {@link CnciAgentOptionsInput}. */
export interface CnciAgentOptions {
  readonly cnci: CnciOptions;
  readonly transport: AgentTransport;
  readonly store: StoreProvider;
  /** Of our store; absent with another one. */
  readonly directory: string | undefined;
  readonly network: boolean;
  readonly ssh: boolean;
  readonly subnetKeys: 'any' | 'of-subnet';
  readonly observer: AgentObserver;
  readonly logger: Logger;
}

const NOBODY: AgentObserver = Object.freeze({
  requested: () => undefined,
  reported: () => undefined,
});

const parseShape = defineShape('options', {
  cnci: (value) => value,
  transport: withMethods<AgentTransport>('receive', 'report'),
  dataDir: withDefault(parsePath, '/var/lib/libsnnet/agent'),
  store: optional(parseStoreProvider),
  network: withDefault(parseBoolean, true),
  ssh: withDefault(parseBoolean, true),
  subnetKeys: optional((value, field) => parseChoice(value, field, ['any', 'of-subnet'] as const)),
  observer: withDefault(withMethods<AgentObserver>('requested', 'reported'), NOBODY),
  logger: withDefault<Logger>(parseLogger, SILENT_LOGGER),
});

/** Parses the options of an agent. */
export function parseAgentOptions(input: unknown, operation: string): CnciAgentOptions {
  const { dataDir, store, subnetKeys, ...parsed } = parseShape(input, operation);
  const cnci = parseCnciOptions(parsed.cnci, operation);
  const { transport } = parsed;
  const directory = `${dataDir}/${cnci.id}`;
  return Object.freeze({
    ...parsed,
    cnci,
    store: store ?? new LmdbStore({ directory }),
    directory: store === undefined ? directory : undefined,
    subnetKeys: subnetKeys ?? (transport.name === 'ssntp' ? 'of-subnet' : 'any'),
  });
}
