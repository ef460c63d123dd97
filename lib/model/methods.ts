import { refuse } from './refuse';
import type { Parser } from './refuse';

/**
 * Makes the parser of an object that a user brings. It is kept as it is, since its methods may live on a
 * prototype; one that cannot be looked at is refused like one without them.
 */
export function withMethods<T>(...names: readonly (keyof T & string)[]): Parser<T> {
  const expected = `an object with the methods ${joinNames(names)}`;
  return (value, field) =>
    hasMethods(value, names) ? (value as T) : refuse(value, field, expected);
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  try {
    const candidate = value as Readonly<Record<string, unknown>>;
    return names.every((name) => typeof candidate[name] === 'function');
  } catch {
    return false;
  }
}

function joinNames(names: readonly string[]): string {
  return [names.slice(0, -1).join(', '), ...names.slice(-1)].filter(Boolean).join(' and ');
}
