import { FrameDecoder, FrameEncoder, nameFrame } from '#lib/agent/ssntp/index';
import type { WireFrame } from '#lib/agent/ssntp/index';
import { refusalOf } from '../helpers/refusal';
import { capturedStream, capturedVectors, syntheticVectors } from './vectors';
import type { Vector } from './vectors';

const captured = capturedVectors();
const synthetic = syntheticVectors();

function decodeAll(...chunks: readonly Uint8Array[]): readonly WireFrame[] {
  const decoder = new FrameDecoder();
  const frames: WireFrame[] = [];
  for (const chunk of chunks) {
    decoder.feed(chunk);
    for (let frame = decoder.read(); frame !== undefined; frame = decoder.read()) {
      frames.push(frame);
    }
  }
  expect(decoder.pending).toBe(0);
  return frames;
}

function decodeOne({ definitions, value }: Pick<Vector, 'definitions' | 'value'>): WireFrame {
  const frames = decodeAll(Buffer.concat([definitions, value]));
  expect(frames).toHaveLength(1);
  return frames[0]!;
}

const plain = (uuid: string) => uuid.replaceAll('-', '');

describe('frames of the original', () => {
  test.each(captured.map((vector) => [vector.id, vector] as const))(
    '%s is read as Go reads it',
    (_id, vector) => {
      const frame = decodeOne(vector);
      const go = vector.decoded!;
      expect(frame).toMatchObject({
        kind: go.Kind,
        major: go.Major,
        minor: go.Minor,
        type: go.Type,
        operand: go.Operand,
      });
      if (frame.kind === 'frame') {
        expect(plain(frame.origin)).toBe(plain(go.Origin!));
        const named = nameFrame(frame)!;
        expect([named.type, named.operand]).toEqual([vector.names!.type, vector.names!.operand]);
      } else {
        expect(frame.role).toBe(go.Role);
        expect(plain(frame.source)).toBe(plain(go.Source!));
        expect(plain(frame.destination)).toBe(plain(go.Destination!));
      }
      if (frame.kind !== 'connect') {
        expect(Buffer.from(frame.payload).toString('hex')).toBe(go.PayloadHex);
      }
    },
  );

  test.each([...captured, ...synthetic].map((vector) => [vector.id, vector] as const))(
    '%s is written as Go would read it',
    (_id, vector) => {
      const frame = decodeOne(vector);
      const ours = new FrameEncoder().encode(frame);
      expect(decodeAll(ours)).toEqual([frame]);
      // Go's own numbers for types differ from run to run, and nothing else does.
      expect(withoutType(valueOf(ours, vector.definitions))).toBe(withoutType(vector.value));
    },
  );

  test.each(['c2s', 's2c'] as const)(
    'the whole stream %s comes out the same, however it is cut',
    (direction) => {
      const stream = capturedStream(direction);
      const whole = decodeAll(stream);
      expect(whole.length).toBeGreaterThan(3);
      for (const size of [1, 2, 3, 7, 64, 1000]) {
        const chunks = [];
        for (let at = 0; at < stream.length; at += size)
          chunks.push(stream.subarray(at, at + size));
        expect(decodeAll(...chunks)).toEqual(whole);
      }
    },
  );

  test('a stream of an original client is written byte for byte', () => {
    const stream = capturedStream('c2s');
    const encoder = new FrameEncoder();
    const ours = Buffer.concat(decodeAll(stream).map((frame) => encoder.encode(frame)));
    // The two number their types differently; the definitions are as long, so all else is in place.
    expect(ours).toHaveLength(stream.length);
    expect(decodeAll(ours)).toEqual(decodeAll(stream));
  });
});

describe('traces', () => {
  const traced = (id: string) => {
    const frame = decodeOne(synthetic.find((vector) => vector.id === id)!);
    if (frame.kind !== 'frame') throw new Error('not a plain frame');
    return frame;
  };

  test('a path is kept with its times and zones', () => {
    const frame = traced('traced-3-nodes');
    expect(frame.major & 0x80).toBe(0x80);
    expect(frame.trace?.path).toHaveLength(3);
    expect(frame.trace?.pathLength).toBe(3);
    expect(frame.trace?.end).toBeDefined();
    expect(traced('traced-1-node').trace?.start).not.toHaveProperty('zoneOffsetSeconds');
  });

  test('a label may stand alone', () => {
    const frame = traced('label-only');
    expect(frame.major).toBe(0);
    expect(frame.trace).toEqual({ label: expect.any(Uint8Array), pathLength: 0, path: [] });
  });
});

describe('a payload', () => {
  test('outlives the bytes that it was read from', () => {
    const { definitions, value } = synthetic.find(({ id }) => id === 'event-tenant-added')!;
    const stream = Buffer.concat([definitions, value]);
    const decoder = new FrameDecoder();
    decoder.feed(stream);
    const frame = decoder.read();
    stream.fill(0);
    expect(Buffer.from((frame as { payload: Uint8Array }).payload).toString()).toMatch(
      /^tenant_added:/,
    );
  });
});

