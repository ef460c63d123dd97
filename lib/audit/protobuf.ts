/** A field of a message: a number for a varint, bytes for what has a length. */
export interface Field {
  readonly number: number;
  readonly value: bigint | Buffer;
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
const LONGEST_VARINT = 10;

/** Takes a protobuf message apart (protobuf.dev, "Encoding"); what does not end where it should is refused. */
export function decodeMessage(bytes: Buffer): Field[] {
  const cursor = new Cursor(bytes);
  const fields: Field[] = [];
  while (!cursor.isAtEnd) {
    const tag = cursor.varint();
    fields.push({ number: Number(tag >> 3n), value: readValue(cursor, Number(tag & 7n)) });
  }
  return fields;
}

function readValue(cursor: Cursor, type: number): bigint | Buffer {
  switch (type) {
    case VARINT:
      return cursor.varint();
    case FIXED64:
      return cursor.bytes(8n);
    case LENGTH:
      return cursor.bytes(cursor.varint());
    case FIXED32:
      return cursor.bytes(4n);
    default:
      throw new Error(`a field of the unknown type ${String(type)}`);
  }
}

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let index = 0; index < LONGEST_VARINT; index += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) break;
      this.#at += 1;
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return value;
    }
    throw new Error('a number without an end');
  }

  bytes(length: bigint): Buffer {
    if (length > BigInt(this.#bytes.length - this.#at)) throw new Error('a field without an end');
    const start = this.#at;
    this.#at += Number(length);
    return this.#bytes.subarray(start, this.#at);
  }
}
