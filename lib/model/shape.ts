import { APIError, describeType } from '../errors';
import { refuse } from './refuse';
import type { Parser } from './refuse';

/** The parsers of an object's fields. */
export type Fields = Readonly<Record<string, Parser<unknown>>>;

type OptionalNames<F extends Fields> = {
  [Name in keyof F]: undefined extends ReturnType<F[Name]> ? Name : never;
}[keyof F];

/** What an object of these fields becomes: frozen; a field that comes out as `undefined` is left out. */
export type Parsed<F extends Fields> = {
  readonly [Name in Exclude<keyof F, OptionalNames<F>>]: ReturnType<F[Name]>;
} & {
  readonly [Name in OptionalNames<F>]?: Exclude<ReturnType<F[Name]>, undefined>;
};

/** Parses a whole object: all fields, and no others. */
export type ShapeParser<F extends Fields> = (input: unknown, operation: string) => Parsed<F>;

/** Letters that may be wrong, missing or too many in a name that is still recognised. */
const MOST_MISSPELT = 2;

/** Makes a field optional: absent stays `undefined`. */
export function optional<T>(parse: Parser<T>): Parser<T | undefined> {
  return (value, field) => (value === undefined ? undefined : parse(value, field));
}

/** Gives a field a default. */
export function withDefault<T>(parse: Parser<T>, fallback: T): Parser<T> {
  return (value, field) => (value === undefined ? fallback : parse(value, field));
}

/**
 * Makes the parser of an object.
 *
 * @param subject - What the object is called in an error: `config`, `options`.
 */
export function defineShape<F extends Fields>(subject: string, fields: F): ShapeParser<F> {
  const parsers = Object.entries<Parser<unknown>>(fields);
  const places = new Map(parsers.map(([name], place) => [name, place]));
  return (input, operation) => {
    const values = readOnce(input, subject, places, operation);
    const parsed: Record<string, unknown> = {};
    let errors: APIError[] | undefined;
    let place = 0;
    for (const [name, parse] of parsers) {
      try {
        const value = parse(values[place++], name);
        if (value !== undefined) parsed[name] = value;
      } catch (error) {
        if (!(error instanceof APIError)) throw error;
        (errors ??= []).push(error);
      }
    }
    if (errors !== undefined) throw joinErrors(errors, operation);
    return Object.freeze(parsed) as Parsed<F>;
  };
}

/** Makes the parser of a field that is an object itself: what is wrong in it is called `field.name`. */
export function nested<F extends Fields>(fields: F): Parser<Parsed<F>> {
  const subject = 'object';
  const parseShape = defineShape(subject, fields);
  return (value, field) => {
    try {
      return parseShape(value, '');
    } catch (error) {
      if (!(error instanceof APIError)) throw error;
      const inner = error.field === undefined || error.field === subject ? '' : `.${error.field}`;
      throw error.withDetails({ operation: undefined, field: field + inner });
    }
  };
}

/** Runs checks that span several fields, and puts the operation into what they throw. */
export function withOperation<T>(operation: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw error instanceof APIError ? error.withDetails({ operation }) : error;
  }
}

/**
 * Reads each known field once, in their order. A getter or a proxy that throws becomes an error of ours
 * here, and one that answers differently each time is asked no second time.
 */
function readOnce(
  input: unknown,
  subject: string,
  places: ReadonlyMap<string, number>,
  operation: string,
): readonly unknown[] {
  if (describeType(input) !== 'object') {
    return withOperation(operation, () => refuse(input, subject, 'an object'));
  }
  const values = new Array<unknown>(places.size).fill(undefined);
  let unknownName: string | undefined;
  let reading = subject;
  try {
    for (const name of Object.keys(input as object)) {
      const place = places.get(name);
      if (place === undefined) {
        unknownName ??= name;
        continue;
      }
      reading = name;
      values[place] = (input as Record<string, unknown>)[name];
    }
  } catch (cause) {
    const expected = 'a value that can be read';
    const details = { operation, field: reading, value: input, expected, cause };
    throw new APIError('SNNET_INPUT_INVALID', details);
  }
  if (unknownName === undefined) return values;
  throw unknownNameError(unknownName, [...places.keys()], operation);
}

function joinErrors([first, ...others]: readonly APIError[], operation: string): APIError {
  if (first === undefined) return new APIError('SNNET_INPUT_INVALID', { operation });
  if (others.length === 0) return first.withDetails({ operation });
  const alsoRefused = `also refused: ${others.map((other) => other.field ?? '?').join(', ')}`;
  const detail = first.detail === undefined ? alsoRefused : `${first.detail}; ${alsoRefused}`;
  return first.withDetails({ operation, detail });
}

function unknownNameError(name: string, names: readonly string[], operation: string): APIError {
  const meant = findSimilarName(name, names);
  return new APIError('SNNET_INPUT_UNKNOWN', {
    operation,
    field: name,
    expected: meant === undefined ? `only the fields ${names.join(', ')}` : 'only known fields',
    detail: meant === undefined ? undefined : `did you mean ${meant}?`,
  });
}

function findSimilarName(name: string, names: readonly string[]): string | undefined {
  if (name.length > 40) {
    return undefined;
  }
  const plain = foldName(name);
  const rated = names.map((known) => ({ known, distance: editDistance(foldName(known), plain) }));
  const [nearest] = rated.sort((left, right) => left.distance - right.distance);
  return nearest !== undefined && nearest.distance <= MOST_MISSPELT ? nearest.known : undefined;
}

function foldName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
