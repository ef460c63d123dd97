/** Makes new inputs of old ones: values, texts and bytes, worse than anything that a program would write. */

/** A small generator whose numbers depend on its seed alone (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to less than `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}

const NUMBERS = [0, -0, 1, -1, 31, 32, 33, 255, 256, 65_535, 65_536, 2 ** 24, 2 ** 31, 2 ** 32];
const ODD_NUMBERS = [0.5, -2.5, 2 ** 53, Number.MAX_VALUE, Number.MIN_VALUE, NaN, Infinity];
const BYTES = [0, 1, 0x0a, 0x20, 0x22, 0x2c, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xc0, 0xf8, 0xff];

/** What has been trouble somewhere. */
const TEXTS = [
  ...[
    '',
    ' ',
    '\0',
    '\n',
    '\t',
    '.',
    '..',
    '/',
    '#',
    '##',
    '_',
    '+',
    '%',
    '%d',
    ':',
    ';',
    '=',
    '==',
  ],
  ...['-', '-0', '1e3', '0x10', '010', '٣', '1.2.3.4', '0.0.0.0', '255.255.255.255', '224.0.0.1'],
  ...[
    '127.0.0.1',
    '10.0.0.0/8',
    '172.16.1.0/24',
    '1.2.3.4/33',
    '::1',
    '::ffff:1.2.3.4',
    'fe80::1%1',
  ],
  ...['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', '02:00:00:00:00:01', 'br_', 'vnic_', 'cncivnic_'],
  ...[
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'length',
    '$&',
    '${x}',
  ],
  ...[
    '\ud800',
    '\udc00',
    '\u202e',
    '\ufeff',
    'ﬀ',
    'İ',
    'é',
    '𝄞',
    '/proc/self/ns/net',
    '../../etc/passwd',
  ],
  ...[
    '{}',
    '[]',
    'null',
    'true',
    '"',
    '\\u0000',
    'x'.repeat(16),
    'x'.repeat(256),
    'x'.repeat(70_000),
  ],
];
const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'then',
  'toJSON',
  'valueOf',
  '0',
];

/** What no JSON can hold; each made anew, since it may be changed. */
const NASTY: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => 7n,
  () => Symbol('x'),
  () => () => 1,
  () => new Date(NaN),
  () => /x/,
  () => new Map([['a', 1]]),
  () => new Uint8Array(3),
  () => Object.create(null) as unknown,
  () => new Array<unknown>(5),
  () =>
    new Proxy({}, { ownKeys: throwing, get: throwing, has: throwing, getPrototypeOf: throwing }),
  () => new Proxy([], { get: throwing }),
  () => revoked(),
  () => ({ toString: throwing, valueOf: throwing, [Symbol.toPrimitive]: throwing }),
  () => Object.defineProperty({}, 'tenantId', { enumerable: true, get: throwing }),
  () => JSON.parse('{"__proto__":{"polluted":true}}') as unknown,
  () => JSON.parse('{"constructor":{"prototype":{"polluted":true}}}') as unknown,
  () => nested(40),
  () => nested(20_000),
  () => circular(),
  () => endless(),
];

function throwing(): never {
  throw new Error('a trap');
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function endless(): unknown {
  const get = (list: readonly unknown[], name: string | symbol): unknown =>
    name === 'length' ? 2 ** 31 : list[0];
  return new Proxy<readonly unknown[]>([], { get });
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let n = 0; n < depth; ++n) value = n % 2 === 0 ? [value] : { a: value };
  return value;
}

function circular(): unknown {
  const value: Record<string, unknown> = {};
  value['self'] = value;
  return value;
}

