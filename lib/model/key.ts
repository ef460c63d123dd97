import { APIError } from '../errors';
import type { Brand } from './brand';
import { parseInteger } from './refuse';
import type { TunnelKind } from './tunnel-kind';

/** What tells a subnet's frames apart in a tunnel: GRE key, VXLAN or Geneve network identifier. */
export type TunnelKey = Brand<number, 'TunnelKey'>;

const LARGEST_KEY = 0xffffffff;
/** A network identifier has 24 bits. */
const LARGEST_VNI = 0xffffff;

/** Parses a key, 1 to 4294967295; 0 means "no key" to the kernel. */
export function parseTunnelKey(value: unknown, field: string): TunnelKey {
  return parseInteger(value, field, { least: 1, most: LARGEST_KEY }) as TunnelKey;
}

/** The largest key that a kind of tunnel can carry. */
export function largestKeyOf(kind: TunnelKind): number {
  return kind === 'gre' ? LARGEST_KEY : LARGEST_VNI;
}

/** Throws `SNNET_KEY_RANGE` if the key does not fit the kind of tunnel. */
export function checkKeyFits(kind: TunnelKind, key: TunnelKey, operation?: string): void {
  const largest = largestKeyOf(kind);
  if (key > largest) {
    const expected = `at most ${String(largest)} on ${kind}`;
    throw new APIError('SNNET_KEY_RANGE', { operation, field: 'subnetKey', value: key, expected });
  }
}
