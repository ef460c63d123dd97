const SMALLEST = 1024;
/** A length takes nine bytes at most. */
const LONGEST_PREFIX = 9;

/** Writes gob's primitives behind one another into a buffer that is used again for each message. */
export class GobWriter {
  #buffer = Buffer.allocUnsafe(SMALLEST);
  #end = LONGEST_PREFIX;

  uint(value: number): void {
    this.#reserve(LONGEST_PREFIX);
    this.#end = putUint(this.#buffer, this.#end, value);
  }

  int(value: number): void {
    this.uint(value < 0 ? (-value - 1) * 2 + 1 : value * 2);
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.#reserve(value.length);
    this.#buffer.set(value, this.#end);
    this.#end += value.length;
  }

  text(value: string): void {
    this.bytes(Buffer.from(value));
  }

  /** Each byte as a number, which takes two from 128 on. */
  array(values: Uint8Array): void {
    this.uint(values.length);
    for (const value of values) this.uint(value);
  }

  /** Begins a message. */
  begin(): void {
    this.#end = LONGEST_PREFIX;
  }

  /** The message with its length before it, in a buffer of its own. */
  finish(before: Uint8Array): Buffer {
    const prefix = Buffer.allocUnsafe(LONGEST_PREFIX);
    const prefixLength = putUint(prefix, 0, this.#end - LONGEST_PREFIX);
    const start = before.length + prefixLength;
    const message = Buffer.allocUnsafe(start + this.#end - LONGEST_PREFIX);
    message.set(before);
    prefix.copy(message, before.length, 0, prefixLength);
    this.#buffer.copy(message, start, LONGEST_PREFIX, this.#end);
    // One large message must not hold its memory for ever.
    if (this.#buffer.length > SMALLEST * 64) this.#buffer = Buffer.allocUnsafe(SMALLEST);
    return message;
  }

  #reserve(more: number): void {
    if (this.#end + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe((this.#end + more) * 2);
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}

/** Gives where it ends. */
function putUint(target: Uint8Array, position: number, value: number): number {
  if (value < 0x80) {
    target[position] = value;
    return position + 1;
  }
  let length = 1;
  for (let rest = value; rest >= 0x100; rest = Math.floor(rest / 0x100)) length += 1;
  target[position] = 0x100 - length;
  let rest = value;
  for (let place = position + length; place > position; place -= 1) {
    target[place] = rest % 0x100;
    rest = Math.floor(rest / 0x100);
  }
  return position + 1 + length;
}
