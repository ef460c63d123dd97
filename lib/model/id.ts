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
// Printable ASCII but what separates the parts of an alias, or of a path.
const ID = /^[!"$-.0-^`-~]+$/;
const LOOSE_ID = /^[!"$-.0-~]+$/;
const UUID_LENGTH = 36;

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
    if ((loose ? LOOSE_ID : ID).test(value)) {
      return (value.length === UUID_LENGTH ? foldUuid(value) : value) as T;
    }
  }
  return refuse(value, field, loose ? EXPECTED_LOOSE : EXPECTED);
}

// Most are in lower case already, and looking is much cheaper than parsing.
function foldUuid(value: string): string {
  const lower = value.toLowerCase();
  return lower !== value && isUuid(value) ? lower : value;
}

/** {@link parseId} for links that the Go library may have made. */
export function parseLooseId<T extends AnyId = AnyId>(value: unknown, field: string): T {
  return parseId<T>(value, field, { allowUnderscore: true });
}
