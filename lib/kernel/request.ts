import { isUint8Array } from 'node:util/types';

/** Bytes cross by themselves; the text has their numbers in their places. */
export function separateBytes(request: object): [text: string, buffers: Uint8Array[]] {
  const numbers = new Map<Uint8Array, number>();
  const text = JSON.stringify(request, function (this: object, name, value: unknown) {
    // As it stands there: `value` is what a Buffer makes of itself for JSON.
    const field = (this as Record<string, unknown>)[name];
    if (!isUint8Array(field)) return value;
    const number = numbers.get(field) ?? numbers.size;
    numbers.set(field, number);
    return number;
  });
  return [text, [...numbers.keys()]];
}