describe('types are read by their definitions', () => {
  test('a frame that is defined with fewer fields is read', () => {
    // Minor, Type, Operand, Origin and no more, under numbers of its own.
    const definitions = Buffer.from(
      '36ff870301010146' + // struct "F"
        '01ff880001040105' +
        '4d696e6f72' +
        '0106000104' +
        '54797065' +
        '0106000107' +
        '4f706572616e64' +
        '0106000106' +
        '4f726967696e' +
        '01ff8a000000',
      'hex',
    );
    definitions[0] = definitions.length - 1;
    const uuid = Buffer.from('11ff890101010155' + '01ff8a000106' + '01200000', 'hex');
    uuid[0] = uuid.length - 1;
    const value = Buffer.from(
      '19ff88' + '0101' + '0103' + '02' + '10' + '01'.repeat(16) + '00',
      'hex',
    );
    value[0] = value.length - 1;
    // The operand is zero and left out: Origin comes two after Type.
    expect(withoutFrame(decodeAll(definitions, uuid, value))).toEqual([
      { minor: 1, type: 3, operand: 0, origin: '01010101-0101-0101-0101-010101010101' },
    ]);
  });
});

describe('hostile bytes are refused', () => {
  const frame = synthetic.find(({ id }) => id === 'event-tenant-added')!;
  const whole = Buffer.concat([frame.definitions, frame.value]);

  test.each([
    ['an empty message', '00'],
    ['a length of nine bytes', 'f7010101010101010101'],
    ['a type that was not defined', '03ff8200'],
    ['type 0', '0200'.concat('00')],
    ['a definition of one of gob’s own types', '020301'],
    ['a definition of no kind', '03ff8100'],
    ['a definition of two kinds', '0aff81010000010000000000'],
    ['a definition that ends too early', '08ff81030101'.concat('0a466f6f')],
    ['a message of 2^53 bytes', 'f8ffffffffffffffff'],
  ])('%s', (_what, hex) => {
    expect(['SNNET_SSNTP_MALFORMED', 'SNNET_SSNTP_TOO_LARGE']).toContain(
      refusalOf(() => decodeAll(Buffer.from(hex, 'hex'))).code,
    );
  });

  test('a frame beyond the cap, before any of it has come', () => {
    const decoder = new FrameDecoder(1000);
    decoder.feed(Buffer.from('fd0f4240', 'hex'));
    expect(refusalOf(() => decoder.read()).code).toBe('SNNET_SSNTP_TOO_LARGE');
  });

  test('a type that is defined twice', () => {
    const twice = Buffer.concat([frame.definitions, frame.definitions]);
    expect(refusalOf(() => decodeAll(twice)).message).toMatch(/defined twice/);
  });

  test('definitions without end', () => {
    const decoder = new FrameDecoder();
    const refusal = refusalOf(() => {
      for (let id = 65; ; id += 1) {
        decoder.feed(definitionOf(id));
        decoder.read();
      }
    });
    expect(refusal.message).toMatch(/too many types/);
  });

  test('a value that is cut short or followed by more', () => {
    const short = Buffer.from(frame.value);
    short.writeUInt16BE(short.readUInt16BE(1) - 1, 1);
    expect(() => decodeAll(frame.definitions, short.subarray(0, -1))).toThrow(/ends in the middle/);
    const long = Buffer.concat([frame.value, Buffer.from([0])]);
    long.writeUInt16BE(long.readUInt16BE(1) + 1, 1);
    expect(() => decodeAll(frame.definitions, long)).toThrow(/bytes follow/);
    expect(() => decodeAll(whole)).not.toThrow();
  });
});

function definitionOf(id: number): Buffer {
  const body = Buffer.concat([
    Buffer.from([0xfe, 0, 0, 5, 1, 1, 0xfe, 0x10, 0x00]),
    Buffer.alloc(4096, 0x61),
    Buffer.from([0, 0, 0]),
  ]);
  body.writeUInt16BE(id * 2 - 1, 1);
  const prefix = Buffer.from([0xfe, 0, 0]);
  prefix.writeUInt16BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

/** Our value message: the last one, after the same number of bytes of definitions. */
function valueOf(encoded: Buffer, definitions: Buffer): Buffer {
  let at = 0;
  let last = 0;
  while (at < encoded.length) {
    last = at;
    const first = encoded[at]!;
    const count = first < 0x80 ? 0 : 0x100 - first;
    const length = count === 0 ? first : encoded.readUIntBE(at + 1, count);
    at += 1 + count + length;
  }
  expect(definitions.length).toBeGreaterThan(0);
  return encoded.subarray(last);
}

/** A value in hex, its type's number (two bytes behind the length) blanked. */
function withoutType(value: Buffer): string {
  const copy = Buffer.from(value);
  const first = copy[0]!;
  const prefix = first < 0x80 ? 1 : 0x101 - first;
  copy.fill(0, prefix, prefix + 2);
  return copy.toString('hex');
}

function withoutFrame(frames: readonly WireFrame[]) {
  return frames.map((frame) => {
    if (frame.kind !== 'frame') throw new Error('not a plain frame');
    const { minor, type, operand, origin } = frame;
    return { minor, type, operand, origin };
  });
}
