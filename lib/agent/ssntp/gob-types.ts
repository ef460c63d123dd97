import type { GobReader } from './gob-reader';
import { malformed } from './malformed';

/** Numbers that gob gives to its own types. */
export const BOOL = 1;
export const INT = 2;
export const UINT = 3;
export const FLOAT = 4;
export const BYTES = 5;
export const STRING = 6;
const COMPLEX = 7;
/** What a sender defines begins here. */
const FIRST_USER_ID = 64;
const LARGEST_ID = 0x7fff_ffff;

export interface WireField {
  readonly name: string;
  readonly type: number;
}

/** A type as its sender defined it. */
export type WireType =
  | { readonly kind: 'array'; readonly element: number; readonly length: number }
  | { readonly kind: 'slice'; readonly element: number }
  | { readonly kind: 'struct'; readonly name: string; readonly fields: readonly WireField[] }
  | { readonly kind: 'map'; readonly key: number; readonly element: number }
  | { readonly kind: 'opaque' };

/** Real senders define some 500 bytes of types per connection. */
const MOST_DEFINITION_BYTES = 65_536;
/** A struct in a struct, and so on. */
const DEEPEST = 32;

interface Common {
  name: string;
}

/** The types that one sender has defined. */
export class TypeTable {
  readonly #types = new Map<number, WireType>();
  #bytes = 0;

  /** Reads the definition of `id`; a second one is refused, as Go does. */
  define(id: number, reader: GobReader): void {
    if (id < FIRST_USER_ID || id > LARGEST_ID) malformed(`type ${id} cannot be defined`);
    if (this.#types.has(id)) malformed(`type ${id} is defined twice`);
    this.#bytes += reader.remaining;
    if (this.#bytes > MOST_DEFINITION_BYTES) malformed('too many types are defined');
    this.#types.set(id, readWireType(reader));
    if (reader.remaining > 0) malformed(`bytes follow the definition of type ${id}`);
  }

  get(id: number): WireType | undefined {
    return this.#types.get(id);
  }

  clear(): void {
    this.#types.clear();
    this.#bytes = 0;
  }

  /** Reads past a value that nobody wants. */
  skip(reader: GobReader, id: number, depth = 0): void {
    if (depth > DEEPEST) malformed('values are nested too deeply');
    const type = this.#types.get(id);
    if (type === undefined) {
      skipBasic(reader, id);
      return;
    }
    switch (type.kind) {
      case 'opaque':
        reader.bytes();
        return;
      case 'array':
      case 'slice':
        for (let left = reader.count(); left > 0; left -= 1) {
          this.skip(reader, type.element, depth + 1);
        }
        return;
      case 'map':
        for (let left = reader.count(); left > 0; left -= 1) {
          this.skip(reader, type.key, depth + 1);
          this.skip(reader, type.element, depth + 1);
        }
        return;
      case 'struct':
        readFields(reader, type.fields.length, (index) =>
          this.skip(reader, type.fields[index]?.type ?? 0, depth + 1),
        );
    }
  }
}

/** Calls `read` for each field that was sent, in their order. */
export function readFields(reader: GobReader, count: number, read: (index: number) => void): void {
  let index = -1;
  for (let delta = reader.uint(); delta !== 0; delta = reader.uint()) {
    index += delta;
    if (index >= count) malformed('a value has a field that its type has not');
    read(index);
  }
}

function skipBasic(reader: GobReader, id: number): void {
  switch (id) {
    case BOOL:
    case INT:
    case UINT:
    case FLOAT:
      reader.skipUint();
      return;
    case BYTES:
    case STRING:
      reader.bytes();
      return;
    case COMPLEX:
      reader.skipUint();
      reader.skipUint();
      return;
    default:
      malformed(`type ${id} is not defined`);
  }
}

/** A definition is a struct of which one field is set: which one says the kind. */
function readWireType(reader: GobReader): WireType {
  let type: WireType | undefined;
  readFields(reader, KINDS.length, (index) => {
    if (type !== undefined) malformed('a type is of two kinds');
    type = KINDS[index]?.(reader);
  });
  return type ?? malformed('a type is of no kind');
}

const KINDS: readonly ((reader: GobReader) => WireType)[] = [
  readArray,
  readSlice,
  readStruct,
  readMap,
  readOpaque,
  readOpaque,
  readOpaque,
];

function readArray(reader: GobReader): WireType {
  const [element = 0, length = 0] = readNumbers(reader, 2);
  return { kind: 'array', element, length };
}

function readSlice(reader: GobReader): WireType {
  const [element = 0] = readNumbers(reader, 1);
  return { kind: 'slice', element };
}

function readMap(reader: GobReader): WireType {
  const [key = 0, element = 0] = readNumbers(reader, 2);
  return { kind: 'map', key, element };
}

function readOpaque(reader: GobReader): WireType {
  readNumbers(reader, 0);
  return { kind: 'opaque' };
}

function readStruct(reader: GobReader): WireType {
  let name = '';
  const fields: WireField[] = [];
  readFields(reader, 2, (index) => {
    if (index === 0) {
      name = readCommon(reader).name;
      return;
    }
    for (let left = reader.count(); left > 0; left -= 1) fields.push(readField(reader));
  });
  return { kind: 'struct', name, fields };
}

function readField(reader: GobReader): WireField {
  let name = '';
  let type = 0;
  readFields(reader, 2, (index) => {
    if (index === 0) name = reader.text();
    else type = reader.int();
  });
  return { name, type };
}

/** What all kinds begin with, and the numbers that follow it. */
function readNumbers(reader: GobReader, count: number): readonly number[] {
  const numbers = new Array<number>(count).fill(0);
  readFields(reader, count + 1, (index) => {
    if (index === 0) readCommon(reader);
    else numbers[index - 1] = reader.int();
  });
  return numbers;
}

function readCommon(reader: GobReader): Common {
  const common: Common = { name: '' };
  readFields(reader, 2, (index) => {
    if (index === 0) common.name = reader.text();
    else reader.int();
  });
  return common;
}
