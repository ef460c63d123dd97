import { validate as isUuid } from 'uuid';

import type { Brand } from './brand';
import { refuse } from './refuse';

/** The owner of networks. */
export type TenantId = Brand<string, 'TenantId'>;
/** One subnet of a tenant. */
export type SubnetId = Brand<string, 'SubnetId'>;
/** The concentrator that ends a tenant's tunnels. */
export type ConcId = Brand<string, 'ConcId'>;
/** One interface of one workload. */
export type VnicId = Brand<string, 'VnicId'>;
/** A host. */
export type NodeId = Brand<string, 'NodeId'>;
/** A workload. */
export type InstanceId = Brand<string, 'InstanceId'>;

export type AnyId = TenantId | SubnetId | ConcId | VnicId | NodeId | InstanceId;

export interface ParseIdOptions {
  /** Accepts `_`, which links made by the Go library may have in their ids. Default: false. */
  readonly allowUnderscore?: boolean;
}

/** A link alias holds no more. */
const LONGEST_ID = 255;
const ID = /^[!-~]+$/;
// What separates the parts of an alias, or of a path.
const SEPARATORS = /[_#/]/;
const SEPARATORS_BUT_UNDERSCORE = /[#/]/;

const EXPECTED = 'an id (a UUID, or printable ASCII without blanks, _, # and /)';
const EXPECTED_LOOSE = 'an id (a UUID, or printable ASCII without blanks, # and /)';

/**
 * Parses an id. UUIDs come out in lower case, so that two spellings are one identity; any other id
 * comes out as it is.
 */
export function parseId<T extends AnyId = AnyId>(
  value: unknown,
  field: string,
  options: ParseIdOptions = {},
): T {
  const loose = options.allowUnderscore === true;
  if (typeof value === 'string' && value.length <= LONGEST_ID) {
    if (value.length === 36 && isUuid(value)) {
      return value.toLowerCase() as T;
    }
    if (ID.test(value) && !(loose ? SEPARATORS_BUT_UNDERSCORE : SEPARATORS).test(value)) {
      return value as T;
    }
  }
  return refuse(value, field, loose ? EXPECTED_LOOSE : EXPECTED);
}

/** {@link parseId} for links that the Go library may have made. */
export function parseLooseId<T extends AnyId = AnyId>(value: unknown, field: string): T {
  return parseId<T>(value, field, { allowUnderscore: true });
}