export function mutateBytes(dice: Dice, bytes: Buffer, other: Buffer): Buffer {
  const at = dice.below(bytes.length + 1);
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (dice.below(8)) {
    case 0:
      return Buffer.concat([head, Buffer.from([dice.of(BYTES)]), tail.subarray(1)]);
    case 1:
      return Buffer.concat([head, Buffer.from([dice.below(256)]), tail]);
    case 2:
      return Buffer.concat([head, tail.subarray(1 + dice.below(8))]);
    case 3:
      return Buffer.from(head);
    case 4:
      // One bit.
      return Buffer.concat([
        head,
        tail.map((byte, n) => (n === 0 ? byte ^ (1 << dice.below(8)) : byte)),
      ]);
    case 5:
      return Buffer.concat([head, other.subarray(dice.below(other.length + 1))]);
    case 6:
      // A part once more.
      return Buffer.concat([head, tail.subarray(0, dice.below(64)), tail]);
    default:
      return Buffer.concat([head, Buffer.from(dice.of(TEXTS).slice(0, 300)), tail]);
  }
}

export function mutateText(dice: Dice, text: string, other: string): string {
  const at = dice.below(text.length + 1);
  const [head, tail] = [text.slice(0, at), text.slice(at)];
  switch (dice.below(7)) {
    case 0:
      return head + dice.of(TEXTS) + tail;
    case 1:
      return head + dice.of(TEXTS) + tail.slice(1 + dice.below(8));
    case 2:
      return head + tail.slice(1 + dice.below(4));
    case 3:
      return head;
    case 4:
      return head + other.slice(dice.below(other.length + 1));
    case 5:
      return head + String.fromCharCode(dice.below(dice.of([128, 0x800, 0x10000]))) + tail.slice(1);
    default:
      return head + String(dice.of([...NUMBERS, ...ODD_NUMBERS])) + tail;
  }
}

/** The same shape with something else in it, however deep. */
export function mutateValue(dice: Dice, value: unknown, other: unknown): unknown {
  const isDeep = typeof value === 'object' && value !== null && dice.below(8) > 0;
  try {
    if (isDeep && isShortList(value)) return mutateList(dice, value, other);
    if (isDeep && isPlain(value)) return mutateObject(dice, value, other);
  } catch {
    // One of the nasty: it cannot be looked into, only replaced.
  }
  switch (dice.below(6)) {
    case 0:
      return dice.of(NASTY)();
    case 1:
      return dice.of([...NUMBERS, ...ODD_NUMBERS]);
    case 2:
      return dice.of(TEXTS);
    case 3:
      return [value, value];
    case 4:
      return { [dice.of(KEYS)]: value };
    default:
      if (typeof value === 'string') return mutateText(dice, value, dice.of(TEXTS));
      return typeof value === 'number' ? value + dice.of([-1, 1, 0.5, 1e10]) : other;
  }
}

/** One of the nasty claims to be endless. */
function isShortList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= 5000;
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  try {
    return Object.getPrototypeOf(value) === Object.prototype;
  } catch {
    return false;
  }
}

function mutateList(dice: Dice, list: readonly unknown[], other: unknown): unknown[] {
  const copy = [...list];
  const at = dice.below(copy.length + 1);
  const way = dice.below(4);
  if (at === copy.length || way === 0) copy.splice(at, 0, dice.of([...copy, other]));
  else if (way === 1) copy.splice(at, 1);
  else copy[at] = mutateValue(dice, copy[at], other);
  return copy;
}

/** `__proto__` becomes a field of its own, as JSON.parse makes it. */
function mutateObject(
  dice: Dice,
  object: Readonly<Record<string, unknown>>,
  other: unknown,
): Record<string, unknown> {
  const entries = Object.entries(object);
  const chosen = dice.below(entries.length + 1);
  const entry = entries[chosen];
  const way = dice.below(6);
  if (entry === undefined) entries.push([dice.of([...KEYS, ...TEXTS]), other]);
  else if (way === 0) entries.splice(chosen, 1);
  else if (way === 1) entry[0] = mutateText(dice, entry[0], dice.of(KEYS));
  else entry[1] = mutateValue(dice, entry[1], other);
  return Object.fromEntries(entries);
}
