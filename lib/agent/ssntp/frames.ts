import { FRAME_TYPES, OPERANDS } from './numbers';
import type { SsntpFrameType, SsntpOperand } from './numbers';
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
