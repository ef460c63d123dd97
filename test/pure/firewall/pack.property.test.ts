/** Elements of sets and maps, as bytes and back. */
import * as fc from 'fast-check';

import {
  PORT_BYTES,
  PortWriter,
  keyAt,
  numberToAddress,
  packPorts,
  readPortKey,
  readPortTarget,
  targetAt,
  unpackPorts,
  viewOf,
} from '#lib/model/index';
import { packElements, unpackElements } from '#lib/ruleset/pack';
import { PortMarks } from '#lib/ruleset/port-choice';
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

const PROTOCOLS = { tcp: 6, udp: 17 };
const protocol = fc.constantFrom('tcp' as const, 'udp' as const);

test('ports come out as they went in, however many there are', async () => {
  await checkProperty(
    fc.property(fc.array(fc.tuple(protocol, port, u32, port)), (rows) => {
      const writer = new PortWriter(1);
      for (const [name, external, address, internal] of rows) {
        writer.add(PROTOCOLS[name], external, address, internal);
      }
      const packed = writer.finish();
      const view = viewOf(packed);
      expect(packed).toHaveLength(rows.length * PORT_BYTES);
      const pairs = rows.map(([name, external, address, internal], index) => {
        const key = keyAt(view, index * PORT_BYTES);
        const target = targetAt(view, index * PORT_BYTES);
        expect(readPortKey(key)).toEqual({ protocol: name, port: external });
        expect(readPortTarget(target)).toEqual({
          address: numberToAddress(address),
          port: internal,
        });
        return [key, target] as const;
      });
      const keys = pairs.map(([key]) => key);
      const ascending = [...new Set(keys)].sort((one, other) => one - other);
      expect(writer.isAscending).toBe(keys.join() === ascending.join());
      expect(unpackPorts(packed)).toEqual(new Map(pairs));
      expect(unpackPorts(packPorts(new Map(pairs)))).toEqual(new Map(pairs));
    }),
  );
});

test('marks are a set of keys', async () => {
  const key = fc
    .tuple(protocol, fc.integer({ min: 0, max: 65535 }))
    .map(([name, number]) => PROTOCOLS[name] * 0x1_0000 + number);
  await checkProperty(
    fc.property(fc.array(key), (keys) => {
      const marks = new PortMarks();
      const seen = new Set<number>();
      for (const one of keys) {
        expect(marks.add(one)).toBe(!seen.has(one));
        seen.add(one);
      }
    }),
  );
});

test('the kernel’s own layout: fields in network order, each padded to four bytes', () => {
  const writer = new PortWriter();
  writer.add(PROTOCOLS.tcp, 80, 0xac100105, 8080);
  const hex = Buffer.from(writer.finish()).toString('hex');
  expect(hex).toBe('0600000000500000ac1001051f900000');
  const row = packElements(['ipv4_addr', 'ifname'], [[0xac100105, 'eth0']]);
  expect(Buffer.from(row).toString('hex')).toBe('ac10010565746830'.padEnd(40, '0'));
});
