import * as z from 'zod/mini';

import { APIError, describeType } from '../errors';
import { refuse } from './refuse';
import type { Parser } from './refuse';

/** The parsers of an object's fields. */
export type Fields = Readonly<Record<string, Parser<unknown>>>;

/** What an object of these fields becomes. */
export type Parsed<F extends Fields> = { readonly [Name in keyof F]: ReturnType<F[Name]> };

/** Parses a whole object: all fields, and no others. */
export type ShapeParser<F extends Fields> = (input: unknown, operation: string) => Parsed<F>;

const MOST_UNKNOWN_NAMES = 16;
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
  const names = Object.keys(fields);
  const schema = z.strictObject(
    Object.fromEntries(
      Object.entries(fields).map(([name, parse]) => [name, fieldSchema(name, parse)]),
    ),
  );
  return (input, operation) => {
    const result = schema.safeParse(readOnce(input, subject, names, operation));
    if (result.success) {
      return result.data as Parsed<F>;
    }
    throw toApiError(result.error.issues, names, operation);
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

function fieldSchema(name: string, parse: Parser<unknown>) {
  const transform = z.transform((value: unknown, payload: z.core.ParsePayload) => {
    try {
      return parse(value, name);
    } catch (error) {
      payload.issues.push({ code: 'custom', input: value, params: { error } });
      return z.NEVER;
    }
  });
  return z.pipe(z.unknown(), transform);
}

/**
 * Copies the fields into a plain object, each read once. A getter or a proxy that throws becomes an
 * error of ours here, and one that answers differently each time is asked no second time.
 */
function readOnce(
  input: unknown,
  subject: string,
  names: readonly string[],
  operation: string,
): Record<string, unknown> {
  if (describeType(input) !== 'object') {
    return withOperation(operation, () => refuse(input, subject, 'an object'));
  }
  const copy = Object.create(null) as Record<string, unknown>;
  for (const name of names) {
    copy[name] = undefined;
  }
  let reading = subject;
  try {
    let unknownNames = 0;
    for (const name of Object.keys(input as object)) {
      if (name in copy) {
        reading = name;
        copy[name] = (input as Record<string, unknown>)[name];
      } else if (unknownNames < MOST_UNKNOWN_NAMES) {
        unknownNames += 1;
        copy[name] = undefined;
      }
    }
  } catch (cause) {
    const expected = 'a value that can be read';
    throw new APIError('SNNET_INPUT_INVALID', {
      operation,
      field: reading,
      value: input,
      expected,
      cause,
    });
  }
  return copy;
}

function toApiError(
  issues: readonly z.core.$ZodIssue[],
  names: readonly string[],
  operation: string,
): APIError {
  const errors: APIError[] = [];
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys') {
      return unknownNameError(issue.keys[0] ?? '', names, operation);
    }
    const error: unknown = issue.code === 'custom' ? issue.params?.['error'] : undefined;
    if (error instanceof APIError) {
      errors.push(error);
    }
  }
  const [first, ...others] = errors;
  if (first === undefined) {
    return new APIError('SNNET_INPUT_INVALID', { operation });
  }
  if (others.length === 0) {
    return first.withDetails({ operation });
  }
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
