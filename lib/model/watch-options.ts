import { parseSignal } from './call-options';
import { parseBoolean } from './refuse';
import { defineShape, optional, withDefault } from './shape';

/** How to watch. */
export interface WatchOptionsInput {
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Mends by itself what `repair` would mend, as long as this watcher lives. Default: false.
   *
   * It waits a fifth of a second, and two seconds before it removes anything, since another process may
   * be at work; after each attempt longer. A subnet that was mended five times within a minute, or could
   * not be, is left alone, and a `gave-up` event says so.
   */
  readonly heal?: boolean | undefined;
}

/** Parsed {@link WatchOptionsInput}. */
export interface WatchOptions {
  readonly signal?: AbortSignal;
  readonly heal: boolean;
}

const parseShape = defineShape('options', {
  signal: optional(parseSignal),
  heal: withDefault(parseBoolean, false),
});

/** Parses the options of a watcher; absent options are no options. */
export function parseWatchOptions(input: unknown): WatchOptions {
  return parseShape(input ?? {}, 'watch');
}
