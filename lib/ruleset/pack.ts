import type { NftType } from '../plan';

/**
 * Elements of sets and maps as the kernel keeps them: each field in network order, padded with zeros to
 * four bytes.
 */

/** One field of a key or of a map's data. */
export type Field = string | number;

const NAME_BYTES = 16;

/** The types that our sets use. */
export type PackedType = Extract<NftType, 'ifname' | 'ipv4_addr' | 'inet_proto' | 'inet_service'>;

/** Bytes of a key or of data made of these types. */
export function bytesOf(types: readonly PackedType[]): number {
  return types.reduce((sum, type) => sum + (type === 'ifname' ? NAME_BYTES : 4), 0);
}

/** Packs rows of fields: names as text, addresses, protocols and ports as numbers. */
export function packElements(
  types: readonly PackedType[],
  rows: readonly (readonly Field[])[],
): Uint8Array {
  const packed = new Uint8Array(rows.length * bytesOf(types));
  const view = new DataView(packed.buffer);
  let offset = 0;
  for (const row of rows) {
    for (const [index, type] of types.entries()) {
      writeField(view, offset, type, row[index] ?? 0);
      offset += bytesOf([type]);
    }
  }
  return packed;
}

/** The inverse of {@link packElements}. */
export function unpackElements(types: readonly PackedType[], packed: Uint8Array): Field[][] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const rows: Field[][] = [];
  const bytes = bytesOf(types);
  for (let start = 0; start + bytes <= packed.byteLength; start += bytes) {
    let offset = start;
    rows.push(
      types.map((type) => {
        const field = readField(view, offset, type);
        offset += bytesOf([type]);
        return field;
      }),
    );
  }
  return rows;
}

function writeField(view: DataView, offset: number, type: PackedType, field: Field): void {
  if (type === 'ifname') {
    const name = new TextEncoder().encode(String(field));
    new Uint8Array(view.buffer, view.byteOffset + offset, NAME_BYTES).set(name);
  } else if (type === 'ipv4_addr') view.setUint32(offset, Number(field));
  else if (type === 'inet_service') view.setUint16(offset, Number(field));
  else view.setUint8(offset, Number(field));
}

function readField(view: DataView, offset: number, type: PackedType): Field {
  if (type === 'ipv4_addr') return view.getUint32(offset);
  if (type === 'inet_service') return view.getUint16(offset);
  if (type === 'inet_proto') return view.getUint8(offset);
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, NAME_BYTES);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
