/** Elements of sets and maps, as bytes and back. */
import * as fc from 'fast-check';

import {
  numberToAddress,
  portKey,
  portTarget,
  readPortKey,
  readPortTarget,
} from '#lib/model/index';
import { PortMarks, packElements, packPorts, unpackElements, unpackPorts } from '#lib/ruleset/pack';
import type { PackedType } from '#lib/ruleset/pack';
import { checkProperty } from '../../support/property';

const port = fc.integer({ min: 1, max: 65535 });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const FIELDS: Record<PackedType, fc.Arbitrary<string | number>> = {
  ifname: fc.stringMatching(/^[!-~]{1,15}$/),
  ipv4_addr: u32,
  inet_proto: fc.integer({ min: 0, max: 255 }),
  inet_service: port,
};

test('rows come out as they went in', async () => {
  const types = fc.array(fc.constantFrom(...(Object.keys(FIELDS) as PackedType[])), {
    minLength: 1,
    maxLength: 4,
  });
  const sample = types.chain((list) =>
    fc.tuple(fc.constant(list), fc.array(fc.tuple(...list.map((type) => FIELDS[type])))),
  );
  await checkProperty(
    fc.property(sample, ([list, rows]) => {
      expect(unpackElements(list, packElements(list, rows))).toEqual(rows);
    }),
  );
});

test('ports come out as they went in', async () => {
  const protocol = fc.constantFrom('tcp' as const, 'udp' as const);
  await checkProperty(
    fc.property(fc.array(fc.tuple(protocol, port, u32, port)), (rows) => {
      const pairs = rows.flatMap(([name, external, address, internal]) => {
        const key = portKey(name, external);
        const target = portTarget(numberToAddress(address), internal);
        expect(readPortKey(key)).toEqual({ protocol: name, port: external });
        expect(readPortTarget(target)).toEqual({
          address: numberToAddress(address),
          port: internal,
        });
        return [key, target];
      });
      const expected = new Map<number, number>();
      for (let at = 0; at < pairs.length; at += 2) expected.set(pairs[at]!, pairs[at + 1]!);
      expect(unpackPorts(packPorts(pairs))).toEqual(expected);
    }),
  );
});

test('marks are a set of keys', async () => {
  const key = fc
    .tuple(fc.constantFrom('tcp' as const, 'udp' as const), fc.integer({ min: 0, max: 65535 }))
    .map(([name, number]) => portKey(name, number));
  await checkProperty(
    fc.property(fc.array(key), fc.array(key), (marked, asked) => {
      const marks = new PortMarks();
      for (const one of marked) marks.mark(one);
      for (const one of [...asked, ...marked]) expect(marks.has(one)).toBe(marked.includes(one));
    }),
  );
});

test('the kernel’s own layout: fields in network order, each padded to four bytes', () => {
  const pairs = [portKey('tcp', 80), portTarget(numberToAddress(0xac100105), 8080)];
  expect(Buffer.from(packPorts(pairs)).toString('hex')).toBe('0600000000500000ac1001051f900000');
  const row = packElements(['ipv4_addr', 'ifname'], [[0xac100105, 'eth0']]);
  expect(Buffer.from(row).toString('hex')).toBe('ac10010565746830'.padEnd(40, '0'));
});
