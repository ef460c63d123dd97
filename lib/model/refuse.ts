import { APIError, describeType } from '../errors';

/** Parses one value; `field` names it in the error. */
export type Parser<T> = (value: unknown, field: string) => T;

/** Throws the error for a value that is absent or not acceptable. */
export function refuse(value: unknown, field: string, expected: string, detail?: string): never {
  if (value === undefined) {
    throw new APIError('SNNET_INPUT_MISSING', { field, expected, detail });
  }
  throw new APIError('SNNET_INPUT_INVALID', { field, value, expected, detail });
}

/** What a whole number may be, both ends included. */
export interface IntegerRange {
  readonly least: number;
  readonly most: number;
  /** For the error: `bytes`. */
  readonly unit?: string;
}

/** A whole number within a range. */
export function parseInteger(value: unknown, field: string, range: IntegerRange): number {
  const { least, most, unit } = range;
  if (Number.isInteger(value)) {
    const number = value as number;
    if (number >= least && number <= most && !Object.is(number, -0)) {
      return number;
    }
  }
  const expected = `a whole number from ${String(least)} to ${String(most)}`;
  return refuse(value, field, unit === undefined ? expected : `${expected} ${unit}`);
}

export function parseBoolean(value: unknown, field: string): boolean {
  return typeof value === 'boolean' ? value : refuse(value, field, 'true or false');
}

/** One of a few words. */
export function parseChoice<T extends string>(
  value: unknown,
  field: string,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === value);
  return found ?? refuse(value, field, choices.map((choice) => `'${choice}'`).join(' or '));
}

/** A list of at most `most` values; the parser is told each one's place. */
export function parseList<T>(
  value: unknown,
  field: string,
  parseItem: Parser<T>,
  most: number,
): readonly T[] {
  const items = copyLongList(value, field, most);
  return Object.freeze(items.map((item, index) => parseItem(item, `${field}[${String(index)}]`)));
}

/**
 * A list as it is at this moment. For those that may have tens of thousands of values: even the texts of
 * their places cost more than reading them, so whoever reads them makes one where something is wrong.
 */
export function copyLongList(value: unknown, field: string, most: number): readonly unknown[] {
  const items = copyArray(value, most);
  if (items !== undefined) return items;
  const isList = describeType(value) === 'array';
  const detail = isList ? 'it is too long or cannot be read' : undefined;
  return refuse(value, field, `a list of at most ${String(most)} values`, detail);
}

function copyArray(value: unknown, most: number): readonly unknown[] | undefined {
  try {
    // Length and items are read once each: a hostile array could answer differently a second time.
    const length = Array.isArray(value) ? value.length : Number.NaN;
    if (!(length <= most)) {
      return undefined;
    }
    const items = value as readonly unknown[];
    const copy: unknown[] = [];
    for (let index = 0; index < length; index += 1) copy.push(items[index]);
    return copy;
  } catch {
    return undefined;
  }
}
