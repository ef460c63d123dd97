/** What ADD answers, in the shape of each version; and what it makes of other plugins' answers. */
import { parseAllocation } from '#lib/cni/allocation';
import { mergeDns, parseDns } from '#lib/cni/dns';
import { toCniFailure } from '#lib/cni/failure';
import { addressFor, formatResult, parsePreviousResult } from '#lib/cni/result';
import type { Attached } from '#lib/cni/result';
import { CNI_VERSIONS } from '#lib/cni/version';
import type { Ipv4Address, Ipv4Cidr } from '#lib/model/index';

const SUBNET = '172.16.1.0/24' as Ipv4Cidr;
const GATEWAY = '172.16.1.1' as Ipv4Address;
const ATTACHED: Attached = {
  bridge: 'sbr_1',
  linkName: 'svn_2',
  ifname: 'eth0',
  sandbox: '/run/netns/c1',
  mac: '02:00:ac:10:01:05',
  mtu: 1450,
  address: '172.16.1.5' as Ipv4Address,
  subnet: SUBNET,
  gateway: GATEWAY,
  routes: [{ destination: '0.0.0.0/0' as Ipv4Cidr, via: GATEWAY }],
  dns: { nameservers: ['172.16.1.1'] },
};

test.each(CNI_VERSIONS)('the result of version %s', (version) => {
  const mtu = version === '1.1.0' ? { mtu: 1450 } : {};
  const family = version.startsWith('0.') ? { version: '4' } : {};
  expect(JSON.parse(formatResult(version, ATTACHED))).toEqual({
    cniVersion: version,
    interfaces: [
      { name: 'sbr_1' },
      { name: 'svn_2', ...mtu },
      { name: 'eth0', mac: '02:00:ac:10:01:05', ...mtu, sandbox: '/run/netns/c1' },
    ],
    ips: [{ ...family, address: '172.16.1.5/24', gateway: '172.16.1.1', interface: 2 }],
    routes: [{ dst: '0.0.0.0/0', gw: '172.16.1.1' }],
    dns: { nameservers: ['172.16.1.1'] },
  });
});

test('what came before in the chain stays, and keeps its numbers', () => {
  const previous = parsePreviousResult({
    cniVersion: '1.0.0',
    interfaces: [{ name: 'lo', sandbox: '/run/netns/c1', other: true }],
    ips: [{ address: '127.0.0.1/8', interface: 0 }],
    dns: { nameservers: ['9.9.9.9'], search: ['before'] },
  });
  expect(JSON.parse(formatResult('1.0.0', ATTACHED, previous))).toMatchObject({
    interfaces: [
      { name: 'lo', other: true },
      { name: 'sbr_1' },
      { name: 'svn_2' },
      { name: 'eth0' },
    ],
    ips: [{ interface: 0 }, { address: '172.16.1.5/24', interface: 3 }],
    dns: { nameservers: ['172.16.1.1'], search: ['before'] },
  });
});

test('a result tells whose address is whose', () => {
  const previous = parsePreviousResult(JSON.parse(formatResult('0.4.0', ATTACHED)));
  expect(addressFor(previous, 'eth0')).toBe('172.16.1.5');
  expect(addressFor(previous, 'svn_2')).toBeUndefined();
  expect(addressFor(parsePreviousResult(null), 'eth0')).toBeUndefined();
});

test.each([[7], [[]], [{ interfaces: 1 }], [{ ips: ['x'] }], [{ dns: [] }]])(
  'prevResult %j is refused',
  (value) => {
    expect(() => parsePreviousResult(value)).toThrow(/prevResult/);
  },
);

describe('what an IPAM plugin gave', () => {
  const parse = (result: object) => parseAllocation(JSON.stringify(result), SUBNET);
  const ip = { address: '172.16.1.5/24', gateway: '172.16.1.254' };

  test('is taken as it is', () => {
    const routes = [{ dst: '0.0.0.0/0' }, { dst: '10.0.0.0/8', gw: '172.16.1.9' }];
    expect(parse({ cniVersion: '1.0.0', ips: [ip], routes, dns: {} })).toEqual({
      address: '172.16.1.5',
      gateway: '172.16.1.254',
      routes: [{ destination: '0.0.0.0/0' }, { destination: '10.0.0.0/8', via: '172.16.1.9' }],
      dns: {},
    });
    expect(parse({ ips: [{ version: '4', address: '172.16.1.5/24' }] })).toEqual({
      address: '172.16.1.5',
    });
  });

  test.each([
    ['none', { ips: [] }, /exactly one/],
    ['nothing', {}, /ips/],
    ['two', { ips: [ip, ip] }, /exactly one/],
    ['another network', { ips: [{ address: '172.16.1.5/16' }] }, /ips\[0\]\.address/],
    ['IPv6', { ips: [{ address: 'fd00::5/24' }] }, /IPv6/],
    ['a table', { ips: [ip], routes: [{ dst: '0.0.0.0/0', table: 7 }] }, /routes\[0\]\.table/],
    ['no object', { ips: ['x'] }, /ips\[0\]/],
  ])('%s does not fit', (_what, result, says) => {
    expect(() => parse(result)).toThrow(says);
    try {
      parse(result);
    } catch (error) {
      expect(toCniFailure(error).code).toBe(107);
    }
  });

  test('what is no JSON is none', () => {
    expect(() => parseAllocation('10.0.0.1', SUBNET)).toThrow(/does not fit: .* is not JSON/);
  });
});

test('of several sources of names the first says what it says', () => {
  const merged = mergeDns({ search: ['a'] }, undefined, { search: ['b'], domain: 'd' });
  expect(merged).toEqual({ search: ['a'], domain: 'd' });
  expect(parseDns({ nameservers: [], domain: '', search: null }, 'dns')).toEqual({});
  expect(() => parseDns({ domain: 'a b' }, 'dns')).toThrow(/domain/);
  expect(() => parseDns({ server: [], servers: ['x'] }, 'dns')).toThrow(/servers/);
});
