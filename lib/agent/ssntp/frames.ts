import { refuse, withOperation } from '../../model';
import { FRAME_TYPES, OPERANDS } from './numbers';
import type { SsntpFrameType, SsntpOperand } from './numbers';
import { parseUuid } from './uuid';
import { NO_BYTES, VERSION } from './wire-frame';
import type { PlainFrame, SsntpTrace } from './wire-frame';

interface FrameOf<T extends SsntpFrameType> {
  readonly type: T;
  /** By name; a number that has none stays a number. */
  readonly operand: SsntpOperand<T> | number;
  /** Who sent it first; all zeros where nobody did. */
  readonly origin: string;
  /** YAML in UTF-8, most often. */
  readonly payload: Uint8Array;
  /** Bit 7 is set where the path is traced, too. */
  readonly major: number;
  /** There if the frame is traced. */
  readonly trace?: SsntpTrace;
}

/** A frame that came; every frame but the two of the handshake. */
export type SsntpFrame =
  FrameOf<'COMMAND'> | FrameOf<'STATUS'> | FrameOf<'EVENT'> | FrameOf<'ERROR'>;

interface MessageOf<T extends SsntpFrameType> {
  readonly type: T;
  readonly operand: SsntpOperand<T> | number;
  /** Text goes as UTF-8. Default: none. */
  readonly payload?: Uint8Array | string | undefined;
  /** Whom it is from at first; a frame that is passed on keeps its own. Default: the sender. */
  readonly origin?: string | undefined;
  /** Passed on as it came. */
  readonly major?: number | undefined;
  /** Passed on as it came. */
  readonly trace?: SsntpTrace | undefined;
}

/** A frame to send. An {@link SsntpFrame} is one too. */
export type SsntpMessage =
  MessageOf<'COMMAND'> | MessageOf<'STATUS'> | MessageOf<'EVENT'> | MessageOf<'ERROR'>;

/** The frame by its names; `undefined` if it is of no known type. */
export function nameFrame(wire: PlainFrame): SsntpFrame | undefined {
  const type = FRAME_TYPES[wire.type];
  if (type === undefined) return undefined;
  const operand = OPERANDS[type][wire.operand] ?? wire.operand;
  const { origin, payload, major, trace } = wire;
  // The table gives each type its own operands.
  const frame = { type, operand, origin, payload, major } as SsntpFrame;
  return Object.freeze(trace === undefined ? frame : { ...frame, trace });
}

/** The frame as it goes on the wire; throws for what cannot go there. */
export function parseMessage(message: SsntpMessage, sender: string): PlainFrame {
  return withOperation('send', () => {
    const type = FRAME_TYPES.indexOf(message.type);
    if (type < 0) refuse(message.type, 'type', 'COMMAND, STATUS, EVENT or ERROR');
    const frame: PlainFrame = {
      kind: 'frame',
      major: parseByte(message.major ?? VERSION.major, 'major'),
      minor: VERSION.minor,
      type,
      operand: parseOperand(message),
      origin: message.origin === undefined ? sender : parseUuid(message.origin, 'origin'),
      payload: parsePayload(message.payload, 'payload'),
    };
    return message.trace === undefined ? frame : { ...frame, trace: message.trace };
  });
}

/** Bytes, or text as UTF-8. */
export function parsePayload(value: unknown, field: string): Uint8Array {
  if (value === undefined) return NO_BYTES;
  if (typeof value === 'string') return Buffer.from(value);
  return value instanceof Uint8Array ? value : refuse(value, field, 'bytes or text');
}

function parseOperand(message: SsntpMessage): number {
  const names: readonly string[] = OPERANDS[message.type];
  if (typeof message.operand === 'number') return parseByte(message.operand, 'operand');
  const operand = names.indexOf(message.operand);
  return operand < 0
    ? refuse(message.operand, 'operand', `one of ${names.join(', ')}, or a number`)
    : operand;
}

function parseByte(value: number, field: string): number {
  return Number.isInteger(value) && value >= 0 && value <= 0xff
    ? value
    : refuse(value, field, 'a whole number from 0 to 255');
}
