import type { GobReader } from './gob-reader';
import { BYTES, STRING, UINT } from './gob-types';
import type { TypeTable } from './gob-types';
import { malformed } from './malformed';
import { COMMAND, STATUS } from './numbers';
import { readTime } from './time';
import { formatUuid, NIL_UUID, UUID_BYTES } from './uuid';
import { NO_BYTES } from './wire-frame';
import type { SsntpTime, SsntpTrace, SsntpTraceNode, WireFrame } from './wire-frame';

/** Reads one field of a value into what is being made of it. */
type Read<T> = (reader: GobReader, target: T) => void;
/** Checks that a field's type is what it must be, and gives the reader for it. */
type Compile<T> = (types: TypeTable, id: number) => Read<T>;
type Shape<T> = ReadonlyMap<string, Compile<T>>;

const LARGEST_BYTE = 0xff;
const LARGEST_WORD = 0xffff_ffff;
/** Its length is a byte in the original. */
const LONGEST_PATH = 255;

/** All fields of the three kinds of frames; a field that was not sent is zero. */
class Draft {
  major = 0;
  minor = 0;
  type = 0;
  operand = 0;
  role = 0;
  source = NIL_UUID;
  destination = NIL_UUID;
  origin = NIL_UUID;
  payload: Uint8Array = NO_BYTES;
  trace: SsntpTrace | undefined;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

const FRAME: Shape<Draft> = new Map<string, Compile<Draft>>([
  ['Major', number(LARGEST_BYTE, (draft, value) => (draft.major = value))],
  ['Minor', number(LARGEST_BYTE, (draft, value) => (draft.minor = value))],
  ['Type', number(LARGEST_BYTE, (draft, value) => (draft.type = value))],
  ['Operand', number(LARGEST_BYTE, (draft, value) => (draft.operand = value))],
  ['Role', number(LARGEST_WORD, (draft, value) => (draft.role = value))],
  ['Source', bytes((draft, value) => (draft.source = uuidOf(value)))],
  ['Destination', bytes((draft, value) => (draft.destination = uuidOf(value)))],
  ['Origin', uuidArray((draft, value) => (draft.origin = value))],
  ['PayloadLength', number(LARGEST_WORD, () => undefined)],
  // What comes after it may overwrite the bytes that are read from.
  ['Payload', bytes((draft, value) => (draft.payload = new Uint8Array(value)))],
  ['Trace', struct(traceShape(), emptyTrace, (draft, value) => (draft.trace = frozen(value)))],
]);

/** Reads the values of one type. */
export type FrameReader = (reader: GobReader) => WireFrame;

/**
 * Makes the reader for values of a type, by the names of its fields as Go does: what the type lacks
 * stays zero, what it has beyond ours is read past.
 */
export function compileFrame(types: TypeTable, id: number): FrameReader {
  const type = types.get(id);
  if (type?.kind !== 'struct') return malformed(`a value is of type ${id}, which is no frame`);
  const names = new Set(type.fields.map(({ name }) => name));
  if (!names.has('Type') && !names.has('Operand')) malformed(`${type.name} is no frame`);
  const read = compileStruct(types, id, FRAME);
  const build = names.has('Role') ? handshakeFrame : plainFrame;
  return (reader) => {
    const draft = new Draft();
    read(reader, draft);
    return Object.freeze(build(draft));
  };
}

/** Names of types are the sender's affair: only the two frames of the handshake have a role. */
function handshakeFrame(draft: Draft): WireFrame {
  const { major, minor, type, operand, role, source, destination, payload } = draft;
  const ends = { major, minor, type, operand, role, source, destination };
  if (type === COMMAND) return { kind: 'connect', ...ends };
  return type === STATUS ? { kind: 'connected', ...ends, payload } : plainFrame(draft);
}

function plainFrame({ major, minor, type, operand, origin, payload, trace }: Draft): WireFrame {
  return trace === undefined
    ? { kind: 'frame', major, minor, type, operand, origin, payload }
    : { kind: 'frame', major, minor, type, operand, origin, payload, trace };
}

function traceShape(): Shape<Mutable<SsntpTrace>> {
  type Draft = Mutable<SsntpTrace>;
  return new Map<string, Compile<Draft>>([
    ['Label', bytes((trace, value) => (trace.label = new Uint8Array(value)))],
    ['StartTimestamp', time((trace, value) => (trace.start = value))],
    ['EndTimestamp', time((trace, value) => (trace.end = value))],
    ['PathLength', number(LONGEST_PATH, (trace, value) => (trace.pathLength = value))],
    ['Path', list(nodeShape(), emptyNode, (trace, value) => (trace.path = value))],
  ]);
}

function nodeShape(): Shape<Mutable<SsntpTraceNode>> {
  type Draft = Mutable<SsntpTraceNode>;
  return new Map<string, Compile<Draft>>([
    ['UUID', bytes((node, value) => (node.uuid = uuidOf(value)))],
    ['Role', number(LARGEST_WORD, (node, value) => (node.role = value))],
    ['TxTimestamp', time((node, value) => (node.sent = value))],
    ['RxTimestamp', time((node, value) => (node.received = value))],
  ]);
}

function emptyTrace(): Mutable<SsntpTrace> {
  return { pathLength: 0, path: NO_PATH };
}

function emptyNode(): Mutable<SsntpTraceNode> {
  return { uuid: NIL_UUID, role: 0 };
}

const NO_PATH: readonly SsntpTraceNode[] = Object.freeze([]);

function frozen<T>(value: T): T {
  return Object.freeze(value);
}

// ---------------------------------------------------------------- fields

function compileStruct<T>(types: TypeTable, id: number, shape: Shape<T>): Read<T> {
  const type = types.get(id);
  if (type?.kind !== 'struct') return malformed(`type ${id} is not a struct`);
  const reads = type.fields.map(({ name, type: field }): Read<T> => {
    const compile = shape.get(name);
    return compile === undefined ? (reader) => types.skip(reader, field) : compile(types, field);
  });
  return (reader, target) => {
    let index = -1;
    for (let delta = reader.uint(); delta !== 0; delta = reader.uint()) {
      index += delta;
      const read = reads[index];
      if (read === undefined) malformed('a value has a field that its type has not');
      read(reader, target);
    }
  };
}

function number<T>(largest: number, set: (target: T, value: number) => void): Compile<T> {
  return (_types, id) => {
    if (id !== UINT) malformed(`a field that is a number is of type ${id}`);
    return (reader, target) => {
      const value = reader.uint();
      if (value > largest) malformed(`${value} is too large for its field`);
      set(target, value);
    };
  };
}

function bytes<T>(set: (target: T, value: Uint8Array) => void): Compile<T> {
  return (_types, id) => {
    if (id !== BYTES && id !== STRING) malformed(`a field that is bytes is of type ${id}`);
    return (reader, target) => set(target, reader.bytes());
  };
}

function time<T>(set: (target: T, value: SsntpTime) => void): Compile<T> {
  return (types, id) => {
    if (types.get(id)?.kind !== 'opaque') malformed(`a field that is a time is of type ${id}`);
    return (reader, target) => set(target, readTime(reader.bytes()));
  };
}

/** An array of numbers, each of which takes two bytes from 128 on. */
function uuidArray<T>(set: (target: T, value: string) => void): Compile<T> {
  return (types, id) => {
    const type = types.get(id);
    if (type?.kind !== 'array' || type.element !== UINT || type.length !== UUID_BYTES) {
      malformed(`a field that is a UUID is of type ${id}`);
    }
    return (reader, target) => {
      if (reader.uint() !== UUID_BYTES) malformed('a UUID has not sixteen bytes');
      const uuid = new Uint8Array(UUID_BYTES);
      for (let index = 0; index < UUID_BYTES; index += 1) {
        const value = reader.uint();
        if (value > LARGEST_BYTE) malformed('a byte of a UUID is too large');
        uuid[index] = value;
      }
      set(target, formatUuid(uuid));
    };
  };
}

function struct<T, V extends object>(
  shape: Shape<V>,
  make: () => V,
  set: (target: T, value: V) => void,
): Compile<T> {
  return (types, id) => {
    const read = compileStruct(types, id, shape);
    return (reader, target) => {
      const value = make();
      read(reader, value);
      set(target, value);
    };
  };
}

function list<T, V extends object>(
  shape: Shape<V>,
  make: () => V,
  set: (target: T, value: readonly V[]) => void,
): Compile<T> {
  return (types, id) => {
    const type = types.get(id);
    if (type?.kind !== 'slice') return malformed(`a field that is a list is of type ${id}`);
    const read = compileStruct(types, type.element, shape);
    return (reader, target) => {
      const count = reader.count();
      if (count > LONGEST_PATH) malformed(`a path has ${count} nodes`);
      const values: V[] = [];
      while (values.length < count) {
        const value = make();
        read(reader, value);
        values.push(Object.freeze(value));
      }
      set(target, Object.freeze(values));
    };
  };
}

function uuidOf(value: Uint8Array): string {
  if (value.length === 0) return NIL_UUID;
  return value.length === UUID_BYTES
    ? formatUuid(value)
    : malformed('a UUID has not sixteen bytes');
}
