import { parseInteger, refuse } from './refuse';
import { defineShape, optional } from './shape';

/** What every method that does I/O takes last. */
export interface CallOptionsInput {
  /** Aborts the call while it is queued and before each request to the kernel; nothing is left behind. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call fails, 1 to 86400000. Default: the `timeoutMs` of the object. */
  readonly timeoutMs?: number | undefined;
}

/** Parsed {@link CallOptionsInput}. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

const LONGEST_TIMEOUT_MS = 86_400_000;
const NO_OPTIONS: CallOptions = Object.freeze({});

/** Parses a timeout in milliseconds, at most a day. */
export function parseTimeoutMs(value: unknown, field: string): number {
  return parseInteger(value, field, { least: 1, most: LONGEST_TIMEOUT_MS, unit: 'milliseconds' });
}

/** Accepts any object that works like an AbortSignal, whichever realm it is from. */
export function parseSignal(value: unknown, field: string): AbortSignal {
  return isAbortSignal(value) ? value : refuse(value, field, 'an AbortSignal');
}

const parseShape = defineShape('options', {
  signal: optional(parseSignal),
  timeoutMs: optional(parseTimeoutMs),
});

/** Parses the options of a call; absent options are no options. */
export function parseCallOptions(input: unknown, operation: string): CallOptions {
  if (input === undefined) {
    return NO_OPTIONS;
  }
  return parseShape(input, operation);
}

function isAbortSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  try {
    const candidate = value as Partial<AbortSignal>;
    return (
      typeof candidate.aborted === 'boolean' && typeof candidate.addEventListener === 'function'
    );
  } catch {
    return false;
  }
}
