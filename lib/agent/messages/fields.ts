import { APIError, describeType } from '../../errors';
import {
  networkOf,
  parseLooseId,
  parseTenantSubnet,
  parseTunnelKey,
  parseUnicastIpv4,
  refuse,
  tryParseIpv4,
} from '../../model';
import type { Ipv4Address, Ipv4Cidr, TunnelKey } from '../../model';
import { isNothing } from './yaml';
import type { Mapping } from './yaml';

const LONGEST_TEXT = 255;
const WHOLE_NUMBER = /^\d{1,10}$/;
// What would break a line of a log, or of YAML.
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/;

/** One mapping of a payload: its fields are read by name, and what is wrong is called by its place. */
export class FieldReader {
  readonly #mapping: Mapping;
  readonly #path: string;

  constructor(mapping: Mapping, path: string) {
    this.#mapping = mapping;
    this.#path = path;
  }

  read<T>(name: string, parse: (value: unknown, field: string) => T): T {
    const own = Object.hasOwn(this.#mapping, name) ? this.#mapping[name] : undefined;
    return parse(isNothing(own) ? undefined : own, this.#path + name);
  }
}

/** Runs a parser; its errors are of this operation. */
export function inOperation<T>(operation: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw error instanceof APIError ? error.withDetails({ operation }) : error;
  }
}

/** Any short text without control characters; absent is empty. */
export function parseText(value: unknown, field: string): string {
  if (value === undefined) return '';
  const isShort = typeof value === 'string' && value.length <= LONGEST_TEXT;
  return isShort && !CONTROL.test(value)
    ? value
    : refuse(value, field, `a text of at most ${String(LONGEST_TEXT)} printable characters`);
}

export function parseIdOrNothing(value: unknown, field: string): string {
  return value === undefined ? '' : parseLooseId(value, field);
}

export function parseAddressOrNothing(value: unknown, field: string): Ipv4Address | '' {
  return value === undefined ? '' : parseUnicastIpv4(value, field);
}

/** A tenant's network; the original's launchers send it with the bits of a host, too. */
export function parseSubnet(value: unknown, field: string): Ipv4Cidr {
  const [, address = '', length = ''] =
    /^([\d.]{7,15})\/([12]?\d|3[0-2])$/.exec(typeof value === 'string' ? value : '') ?? [];
  const parsed = tryParseIpv4(address);
  return parseTenantSubnet(parsed === undefined ? value : networkOf(parsed, Number(length)), field);
}

export function parseKey(value: unknown, field: string): TunnelKey {
  const isNumber = typeof value === 'string' && WHOLE_NUMBER.test(value);
  return parseTunnelKey(isNumber ? Number(value) : value, field);
}

export function parseMappings(value: unknown, field: string, most: number): readonly Mapping[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > most) {
    return refuse(value, field, `a list of at most ${String(most)} entries`);
  }
  return value.map((entry: unknown, index) =>
    describeType(entry) === 'object'
      ? (entry as Mapping)
      : refuse(entry, `${field}[${String(index)}]`, 'a mapping of names to values'),
  );
}
