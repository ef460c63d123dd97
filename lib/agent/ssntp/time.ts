import { malformed } from './malformed';
import type { SsntpTime } from './wire-frame';

// Go's Time.MarshalBinary: version, seconds since the year 1, nanoseconds, the zone in minutes
// (-1: UTC) and, in version 2, the zone's odd seconds.
const SECONDS_TO_1970 = 62_135_596_800;
const LENGTHS: Readonly<Record<number, number>> = { 1: 15, 2: 16 };
const UTC = -1;
const NANOSECONDS = 1_000_000_000;

export function readTime(bytes: Uint8Array): SsntpTime {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[0] ?? 0;
  if (bytes.length !== LENGTHS[version]) malformed('a time is of no known version');
  const seconds = Number(view.getBigInt64(1)) - SECONDS_TO_1970;
  const nanoseconds = view.getInt32(9);
  if (!Number.isSafeInteger(seconds)) malformed('a time is too far away');
  if (nanoseconds < 0 || nanoseconds >= NANOSECONDS) malformed('a time has too many nanoseconds');
  const minutes = view.getInt16(13);
  const time = { seconds, nanoseconds };
  if (minutes === UTC) return Object.freeze(time);
  const odd = version === 2 ? view.getInt8(15) : 0;
  return Object.freeze({ ...time, zoneOffsetSeconds: minutes * 60 + odd });
}

export function timeBytes(time: SsntpTime): Uint8Array {
  const offset = time.zoneOffsetSeconds;
  const odd = (offset ?? 0) % 60;
  const bytes = new Uint8Array(odd === 0 ? 15 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, odd === 0 ? 1 : 2);
  view.setBigInt64(1, BigInt(time.seconds + SECONDS_TO_1970));
  view.setInt32(9, time.nanoseconds);
  view.setInt16(13, offset === undefined ? UTC : (offset - odd) / 60);
  if (odd !== 0) view.setInt8(15, odd);
  return bytes;
}
