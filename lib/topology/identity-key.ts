const UUIDS = /(?<![0-9a-z-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z-])/gi;
const CAPITAL = /[A-F]/;

/**
 * What identities are compared by. A UUID is the same in capitals, which links made by the Go library
 * may have; every other id is compared as it stands.
 */
export function identityKey(text: string): string {
  return CAPITAL.test(text) ? text.replace(UUIDS, (uuid) => uuid.toLowerCase()) : text;
}
