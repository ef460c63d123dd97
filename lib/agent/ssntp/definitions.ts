import { BYTES, UINT } from './gob-types';
import type { WireField } from './gob-types';
import { GobWriter } from './gob-writer';

/** The numbers of our types: the ones that the original's programs most often come to. */
export const CONNECT_ID = 65;
export const CONNECTED_ID = 66;
export const FRAME_ID = 67;
const UUID_ID = 68;
const TRACE_ID = 69;
const TIME_ID = 70;
const NODE_ID = 71;
const PATH_ID = 72;

// Where each kind stands in a definition.
const ARRAY = 0;
const SLICE = 1;
const STRUCT = 2;
const OPAQUE = 4;

type Describe = (writer: GobWriter) => void;

/** A list of names and their types, as `Name` and number by turns. */
function fields(...pairs: readonly (readonly [string, number])[]): readonly WireField[] {
  return pairs.map(([name, type]) => ({ name, type }));
}

const HEADER = fields(['Major', UINT], ['Minor', UINT], ['Type', UINT], ['Operand', UINT]);
const ENDS = fields(['Role', UINT], ['Source', BYTES], ['Destination', BYTES]);
const PAYLOAD = fields(['PayloadLength', UINT], ['Payload', BYTES]);

export const CONNECT_DEFINITIONS = define(CONNECT_ID, 'ConnectFrame', STRUCT, (writer) =>
  structBody(writer, [...HEADER, ...ENDS]),
);

export const CONNECTED_DEFINITIONS = define(CONNECTED_ID, 'ConnectedFrame', STRUCT, (writer) =>
  structBody(writer, [...HEADER, ...ENDS, ...PAYLOAD]),
);

/** Of plain frames, outer types first. */
export const FRAME_DEFINITIONS = Buffer.concat([
  define(FRAME_ID, 'Frame', STRUCT, (writer) =>
    structBody(writer, [
      ...HEADER,
      ...fields(['Origin', UUID_ID], ['PayloadLength', UINT], ['Trace', TRACE_ID]),
      ...fields(['Payload', BYTES]),
    ]),
  ),
  define(UUID_ID, 'UUID', ARRAY, (writer) => {
    numberField(writer, UINT);
    numberField(writer, 16);
  }),
  define(TRACE_ID, 'FrameTrace', STRUCT, (writer) =>
    structBody(writer, [
      ...fields(['Label', BYTES], ['StartTimestamp', TIME_ID], ['EndTimestamp', TIME_ID]),
      ...fields(['PathLength', UINT], ['Path', PATH_ID]),
    ]),
  ),
  define(TIME_ID, 'Time', OPAQUE, () => undefined),
  define(PATH_ID, '[]ssntp.Node', SLICE, (writer) => numberField(writer, NODE_ID)),
  define(NODE_ID, 'Node', STRUCT, (writer) =>
    structBody(writer, [
      ...fields(['UUID', BYTES], ['Role', UINT]),
      ...fields(['TxTimestamp', TIME_ID], ['RxTimestamp', TIME_ID]),
    ]),
  ),
]);

function define(id: number, name: string, kind: number, describe: Describe): Buffer {
  const writer = new GobWriter();
  writer.begin();
  writer.int(-id);
  writer.uint(kind + 1);
  writer.uint(1);
  writer.uint(1);
  writer.text(name);
  numberField(writer, id);
  writer.uint(0);
  describe(writer);
  writer.uint(0);
  writer.uint(0);
  return writer.finish(Buffer.alloc(0));
}

function structBody(writer: GobWriter, all: readonly WireField[]): void {
  writer.uint(1);
  writer.uint(all.length);
  for (const { name, type } of all) {
    writer.uint(1);
    writer.text(name);
    numberField(writer, type);
    writer.uint(0);
  }
}

/** The next field, which is a number. */
function numberField(writer: GobWriter, value: number): void {
  writer.uint(1);
  writer.int(value);
}
