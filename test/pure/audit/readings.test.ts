/** What the audit reads about others: mounts, lists of containers, lists of pods. */
import * as fc from 'fast-check';
import { decodeSandboxes } from '#lib/audit/cri';
import { hiddenProcesses, inodeIn, namespacesMounted, parseMounts } from '#lib/audit/mountinfo';
import { decodeMessage } from '#lib/audit/protobuf';
import { livingContainers } from '#lib/audit/runtimes';
import { checkProperty } from '../../support/property';

const MOUNTS = `23 29 0:21 / /proc rw,nosuid shared:12 - proc proc rw,hidepid=invisible
24 29 0:22 / /sys rw,nosuid,nodev shared:7 - sysfs sysfs rw
41 29 0:4 net:[4026532301] /run/netns/one rw shared:22 - nsfs nsfs rw
42 29 0:4 net:[4026532301] /run/netns/again rw - nsfs nsfs rw
43 29 0:4 net:[4026532302] /run/with\\040blank rw shared:1 master:2 propagate_from:3 - nsfs nsfs rw
44 29 0:4 mnt:[4026532303] /run/mnt rw - nsfs nsfs rw
45 29 0:40 net:[4026532304] /run/impostor rw - tmpfs tmpfs rw
nonsense
46 29 - nsfs
`;

test('namespaces that are mounted, and what a mount of /proc hides', () => {
  const mounts = parseMounts(MOUNTS);
  expect(mounts).toHaveLength(7);
  expect(namespacesMounted(mounts)).toEqual([4026532301, 4026532301, 4026532302]);
  expect(hiddenProcesses(mounts)).toBe('hidepid=invisible');
  const others = ['rw', 'rw,hidepid=0', 'rw,hidepid=off'].map((options) =>
    hiddenProcesses(parseMounts(`1 2 0:1 / /proc rw - proc proc ${options}`)),
  );
  expect(others).toEqual([undefined, undefined, undefined]);
  // The last is the one that is seen.
  const twice = `1 2 0:1 / /proc rw - proc proc rw,hidepid=2\n2 1 0:2 / /proc rw - proc proc rw`;
  expect(hiddenProcesses(parseMounts(twice))).toBeUndefined();
  expect([inodeIn('net:[12]', 'net'), inodeIn('mnt:[12]', 'net'), inodeIn('x', 'net')]).toEqual([
    12,
    undefined,
    undefined,
  ]);
});

test('a list of containers is a list, or nothing is alive for certain', () => {
  const list = [
    { Id: 'a', State: 'running' },
    { Id: 'b', State: 'exited' },
    { Id: 'c', State: 'created' },
    { Id: 'd', State: 'dead' },
    { Id: 'e', State: 'stopped' },
    { Id: 'f', State: 'paused' },
    { Id: 'g' },
  ];
  expect(livingContainers(list)).toEqual(['a', 'c', 'f', 'g']);
  expect(livingContainers([])).toEqual([]);
  for (const bad of [null, {}, 'x', [null], [{ State: 'running' }], [{ Id: 7 }], [{ Id: '' }]]) {
    expect(() => livingContainers(bad)).toThrow(/list/);
  }
});

/** The other direction, for the test alone. */
function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    if (rest <= 0x7fn) return Buffer.from(bytes);
  }
}
function encode(number: number, value: bigint | Buffer): Buffer {
  const type = typeof value === 'bigint' ? 0n : 2n;
  const tag = varint((BigInt(number) << 3n) | type);
  if (typeof value === 'bigint') return Buffer.concat([tag, varint(value)]);
  return Buffer.concat([tag, varint(BigInt(value.length)), value]);
}

test('a message says what was put into it, and one that was cut says nothing', async () => {
  const anyField = fc.record({
    number: fc.integer({ min: 1, max: 2 ** 29 - 1 }),
    value: fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    ),
  });
  await checkProperty(
    fc.property(fc.array(anyField, { maxLength: 8 }), fc.nat(), (fields, cut) => {
      const parts = fields.map(({ number, value }) => encode(number, value));
      const bytes = Buffer.concat(parts);
      expect(decodeMessage(bytes)).toEqual(fields);
      const end = cut % (bytes.length + 1);
      const ends = new Set(
        parts.map((_part, index) => Buffer.concat(parts.slice(0, index)).length),
      );
      if (ends.has(end) || end === bytes.length) return;
      expect(() => decodeMessage(bytes.subarray(0, end))).toThrow(/without an end/);
    }),
  );
  await checkProperty(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        decodeMessage(Buffer.from(bytes));
      } catch (error) {
        expect((error as Error).message).toMatch(/without an end|unknown type/);
      }
    }),
  );
});

test('pods are listed with whether they are ready', () => {
  const text = (words: string): Buffer => Buffer.from(words);
  // Id, metadata, state (ready is left out), creation time, a label.
  const ready = Buffer.concat([
    encode(1, text('pod-1')),
    encode(2, text('\x0a\x01x')),
    encode(4, 7n),
  ]);
  const stopped = Buffer.concat([encode(1, text('pod-2')), encode(3, 1n)]);
  const answer = Buffer.concat([encode(1, ready), encode(1, stopped), encode(9, 1n)]);
  expect(decodeSandboxes(answer)).toEqual([
    { id: 'pod-1', isReady: true },
    { id: 'pod-2', isReady: false },
  ]);
  expect(decodeSandboxes(Buffer.alloc(0))).toEqual([]);
  expect(() => decodeSandboxes(encode(1, encode(3, 0n)))).toThrow(/no id/);
});
