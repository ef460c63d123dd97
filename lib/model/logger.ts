import { refuse } from './refuse';

/** Where log lines go; the console and pino have this shape. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** Says nothing. */
export const SILENT_LOGGER: Logger = Object.freeze({
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
});

/** Checks for the four methods; the object itself is kept, since its methods may live on a prototype. */
export function parseLogger(value: unknown, field: string): Logger {
  return isLogger(value)
    ? value
    : refuse(value, field, 'an object with the methods debug, info, warn and error');
}

function isLogger(value: unknown): value is Logger {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) {
    return false;
  }
  try {
    const candidate = value as Partial<Record<string, unknown>>;
    return LEVELS.every((level) => typeof candidate[level] === 'function');
  } catch {
    return false;
  }
}
