import { malformed } from './malformed';

const LARGEST_HIGH_WORD = 0x1f_ffff;

/** Reads gob's primitives out of one message; never past its end. */
export class GobReader {
  #bytes: Uint8Array;
  #position: number;
  #end: number;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = position;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.#position;
  }

  /** An unsigned number: below 128 one byte; otherwise the negated count of bytes, then these. */
  uint(): number {
    if (this.#position >= this.#end) malformed('a message ends in the middle of a value');
    const first = this.#bytes[this.#position++] ?? 0;
    return first < 0x80 ? first : this.#longUint(0x100 - first);
  }

  /** A signed number: its sign is the lowest bit. */
  int(): number {
    const value = this.uint();
    return value % 2 === 1 ? -(value - 1) / 2 - 1 : value / 2;
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    const length = this.uint();
    if (length > this.remaining) malformed('a text or list of bytes is longer than its message');
    const start = this.#position;
    this.#position += length;
    return this.#bytes.subarray(start, this.#position);
  }

  /** The length of a list: each element takes a byte at least. */
  count(): number {
    const count = this.uint();
    return count > this.remaining ? malformed('a list is longer than its message') : count;
  }

  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  /** A number of any size, read past. */
  skipUint(): void {
    if (this.#position >= this.#end) malformed('a message ends in the middle of a value');
    const first = this.#bytes[this.#position++] ?? 0;
    if (first >= 0x80) this.#position += this.#checkLength(0x100 - first);
  }

  #longUint(length: number): number {
    this.#checkLength(length);
    const end = this.#position + length;
    let high = 0;
    let low = 0;
    while (this.#position < end) {
      high = high * 0x100 + (low >>> 24);
      low = ((low << 8) | (this.#bytes[this.#position++] ?? 0)) >>> 0;
    }
    if (high > LARGEST_HIGH_WORD) malformed('a number is larger than any that has a use here');
    return high * 0x1_0000_0000 + low;
  }

  #checkLength(length: number): number {
    if (length > 8) malformed('a number has more than eight bytes');
    if (length > this.remaining) malformed('a message ends in the middle of a number');
    return length;
  }
}
