/** What the front and the daemon say to each other, cut into pieces of any size. */
import * as fc from 'fast-check';
import {
  decodeDaemonFrame,
  decodeFrontFrame,
  encodeDaemonFrame,
  encodeFrontFrame,
  FrameReader,
} from '#lib/cni/index';
import type { DaemonFrame, FrontFrame } from '#lib/cni/index';
import { checkProperty } from '../../support/property';

// What an environment and a file of text can hold: no NUL in the one, no lone surrogate in the other.
const text = fc.string({ unit: 'binary' });
const value = text.filter((it) => !it.includes('\0'));
const variable = fc.stringMatching(/^CNI_[A-Z]{1,12}$/);
const frontFrame: fc.Arbitrary<FrontFrame> = fc.oneof(
  fc.record({
    kind: fc.constant('request' as const),
    request: fc.record({
      environment: fc.dictionary(variable, value, { noNullPrototype: true }),
      config: text,
    }),
  }),
  fc.record({ kind: fc.constant('address' as const), given: text }),
);
const daemonFrame: fc.Arbitrary<DaemonFrame> = fc.oneof(
  fc.record({
    kind: fc.constant('answer' as const),
    status: fc.integer({ min: 0, max: 255 }),
    text,
  }),
  fc.record({ kind: fc.constant('wants-address' as const) }),
);

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const marks = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length];
  marks.sort((a, b) => a - b);
  return marks.slice(1).map((mark, index) => bytes.subarray(marks[index], mark));
}

test('frames come out as they went in, however the bytes come', async () => {
  await checkProperty(
    fc.property(fc.array(frontFrame), fc.array(fc.nat()), (frames, places) => {
      const reader = new FrameReader();
      const bytes = Buffer.concat(frames.map(encodeFrontFrame));
      const read = cut(bytes, places).flatMap((part) => reader.read(part));
      expect(read.map(decodeFrontFrame)).toEqual(frames);
    }),
  );
  await checkProperty(
    fc.property(daemonFrame, (frame) => {
      const [read] = new FrameReader().read(encodeDaemonFrame(frame));
      expect(read && decodeDaemonFrame(read)).toEqual(frame);
    }),
  );
});

test('bytes of no sense are refused, and never taken for something', async () => {
  await checkProperty(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
      const frame = Buffer.from(bytes);
      fc.pre(frame[0] !== 1 && frame[0] !== 2);
      expect(() => decodeFrontFrame(frame)).toThrow(/snnet-cni sent a frame of kind/);
    }),
  );
  const reader = (hex: string) => () => new FrameReader().read(Buffer.from(hex, 'hex'));
  expect(reader('00000000')).toThrow(/a frame of 0 bytes/);
  expect(reader('ffffffff')).toThrow(/a frame of 4294967295 bytes/);
  const front = (hex: string) => () => decodeFrontFrame(Buffer.from(hex, 'hex'));
  expect(front('0101')).toThrow(/without its head/);
  expect(front('010200000000')).toThrow(/different versions/);
  expect(front('010100000005aa')).toThrow(/cut off/);
});

test('the front in C++ means the same bytes', () => {
  const request = { environment: { CNI_COMMAND: 'ADD' }, config: '{}' };
  expect(encodeFrontFrame({ kind: 'request', request }).toString('hex')).toBe(
    '00000018010100000010434e495f434f4d4d414e443d414444007b7d',
  );
  expect(encodeDaemonFrame({ kind: 'answer', status: 1, text: 'x' }).toString('hex')).toBe(
    '00000003010178',
  );
  expect(encodeDaemonFrame({ kind: 'wants-address' }).toString('hex')).toBe('0000000102');
});
