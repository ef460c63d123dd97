import { APIError } from '../../errors';
import {
  CONNECT_DEFINITIONS,
  CONNECT_ID,
  CONNECTED_DEFINITIONS,
  CONNECTED_ID,
  FRAME_DEFINITIONS,
  FRAME_ID,
} from './definitions';
import { GobWriter } from './gob-writer';
import { timeBytes } from './time';
import { uuidBytes } from './uuid';
import { NO_BYTES } from './wire-frame';
import type {
  ConnectedFrame,
  ConnectFrame,
  PlainFrame,
  SsntpTime,
  SsntpTrace,
  SsntpTraceNode,
  WireFrame,
} from './wire-frame';

const DEFINITIONS: Readonly<Record<WireFrame['kind'], Uint8Array>> = {
  connect: CONNECT_DEFINITIONS,
  connected: CONNECTED_DEFINITIONS,
  frame: FRAME_DEFINITIONS,
};

/** Makes bytes of frames, for one direction of one connection: each type is defined before its first value. */
export class FrameEncoder {
  readonly #defined = new Set<WireFrame['kind']>();
  readonly #writer = new FieldWriter();
  readonly #most: number;

  constructor(mostFrameBytes = Infinity) {
    this.#most = mostFrameBytes;
  }

  /** Throws for a frame that is too large, and then has not begun to send it. */
  encode(frame: WireFrame): Buffer {
    const writer = this.#writer;
    writer.begin();
    if (frame.kind === 'frame') writePlain(writer, frame);
    else writeHandshake(writer, frame);
    const isFirst = !this.#defined.has(frame.kind);
    const bytes = writer.finish(isFirst ? DEFINITIONS[frame.kind] : NO_BYTES);
    if (bytes.length > this.#most) {
      const detail = `it has ${bytes.length} bytes; at most ${this.#most} are allowed`;
      throw new APIError('SNNET_SSNTP_TOO_LARGE', { operation: 'send', detail });
    }
    this.#defined.add(frame.kind);
    return bytes;
  }
}

/** Writes the fields of a struct: zeros are left out, and the next one counts past them. */
class FieldWriter extends GobWriter {
  #skipped = 1;

  open(): void {
    this.#skipped = 1;
  }

  /** A field that is there: its value is written next. */
  field(): void {
    this.uint(this.#skipped);
    this.#skipped = 1;
  }

  absent(): void {
    this.#skipped += 1;
  }

  numberField(value: number): void {
    if (value === 0) {
      this.absent();
      return;
    }
    this.field();
    this.uint(value);
  }

  bytesField(value: Uint8Array | undefined): void {
    if (value === undefined || value.length === 0) {
      this.absent();
      return;
    }
    this.field();
    this.bytes(value);
  }

  timeField(value: SsntpTime | undefined): void {
    this.bytesField(value === undefined ? undefined : timeBytes(value));
  }

  close(): void {
    this.uint(0);
  }
}

function writeHeader(writer: FieldWriter, id: number, frame: WireFrame): void {
  writer.int(id);
  writer.open();
  writer.numberField(frame.major);
  writer.numberField(frame.minor);
  writer.numberField(frame.type);
  writer.numberField(frame.operand);
}

function writeHandshake(writer: FieldWriter, frame: ConnectFrame | ConnectedFrame): void {
  writeHeader(writer, frame.kind === 'connect' ? CONNECT_ID : CONNECTED_ID, frame);
  writer.numberField(frame.role);
  writer.bytesField(uuidBytes(frame.source));
  writer.bytesField(uuidBytes(frame.destination));
  if (frame.kind === 'connected') {
    writer.numberField(frame.payload.length);
    writer.bytesField(frame.payload);
  }
  writer.close();
}

function writePlain(writer: FieldWriter, frame: PlainFrame): void {
  writeHeader(writer, FRAME_ID, frame);
  // An array is never left out.
  writer.field();
  writer.array(uuidBytes(frame.origin));
  writer.numberField(frame.payload.length);
  if (frame.trace === undefined) {
    writer.absent();
  } else {
    writer.field();
    writeTrace(writer, frame.trace);
  }
  writer.bytesField(frame.payload);
  writer.close();
}

function writeTrace(writer: FieldWriter, trace: SsntpTrace): void {
  writer.open();
  writer.bytesField(trace.label);
  writer.timeField(trace.start);
  writer.timeField(trace.end);
  writer.numberField(trace.pathLength);
  if (trace.path.length > 0) {
    writer.field();
    writer.uint(trace.path.length);
    for (const node of trace.path) writeNode(writer, node);
  }
  writer.close();
  writer.open();
}

function writeNode(writer: FieldWriter, node: SsntpTraceNode): void {
  writer.open();
  writer.bytesField(uuidBytes(node.uuid));
  writer.numberField(node.role);
  writer.timeField(node.sent);
  writer.timeField(node.received);
  writer.close();
}
