/**
 * Our own child on bytes: what a frame of SSNTP costs to write and to read. Nothing is sent.
 */
import { FrameDecoder, FrameEncoder } from '#lib/agent/ssntp/index';
import type { WireFrame } from '#lib/agent/ssntp/index';

import { microsecondsSince, type Answer, type Command } from './protocol';

/** Timed together: one frame is over before the clock has been read. */
const BATCH = 1000;
/** As much as a TLS record holds. */
const CHUNK = 16_384;
/** As long as the text that announces a tunnel. */
const PAYLOAD = new Uint8Array(285).fill(0x61);

const FRAME: WireFrame = {
  kind: 'frame',
  major: 0,
  minor: 1,
  type: 3,
  operand: 0,
  origin: 'f1b89154-3bdb-4aac-9644-1e42d6484621',
  payload: PAYLOAD,
};

function writeFrames(n: number): Answer {
  const us: number[] = [];
  const encoder = new FrameEncoder();
  let bytes = 0;
  for (let done = 0; done < n; done += BATCH) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++) bytes += encoder.encode(FRAME).length;
    us.push(microsecondsSince(start) / BATCH);
  }
  return { us, count: bytes > n * PAYLOAD.length ? n : 0 };
}

function readFrames(n: number): Answer {
  const us: number[] = [];
  const encoder = new FrameEncoder();
  const decoder = new FrameDecoder();
  let count = 0;
  for (let done = 0; done < n; done += BATCH) {
    const stream = Buffer.concat(Array.from({ length: BATCH }, () => encoder.encode(FRAME)));
    const start = process.hrtime.bigint();
    for (let at = 0; at < stream.length; at += CHUNK) {
      decoder.feed(stream.subarray(at, at + CHUNK));
      while (decoder.read() !== undefined) count++;
    }
    us.push(microsecondsSince(start) / BATCH);
  }
  return { us, count };
}

/** Nothing where the command is for somebody else. */
export function executeOnFrames({ cmd, n }: Command): Answer | undefined {
  switch (cmd) {
    case 'ssntp-write':
      return writeFrames(n);
    case 'ssntp-read':
      return readFrames(n);
    default:
      return undefined;
  }
}
