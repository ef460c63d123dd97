import * as fc from 'fast-check';

import {
  checkKeyFits,
  largestKeyOf,
  LINK_PREFIX,
  macOfAddress,
  mtuFor,
  parseIpv4,
  parseLinkName,
  parseLogger,
  parseMac,
  parseMtu,
  parseQueues,
  parseTunnelKey,
  parseTunnelKind,
  parseTunnelMode,
  peerNameOf,
  randomLinkName,
  SILENT_LOGGER,
  TUNNEL_KINDS,
  tunnelOverhead,
} from '#lib/model/index';
import { checkProperty } from '../../support/property';
import { hostileValues, refusalOf } from '../helpers/refusal';

const PARSERS = [
  parseMac,
  parseMtu,
  parseQueues,
  parseTunnelKey,
  parseTunnelKind,
  parseTunnelMode,
  parseLogger,
] as const;

describe('every parser of a value', () => {
  it.each(PARSERS.map((parse) => [parse.name, parse] as const))(
    '%s refuses hostile values',
    (_, parse) => {
      for (const [, value] of hostileValues()) {
        expect(refusalOf(() => parse(value, 'f'))).toMatchObject({
          code: 'SNNET_INPUT_INVALID',
          field: 'f',
        });
      }
      expect(refusalOf(() => parse(undefined, 'f')).code).toBe('SNNET_INPUT_MISSING');
    },
  );
});

describe('numbers', () => {
  it.each([
    [parseTunnelKey, 1, 2 ** 32 - 1],
    [parseMtu, 68, 65535],
    [parseQueues, 1, 256],
  ] as const)('%p accepts its range and refuses what is next to it', (parse, least, most) => {
    expect([parse(least, 'f'), parse(most, 'f')]).toEqual([least, most]);
    for (const value of [least - 1, most + 1, least + 0.5, String(least)]) {
      expect(refusalOf(() => parse(value, 'f')).value).toBe(value);
    }
  });

  it('tells the range and the unit', () => {
    expect(refusalOf(() => parseMtu(67, 'mtu')).message).toBe(
      'Expected a whole number from 68 to 65535 bytes for mtu, but got 67 (number)',
    );
  });
});

describe('a tunnel key', () => {
  it('has 32 bits on GRE and 24 on VXLAN and Geneve', () => {
    const key = parseTunnelKey(2 ** 24, 'subnetKey');
    expect(() => checkKeyFits('gre', key)).not.toThrow();
    expect(() => checkKeyFits('vxlan', parseTunnelKey(2 ** 24 - 1, 'subnetKey'))).not.toThrow();
    for (const kind of ['vxlan', 'geneve'] as const) {
      expect(largestKeyOf(kind)).toBe(2 ** 24 - 1);
      expect(refusalOf(() => checkKeyFits(kind, key, 'createVnic'))).toMatchObject({
        code: 'SNNET_KEY_RANGE',
        operation: 'createVnic',
        field: 'subnetKey',
        value: 2 ** 24,
      });
    }
  });
});

describe('a kind of tunnel', () => {
  it('is one of three, and auto only as a mode', () => {
    expect(TUNNEL_KINDS.map((kind) => parseTunnelKind(kind, 'mode'))).toEqual(TUNNEL_KINDS);
    expect(parseTunnelMode('auto', 'mode')).toBe('auto');
    expect(refusalOf(() => parseTunnelKind('auto', 'mode')).message).toBe(
      `Expected 'gre' or 'vxlan' or 'geneve' for mode, but got "auto" (string)`,
    );
  });

  it('takes its overhead from the MTU beneath', () => {
    expect(TUNNEL_KINDS.map(tunnelOverhead)).toEqual([42, 50, 50]);
    expect(mtuFor('gre', 1500)).toBe(1458);
    expect(mtuFor('vxlan', 1500)).toBe(1450);
    expect(mtuFor('geneve', 9000)).toBe(8950);
    expect(mtuFor('gre', 65536)).toBe(65493);
    expect(mtuFor('gre', 110)).toBe(68);
    expect(refusalOf(() => mtuFor('gre', 109)).value).toBe(109);
  });
});

describe('a MAC address', () => {
  it('comes out in lower case', () => {
    expect(parseMac('02:00:AC:10:01:05', 'vnicMac')).toBe('02:00:ac:10:01:05');
  });

  it.each([
    '01:00:5e:00:00:01',
    'ff:ff:ff:ff:ff:ff',
    '00:00:00:00:00:00',
    '02:00:ac:10:01',
    '02:00:ac:10:01:05:06',
    '02-00-ac-10-01-05',
    '0200.ac10.0105',
    '02:00:ac:10:01:0g',
    '2:0:ac:10:1:5',
    '02:00:ac:10:01:5\n',
  ])('is refused as %p', (text) => {
    expect(refusalOf(() => parseMac(text, 'vnicMac'))).toMatchObject({
      field: 'vnicMac',
      value: text,
    });
  });

  it('follows from the address that DHCP gives', () => {
    expect(macOfAddress(parseIpv4('192.168.7.223', 'ip'))).toBe('02:00:c0:a8:07:df');
    expect(macOfAddress(parseIpv4('0.0.0.1', 'ip'))).toBe('02:00:00:00:00:01');
  });
});

describe('a link name', () => {
  it('fits into 15 bytes and can be read back', async () => {
    const prefix = fc.constantFrom(...Object.values(LINK_PREFIX));
    await checkProperty(
      fc.property(prefix, fc.integer({ min: 0, max: 0xffffffff }), (chosen, random32) => {
        const name = randomLinkName(chosen, random32);
        expect(name.length).toBeLessThanOrEqual(12);
        const parsed = parseLinkName(name);
        expect(parsed?.random32).toBe(random32);
        expect(parsed === undefined ? '' : LINK_PREFIX[parsed.role]).toBe(chosen);
      }),
    );
  });

  it('has hexadecimal digits without leading zeros', () => {
    expect(randomLinkName(LINK_PREFIX.bridge, 0x00ab12cd)).toBe('sbr_ab12cd');
    expect(randomLinkName('svn_', -1)).toBe('svn_ffffffff');
    expect(randomLinkName('svn_', 0)).toBe('svn_0');
  });

  it.each(['eth0', 'sbr_', 'sbr_0a', 'sbr_A', 'sbr_123456789', 'svn_12 ', 'sbr-1', 'xsbr_1'])(
    'is not read from %p',
    (name) => {
      expect(parseLinkName(name)).toBeUndefined();
    },
  );

  it('of a container’s end has the digits of the host’s end', () => {
    expect(peerNameOf('svn_f1ca40a8')).toBe('svp_f1ca40a8');
  });
});

describe('a logger', () => {
  it('is anything with the four methods, also inherited ones', () => {
    const inherited: unknown = Object.create(SILENT_LOGGER);
    expect(parseLogger(inherited, 'logger')).toBe(inherited);
    expect(parseLogger(console, 'logger')).toBe(console);
    expect(refusalOf(() => parseLogger({ info: () => undefined }, 'logger')).field).toBe('logger');
  });

  it('can be silent', () => {
    const write = jest.spyOn(process.stdout, 'write');
    for (const level of ['debug', 'info', 'warn', 'error'] as const) {
      SILENT_LOGGER[level]('a message', { key: 1 });
    }
    expect(write).not.toHaveBeenCalled();
    write.mockRestore();
  });
});
