import * as fc from 'fast-check';

import { FrameDecoder, FrameEncoder } from '#lib/agent/ssntp/index';
import type { WireFrame } from '#lib/agent/ssntp/index';
import { isLibsnnetError } from '#lib/errors/index';
import { checkProperty } from '../../support/property';
import { capturedStream, capturedVectors, syntheticVectors } from './vectors';

const byte = fc.integer({ min: 0, max: 255 });
const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
  const hex = Buffer.from(bytes).toString('hex');
  return [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([a, b]) => hex.slice(a, b))
    .join('-');
});
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.integer({ min: 0, max: 70_000 }).map((length) => new Uint8Array(length).fill(7)),
);
const header = { major: byte, minor: byte, operand: byte };
const ends = { role: fc.nat({ max: 0xffff_ffff }), source: uuid, destination: uuid };
const time = fc
  .record(
    {
      seconds: fc.integer({ min: -62_135_596_799, max: 2 ** 50 }),
      nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
      zoneOffsetSeconds: fc.integer({ min: -86_399, max: 86_399 }),
    },
    { requiredKeys: ['seconds', 'nanoseconds'] },
  )
  // A zone of minus one minute means UTC.
  .filter(({ zoneOffsetSeconds: zone }) => zone === undefined || Math.trunc(zone / 60) !== -1);
const node = fc.record(
  { uuid, role: fc.nat({ max: 0xffff_ffff }), sent: time, received: time },
  { requiredKeys: ['uuid', 'role'] },
);
const trace = fc.record(
  {
    label: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    start: time,
    end: time,
    pathLength: byte,
    path: fc.array(node, { maxLength: 5 }),
  },
  { requiredKeys: ['pathLength', 'path'] },
);
const frame: fc.Arbitrary<WireFrame> = fc.oneof(
  fc.record({ kind: fc.constant('connect'), type: fc.constant(0), ...header, ...ends }),
  fc.record({
    kind: fc.constant('connected'),
    type: fc.constant(1),
    ...header,
    ...ends,
    payload,
  }),
  fc.record(
    { kind: fc.constant('frame'), type: byte, ...header, origin: uuid, payload, trace },
    { requiredKeys: ['kind', 'type', 'major', 'minor', 'operand', 'origin', 'payload'] },
  ),
);

function readAll(decoder: FrameDecoder): WireFrame[] {
  const frames: WireFrame[] = [];
  for (let next = decoder.read(); next !== undefined; next = decoder.read()) frames.push(next);
  return frames;
}

function cut(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  ends.sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

test('what is written is read the same, however it is cut', async () => {
  const cuts = fc.array(fc.nat(), { maxLength: 12 });
  await checkProperty(
    fc.property(fc.array(frame, { maxLength: 8 }), cuts, (frames, places) => {
      const encoder = new FrameEncoder();
      const decoder = new FrameDecoder();
      const stream = Buffer.concat(frames.map((one) => encoder.encode(one)));
      const read = cut(stream, places).flatMap((chunk) => {
        decoder.feed(chunk);
        return readAll(decoder);
      });
      expect(read).toEqual(frames);
      expect(decoder.pending).toBe(0);
    }),
    { runs: 300 },
  );
});

const samples: readonly Uint8Array[] = [
  capturedStream('c2s'),
  capturedStream('s2c'),
  ...[...capturedVectors(), ...syntheticVectors()]
    .map(({ definitions, value }) => Buffer.concat([definitions, value]))
    .filter((sample) => sample.length < 2000),
];
const change = fc.tuple(fc.nat(), fc.oneof(byte, fc.constantFrom(0, 1, 0x7f, 0x80, 0xf8, 0xff)));
const damaged = fc
  .tuple(fc.constantFrom(...samples), fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat())
  .map(([sample, changes, length]) => {
    const bytes = Uint8Array.from(sample);
    for (const [place, value] of changes) bytes[place % bytes.length] = value;
    return length % 3 === 0 ? bytes.subarray(0, length % bytes.length) : bytes;
  });

test('damaged streams and noise are read, waited for or refused, and nothing else', async () => {
  const noise = fc.uint8Array({ maxLength: 400 });
  await checkProperty(
    fc.property(fc.oneof(damaged, damaged, noise), fc.array(fc.nat()), (bytes, places) => {
      const decoder = new FrameDecoder(65_536);
      try {
        for (const chunk of cut(bytes, places)) {
          decoder.feed(chunk);
          readAll(decoder);
        }
      } catch (error) {
        const code = isLibsnnetError(error) ? error.code : error;
        expect(['SNNET_SSNTP_MALFORMED', 'SNNET_SSNTP_TOO_LARGE']).toContain(code);
      }
      expect(decoder.pending).toBeLessThanOrEqual(65_536 + 9);
    }),
    { runs: 5000 },
  );
});
