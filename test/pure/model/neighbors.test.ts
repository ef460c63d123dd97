import * as fc from 'fast-check';

import {
  containsAddress,
  networkAddress,
  networkOf,
  numberToAddress,
  parseNeighbors,
  tellNeighborhood,
} from '#lib/model/index';
import type { Ipv4Address, Neighbor } from '#lib/model/index';

import { checkProperty } from '../../support/property';
import { hostileValues, refusalOf } from '../helpers/refusal';

const OWN = '198.51.100.1' as Ipv4Address;
const context = { operation: 'test', physicalIp: OWN, prefixLength: 18, taken: [] };

function entry(n: number, subnet: string) {
  return {
    physicalIp: `198.51.100.${String(n)}`,
    subnet,
    tunnelIp: `192.168.64.${String(n)}`,
    tunnelId: 5,
  };
}

// An empty list is well-formed; it lacks this concentrator, which the second parser says.
const HOSTILE = hostileValues().filter(([label]) => label !== 'an empty list');

test.each(HOSTILE)('a list that is %s is refused', (_, value) => {
  expect(refusalOf(() => parseNeighbors(value, 'test')).field).toMatch(/^neighbors/);
});

test('a list without this concentrator is refused', () => {
  for (const list of [[], [entry(2, '172.16.2.0/24')]]) {
    const tell = () => tellNeighborhood(parseNeighbors(list, 'test'), context);
    expect(refusalOf(tell)).toMatchObject({ code: 'SNNET_INPUT_MISSING', field: 'neighbors' });
  }
});

test('lists pass exactly if no two networks touch', async () => {
  const network = fc
    .record({ host: fc.integer({ min: 0, max: 0xffff }), length: fc.integer({ min: 17, max: 30 }) })
    .map(({ host, length }) => networkOf(numberToAddress(0x0a000000 + host * 16), length));
  const lists = fc.array(network, { minLength: 1, maxLength: 8 });
  await checkProperty(
    fc.property(lists, (networks) => {
      const list = parseNeighbors(
        networks.map((subnet, index) => entry(index + 1, subnet)),
        'test',
      );
      const touch = networks.some((one, index) =>
        networks.some((other, at) => at !== index && containsAddress(one, networkAddress(other))),
      );
      const tell = (): readonly Neighbor[] => tellNeighborhood(list, context).others;
      if (touch) expect(refusalOf(tell).field).toMatch(/^neighbors\[\d\]\.subnet$/);
      else expect(tell()).toEqual(list.slice(1));
    }),
  );
});
