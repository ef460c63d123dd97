import * as fc from 'fast-check';

import {
  addressToNumber,
  broadcastAddress,
  containsAddress,
  gatewayOf,
  hostAddresses,
  hostCount,
  isUnicast,
  networkAddress,
  networkOf,
  numberToAddress,
  parseIpv4,
  parseIpv4Cidr,
  parseTenantSubnet,
  parseUnicastIpv4,
  prefixLength,
  tryParseIpv4,
  tryParseIpv4Cidr,
} from '#lib/model/index';
import { checkProperty } from '../../support/property';
import { hostileValues, refusalOf } from '../helpers/refusal';

const cidr = (text: string) => parseIpv4Cidr(text, 'subnet');
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const length = fc.integer({ min: 0, max: 32 });

const NOT_ADDRESSES = [
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.256',
  '1.2.3.-4',
  '01.2.3.4',
  '1.2.3.010',
  '0x1.2.3.4',
  '16909060',
  ' 1.2.3.4',
  '1.2.3.4\n',
  '1.2.3.4/24',
  '１.2.3.4',
  'localhost',
];

describe('parsing an IPv4 address', () => {
  it.each(['0.0.0.0', '198.51.100.9', '255.255.255.255'])('accepts %s', (text) => {
    expect(parseIpv4(text, 'concIp')).toBe(text);
  });

  it.each(NOT_ADDRESSES)('refuses %p', (text) => {
    const error = refusalOf(() => parseIpv4(text, 'concIp'));
    expect(error).toMatchObject({ code: 'SNNET_INPUT_INVALID', field: 'concIp', value: text });
    expect(tryParseIpv4(text)).toBeUndefined();
  });

  it.each(['fe80::1', '::', '::ffff:198.51.100.9'])('says of %s that IPv6 is not due', (text) => {
    expect(refusalOf(() => parseIpv4(text, 'concIp')).message).toMatch(
      /IPv6 is not supported here$/,
    );
  });

  it.each(['0.0.0.0', '0.1.2.3', '127.0.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'])(
    'refuses %s where one host’s address is due',
    (text) => {
      expect(refusalOf(() => parseUnicastIpv4(text, 'concIp')).value).toBe(text);
      expect(isUnicast(parseIpv4(text, 'concIp'))).toBe(false);
    },
  );

  it.each(['1.0.0.0', '10.0.0.1', '169.254.1.1', '223.255.255.255'])(
    'accepts %s as one host’s',
    (text) => {
      expect(parseUnicastIpv4(text, 'concIp')).toBe(text);
    },
  );

  it.each(hostileValues())('refuses %s', (_, value) => {
    for (const parse of [parseIpv4, parseUnicastIpv4, parseIpv4Cidr, parseTenantSubnet]) {
      expect(refusalOf(() => parse(value, 'concIp')).field).toBe('concIp');
    }
  });
});

describe('parsing an IPv4 network', () => {
  it.each(['0.0.0.0/0', '10.0.0.0/8', '172.16.1.0/24', '192.168.8.64/28', '198.51.100.9/32'])(
    'accepts %s',
    (text) => {
      expect(cidr(text)).toBe(text);
      expect(tryParseIpv4Cidr(text)).toBe(text);
    },
  );

  it.each([
    '172.16.1.0',
    '172.16.1.0/',
    '172.16.1.0/33',
    '172.16.1.0/024',
    '172.16.1.0/-1',
    '/24',
    '172.16.1/24',
    '172.16.1.0/24/24',
    '172.16.1.0/2 ',
  ])('refuses %p', (text) => {
    expect(refusalOf(() => cidr(text))).toMatchObject({ field: 'subnet', value: text });
    expect(tryParseIpv4Cidr(text)).toBeUndefined();
  });

  it('refuses host bits and names the network that may be meant', () => {
    expect(refusalOf(() => cidr('172.16.1.5/24')).message).toBe(
      'Expected an IPv4 network such as 172.16.1.0/24 for subnet, but got "172.16.1.5/24" (string); ' +
        'it has host bits set, the network is 172.16.1.0/24',
    );
    expect(tryParseIpv4Cidr('172.16.1.5/24')).toBeUndefined();
  });

  it('says of an IPv6 network that IPv6 is not due', () => {
    expect(refusalOf(() => cidr('fd00::/64')).detail).toBe('IPv6 is not supported here');
  });

  it.each(['0.0.0.0/0', '10.0.0.0/31', '10.0.0.1/32', '127.0.0.0/8', '224.0.0.0/24'])(
    'refuses %s for a tenant',
    (text) => {
      expect(refusalOf(() => parseTenantSubnet(text, 'subnet')).value).toBe(text);
    },
  );

  it.each(['0.0.0.0/1', '10.0.0.0/8', '192.168.0.4/30'])('accepts %s for a tenant', (text) => {
    expect(parseTenantSubnet(text, 'subnet')).toBe(text);
  });
});

describe('arithmetic of networks', () => {
  it('knows the special addresses of a network', () => {
    const subnet = cidr('192.168.8.64/28');
    expect(networkAddress(subnet)).toBe('192.168.8.64');
    expect(prefixLength(subnet)).toBe(28);
    expect(gatewayOf(subnet)).toBe('192.168.8.65');
    expect(broadcastAddress(subnet)).toBe('192.168.8.79');
  });

  it('lists the addresses of workloads between gateway and broadcast', () => {
    const hosts = [...hostAddresses(cidr('192.168.8.64/28'))];
    expect(hosts).toHaveLength(13);
    expect([hosts[0], hosts.at(-1)]).toEqual(['192.168.8.66', '192.168.8.78']);
    expect(hostCount(cidr('192.168.7.0/24'))).toBe(253);
    expect(hostCount(cidr('10.0.0.0/8'))).toBe(2 ** 24 - 3);
    expect(hostCount(cidr('10.0.0.1/32'))).toBe(0);
    expect([...hostAddresses(cidr('10.0.0.4/30'))]).toEqual(['10.0.0.6']);
    expect([...hostAddresses(cidr('255.255.255.254/31'))]).toEqual([]);
  });

  it('turns an address into a number and back', async () => {
    await checkProperty(
      fc.property(u32, (number) => {
        expect(addressToNumber(numberToAddress(number))).toBe(number);
        expect(parseIpv4(numberToAddress(number), 'ip')).toBe(numberToAddress(number));
      }),
    );
  });

  it('has every address in its own network, from the first to the last', async () => {
    await checkProperty(
      fc.property(u32, length, (number, bits) => {
        const address = numberToAddress(number);
        const network = networkOf(address, bits);
        expect(parseIpv4Cidr(network, 'net')).toBe(network);
        expect(containsAddress(network, address)).toBe(true);
        expect(containsAddress(network, networkAddress(network))).toBe(true);
        expect(containsAddress(network, broadcastAddress(network))).toBe(true);
        const next = addressToNumber(broadcastAddress(network)) + 1;
        expect(bits === 0 || containsAddress(network, numberToAddress(next))).toBe(bits === 0);
      }),
    );
  });
});
