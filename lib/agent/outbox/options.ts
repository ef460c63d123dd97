import {
  defineShape,
  optional,
  parseInteger,
  parseLogger,
  parseLooseId,
  parsePath,
  SILENT_LOGGER,
  withDefault,
  withMethods,
} from '../../model';
import type { Logger } from '../../model';
import { LmdbStore, parseStoreProvider } from '../../store';
import type { StoreProvider } from '../../store';
import type { LauncherTransport } from '../transport';

/** Options of an outbox. */
export interface OutboxOptionsInput {
  /** By which concentrators know this node; never another one's. */
  readonly agentUuid: string;
  /** How they are reached; the outbox closes it. */
  readonly transport: LauncherTransport;
  /** Where the store lies. Default: `/var/lib/libsnnet/outbox`. */
  readonly dataDir?: string | undefined;
  /** Another store; the outbox opens and closes it. Default: an `LmdbStore` in `dataDir`. */
  readonly store?: StoreProvider | undefined;
  /**
   * Says of every tunnel again that it is there, at intervals of so many milliseconds; 0: never. Over a
   * transport that cannot tell whether anything arrived, as SSNTP, it is what heals a loss. Default: 0.
   */
  readonly repeatMs?: number | undefined;
  readonly logger?: Logger | undefined;
}

/** Parsed {@link OutboxOptionsInput}. */
export interface OutboxOptions {
  readonly agentUuid: string;
  readonly transport: LauncherTransport;
  readonly store: StoreProvider;
  readonly repeatMs: number;
  readonly logger: Logger;
}

/** The longest that a timer of Node takes. */
export const LONGEST_MS = 2 ** 31 - 1;

const parseShape = defineShape('options', {
  agentUuid: parseLooseId<never>,
  transport: withMethods<LauncherTransport>('send', 'close'),
  dataDir: withDefault(parsePath, '/var/lib/libsnnet/outbox'),
  store: optional(parseStoreProvider),
  repeatMs: withDefault(parseIntervalMs, 0),
  logger: withDefault<Logger>(parseLogger, SILENT_LOGGER),
});

export function parseOutboxOptions(input: unknown, operation: string): OutboxOptions {
  const { dataDir, store, ...parsed } = parseShape(input, operation);
  return Object.freeze({ ...parsed, store: store ?? new LmdbStore({ directory: dataDir }) });
}

export function parseIntervalMs(value: unknown, field: string): number {
  return parseInteger(value, field, { least: 0, most: LONGEST_MS, unit: 'milliseconds' });
}
