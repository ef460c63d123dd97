/**
 * Turns any value into a short text for a message. A value that was refused may be hostile (a proxy
 * whose traps throw, a string of megabytes), so nothing here calls code of the value itself.
 */

const LONGEST_TEXT = 80;
const LARGEST_PRINTED_BIGINT = 2n ** 128n;

/** Shortens a text, and says how long it was. */
export function truncateText(text: string, longest = LONGEST_TEXT): string {
  if (text.length <= longest) {
    return text;
  }
  return `${text.slice(0, longest)}… [${String(text.length)} characters]`;
}

/** The type of a value in one word: `typeof`, but `null` and arrays by their own names. */
export function describeType(value: unknown): string {
  if (value === null) {
    return 'null';
  }
  return isArray(value) ? 'array' : typeof value;
}

/** A value as it may stand in a message or a log line: never long, never with a line break. */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return describeString(value);
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint':
      return describeBigint(value);
    case 'symbol':
      return `Symbol(${describeString(value.description ?? '')})`;
    case 'function':
      return 'a function';
    case 'object':
      return describeObject(value);
    default:
      return String(value);
  }
}

/** A value as it may stand in JSON: short primitives as they are, everything else described. */
export function jsonSafeValue(value: unknown): string | number | boolean | null {
  if (value === null || typeof value === 'boolean') {
    return value;
  }
  if (typeof value === 'number' && Number.isFinite(value)) {
    return value;
  }
  return typeof value === 'string' ? truncateText(value) : describeValue(value);
}

function describeString(text: string): string {
  if (text.length <= LONGEST_TEXT) {
    return JSON.stringify(text);
  }
  return `${JSON.stringify(text.slice(0, LONGEST_TEXT))}… [${String(text.length)} characters]`;
}

function describeBigint(value: bigint): string {
  // Printing a bigint of megabytes takes minutes.
  const isHuge = value > LARGEST_PRINTED_BIGINT || value < -LARGEST_PRINTED_BIGINT;
  return isHuge ? 'a huge number' : `${String(value)}n`;
}

function describeObject(value: object | null): string {
  if (value === null) {
    return 'null';
  }
  return isArray(value) ? 'an array' : 'an object';
}

function isArray(value: unknown): boolean {
  try {
    return Array.isArray(value);
  } catch {
    // A revoked proxy.
    return false;
  }
}
