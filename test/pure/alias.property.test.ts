import * as fc from 'fast-check';

import { formatAlias, parseAlias, scopeOf } from '#lib/alias/index';
import type { ParsedAlias } from '#lib/alias/index';
import { networkOf, numberToAddress, parseId } from '#lib/model/index';
import { checkProperty } from '../support/property';

const PIECES = [
  'br_',
  'gre_',
  'vxlan_',
  'geneve_',
  'vnic_',
  'cncivnic_',
  'cncitun',
  'trash',
  'anchor',
  '_',
  '##',
  '#',
  '+',
  '/',
  '24',
  '0',
  '32',
  't',
  's',
  'ü',
  ' ',
  '\0',
  '198.51.100.9',
  '10.0.0.0',
  '.',
];

const address = fc.integer({ min: 0, max: 0xffffffff }).map(numberToAddress);
const subnet = fc
  .tuple(address, fc.integer({ min: 0, max: 32 }))
  .map(([ip, length]) => networkOf(ip, length));
const id = fc.oneof(
  fc.uuid(),
  fc.string({ unit: fc.constantFrom(...'abcXYZ019-+.:@~!'), minLength: 1, maxLength: 40 }),
);
const looseId = fc.string({ unit: fc.constantFrom(...'ab_1'), minLength: 1, maxLength: 12 });
const scope = fc
  .record({ tenantId: id, subnetId: id, concId: id, concIp: address })
  .map((subject) => scopeOf(subject));
const looseScope = fc
  .record({ tenantId: looseId, subnetId: looseId, concId: looseId, concIp: address })
  .map((subject) => scopeOf(subject, { allowUnderscore: true }));
const anyScope = fc.oneof(scope, looseScope);
const tunnel = fc.constantFrom('gre' as const, 'vxlan' as const, 'geneve' as const);
const pairTunnel = fc.constantFrom('gre' as const, 'geneve' as const);

const parsedAlias: fc.Arbitrary<ParsedAlias> = fc.oneof(
  fc.record({ type: fc.constant('cn-bridge' as const), scope: anyScope }),
  fc.record({ type: fc.constant('cn-tunnel' as const), tunnel, scope: anyScope }),
  fc.record({ type: fc.constant('cn-vnic' as const), scope: anyScope, vnicIp: address }),
  fc.record({ type: fc.constant('cnci-vnic' as const), tenantId: id, vnicId: id }),
  fc.record({ type: fc.constant('cnci-bridge' as const), subnet }),
  fc.record({
    type: fc.constant('cnci-tunnel' as const),
    tunnel: pairTunnel,
    subnet,
    cnIp: address,
  }),
  fc.record({
    type: fc.constant('cnci-tunnel' as const),
    tunnel: fc.constant('vxlan' as const),
    subnet,
  }),
  fc.record({ type: fc.constantFrom('mesh' as const, 'trash' as const, 'anchor' as const) }),
);

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.constantFrom(...PIECES), { maxLength: 14 }).map((pieces) => pieces.join('')),
  fc
    .tuple(parsedAlias.map(formatAlias), fc.nat(), fc.constantFrom(...PIECES))
    .map(([text, at, piece]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + piece + text.slice(place);
    }),
);

describe('the alias grammar', () => {
  it('reads back whatever it writes', async () => {
    await checkProperty(
      fc.property(parsedAlias, (parsed) => {
        expect(parseAlias(formatAlias(parsed))).toEqual(parsed);
      }),
      { runs: 2000 },
    );
  });

  it('writes back whatever it reads, and throws on no text', async () => {
    await checkProperty(
      fc.property(anyText, (text) => {
        const parsed = parseAlias(text);
        expect(parsed === undefined ? text : formatAlias(parsed)).toBe(text);
      }),
      { runs: 5000 },
    );
  });

  it('gives two subnets of two parsed identities two aliases', async () => {
    await checkProperty(
      fc.property(fc.tuple(id, id, id), fc.tuple(id, id, id), address, (left, right, concIp) => {
        const [a, b] = [left, right].map(([tenantId, subnetId, concId]) =>
          scopeOf({
            tenantId: parseId(tenantId, 'tenantId'),
            subnetId: parseId(subnetId, 'subnetId'),
            concId: parseId(concId, 'concId'),
            concIp,
          }),
        );
        expect(a?.text === b?.text).toBe(left.join(' ') === right.join(' '));
      }),
    );
  });
});
