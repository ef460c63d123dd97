import { refuse } from '../../model';

/** What stands where a UUID is absent. */
export const NIL_UUID = '00000000-0000-0000-0000-000000000000';
export const UUID_BYTES = 16;

const TEXT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
// Where each byte's two digits begin in the text.
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** Parses a UUID of any version into lower case. */
export function parseUuid(value: unknown, field: string): string {
  const text = typeof value === 'string' && value.length === 36 ? value.toLowerCase() : '';
  return TEXT.test(text) ? text : refuse(value, field, 'a UUID');
}

export function formatUuid(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < UUID_BYTES; index += 1) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text += '-';
    text += HEX[bytes[index] ?? 0] ?? '';
  }
  return text;
}

/** The bytes of a UUID as {@link parseUuid} gives it. */
export function uuidBytes(uuid: string): Uint8Array {
  const bytes = new Uint8Array(UUID_BYTES);
  for (let index = 0; index < UUID_BYTES; index += 1) {
    const place = PLACES[index] ?? 0;
    bytes[index] = (digit(uuid, place) << 4) | digit(uuid, place + 1);
  }
  return bytes;
}

function digit(text: string, place: number): number {
  const code = text.charCodeAt(place);
  return code < 0x3a ? code - 0x30 : code - 0x57;
}
