import { defineShape, optional, parseList, refuse } from '../model';

/** Name servers and search domains: handed on to the runtime, which writes the container's resolv.conf. */
export interface Dns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

const MOST = 256;
const LONGEST = 255;

const parseText = (value: unknown, field: string): string =>
  typeof value === 'string' && value.length <= LONGEST && !/[\s\0]/.test(value)
    ? value
    : refuse(value, field, 'a word of at most 255 characters');
const parseTexts = (value: unknown, field: string): readonly string[] =>
  parseList(value, field, parseText, MOST);

const parseShape = defineShape('dns', {
  nameservers: optional(parseTexts),
  domain: optional(parseText),
  search: optional(parseTexts),
  options: optional(parseTexts),
});

/** Parses `dns` of a configuration, of a result. Empty lists and names are as good as none. */
export function parseDns(value: unknown, field: string): Dns {
  const given = typeof value === 'object' && value !== null ? Object.entries(value) : undefined;
  if (given === undefined || Array.isArray(value)) return refuse(value, field, 'an object');
  const said = given.filter(([, part]) => !isNothing(part));
  return parseShape(Object.fromEntries(said), 'dns');
}

/** What says something, first come first served, key by key. */
export function mergeDns(...sources: readonly (Dns | undefined)[]): Dns {
  const merged: Dns = {};
  return Object.freeze(Object.assign(merged, ...sources.toReversed()) as Dns);
}

function isNothing(value: unknown): boolean {
  return value === null || value === '' || (Array.isArray(value) && value.length === 0);
}
