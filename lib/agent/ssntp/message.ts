import { isUint8Array } from 'node:util/types';

import {
  defineShape,
  nested,
  optional,
  parseChoice,
  parseInteger,
  parseList,
  refuse,
  withDefault,
  withOperation,
} from '../../model';
import { FRAME_TYPES, OPERANDS } from './numbers';
import type { SsntpFrameType, SsntpOperand } from './numbers';
import { parseUuid } from './uuid';
import { NO_BYTES, VERSION } from './wire-frame';
import type { PlainFrame, SsntpTrace } from './wire-frame';

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

/** A frame to send. A frame that came is one too. */
export type SsntpMessage =
  MessageOf<'COMMAND'> | MessageOf<'STATUS'> | MessageOf<'EVENT'> | MessageOf<'ERROR'>;

const LONGEST_PATH = 255;
const LARGEST_WORD = 0xffff_ffff;
/** As far from 1970 as whole numbers are exact; the year 1 in the other direction. */
const EARLIEST_SECOND = -62_135_596_800;
const LATEST_SECOND = 2 ** 52;
const LAST_NANOSECOND = 999_999_999;
const WIDEST_ZONE = 0x7fff * 60;

const parseTime = nested({
  seconds: whole(EARLIEST_SECOND, LATEST_SECOND),
  nanoseconds: whole(0, LAST_NANOSECOND),
  zoneOffsetSeconds: optional(whole(-WIDEST_ZONE, WIDEST_ZONE)),
});

const parseNode = nested({
  uuid: parseUuid,
  role: whole(0, LARGEST_WORD),
  received: optional(parseTime),
  sent: optional(parseTime),
});

const parseTrace = nested({
  label: optional(parseBytes),
  start: optional(parseTime),
  end: optional(parseTime),
  pathLength: whole(0, 0xff),
  path: (value, field) => parseList(value, field, parseNode, LONGEST_PATH),
});

const parseShape = defineShape('message', {
  type: (value, field) => parseChoice(value, field, FRAME_TYPES),
  operand: (value) => value,
  payload: parsePayload,
  origin: optional(parseUuid),
  major: withDefault(whole(0, 0xff), VERSION.major),
  trace: optional(parseTrace),
});

/** The frame as it goes on the wire; throws for what cannot go there. */
export function parseMessage(message: SsntpMessage, sender: string): PlainFrame {
  const { type, operand, payload, origin, major, trace } = parseShape(message, 'send');
  const frame: PlainFrame = {
    kind: 'frame',
    major,
    minor: VERSION.minor,
    type: FRAME_TYPES.indexOf(type),
    operand: withOperation('send', () => parseOperand(operand, OPERANDS[type])),
    origin: origin ?? sender,
    payload,
  };
  return trace === undefined ? frame : { ...frame, trace };
}

/** Bytes, or text as UTF-8. */
export function parsePayload(value: unknown, field: string): Uint8Array {
  if (value === undefined) return NO_BYTES;
  return typeof value === 'string' ? Buffer.from(value) : parseBytes(value, field);
}

function parseBytes(value: unknown, field: string): Uint8Array {
  return isUint8Array(value) ? value : refuse(value, field, 'bytes or text');
}

function parseOperand(value: unknown, names: readonly string[]): number {
  const place = names.findIndex((name) => name === value);
  if (place >= 0) return place;
  return Number.isInteger(value)
    ? parseInteger(value, 'operand', { least: 0, most: 0xff })
    : refuse(value, 'operand', `one of ${names.join(', ')}, or a number`);
}

function whole(least: number, most: number): (value: unknown, field: string) => number {
  return (value, field) => parseInteger(value, field, { least, most });
}
