import { APIError } from '../errors';
import { tryParseIpv4 } from '../model';
import type { Ipv4Address } from '../model';

/** Who a bridge on a compute node is for. */
export interface ScopeIds {
  readonly tenantId: string;
  readonly subnetId: string;
  readonly concId: string;
}

/**
 * What the bridge, the tunnel and the VNICs of one subnet on a compute node have in common. Two
 * links belong together exactly if their scopes have the same text.
 */
export interface Scope {
  /** `<tenant>_<subnet>_<conc>_<concIp>` */
  readonly text: string;
  readonly concIp: Ipv4Address;
  /** Absent where an id contains `_`, since the text then has several readings. */
  readonly ids?: ScopeIds;
}

export interface ScopeOptions {
  /** Accepts ids with `_`, to find again what the Go library made. Default: false. */
  readonly allowUnderscore?: boolean;
}

/** Builds the scope of a subnet on a compute node. */
export function scopeOf(
  subject: ScopeIds & { readonly concIp: Ipv4Address },
  options: ScopeOptions = {},
): Scope {
  const { tenantId, subnetId, concId, concIp } = subject;
  const text = `${tenantId}_${subnetId}_${concId}_${concIp}`;
  if (!tenantId.includes('_') && !subnetId.includes('_') && !concId.includes('_')) {
    return Object.freeze({ text, concIp, ids: Object.freeze({ tenantId, subnetId, concId }) });
  }
  if (options.allowUnderscore === true) {
    return Object.freeze({ text, concIp });
  }
  const ids = Object.entries({ tenantId, subnetId, concId });
  const [field, value] = ids.find(([, id]) => id.includes('_')) ?? [];
  throw new APIError('SNNET_ALIAS_AMBIGUOUS', { field, value, expected: 'an id without _' });
}

// All links of a subnet carry the same scope: a rebuild of thousands reads each once.
const MOST_REMEMBERED = 4096;
const remembered = new Map<string, Scope>();

/** Reads a scope, or nothing. */
export function parseScope(text: string): Scope | undefined {
  const known = remembered.get(text);
  if (known !== undefined) {
    return known;
  }
  const scope = readScope(text);
  if (scope !== undefined) {
    if (remembered.size >= MOST_REMEMBERED) {
      remembered.clear();
    }
    remembered.set(text, scope);
  }
  return scope;
}

function readScope(text: string): Scope | undefined {
  const end = text.lastIndexOf('_');
  const concIp = tryParseIpv4(text.slice(end + 1));
  const [tenantId, subnetId, concId, ...more] = text.slice(0, Math.max(end, 0)).split('_');
  if (
    concIp === undefined ||
    tenantId === undefined ||
    subnetId === undefined ||
    concId === undefined
  ) {
    return undefined;
  }
  if (more.length > 0) {
    return Object.freeze({ text, concIp });
  }
  if (tenantId === '' || subnetId === '' || concId === '') {
    return undefined;
  }
  return Object.freeze({ text, concIp, ids: Object.freeze({ tenantId, subnetId, concId }) });
}
