/** Names, leases, and the pauses before a server is started again. */
import * as fc from 'fast-check';
import {
  formatNames,
  parseAddresses,
  parseHostName,
  parseHosts,
  parseNames,
} from '#lib/dhcp/host-names';
import { formatRelease, parseLeases } from '#lib/dhcp/leases';
import { directoryName, parseDhcpOptions } from '#lib/dhcp/options';
import { pauseAfter } from '#lib/dhcp/restarts';
import { numberToAddress } from '#lib/model/index';
import type { Ipv4Address } from '#lib/model/index';
import { checkProperty } from '../../support/property';
import { hostileValues, refusalOf } from '../helpers/refusal';

const ip = (text: string): Ipv4Address => text as Ipv4Address;

test('names by address, lowest first', () => {
  const names = new Map([
    [ip('172.16.0.10'), 'web'],
    [ip('10.0.0.3'), ''],
    [ip('172.16.0.9'), 'db.example'],
  ]);
  expect(formatNames(names)).toBe('# no name: 10.0.0.3\n172.16.0.9 db.example\n172.16.0.10 web\n');
});

test('names come back as they were written, and what is none of ours counts for nothing', async () => {
  const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$/);
  const entries = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 0xffff_fffe }).map(numberToAddress), fc.option(label)),
  );
  await checkProperty(
    fc.property(entries, (list) => {
      const names = new Map(list.map(([address, name]) => [address, name ?? '']));
      expect(parseNames(formatNames(names))).toEqual(names);
    }),
  );
  await checkProperty(
    fc.property(fc.string(), (text) => {
      for (const [address, name] of parseNames(text)) {
        expect(address).toMatch(/^[\d.]+$/);
        expect(name).toMatch(/^[a-z0-9.-]*$/);
      }
    }),
  );
});

test('whatever is to be announced, it is read whole or refused', () => {
  const parse = (input: unknown) => parseHosts(input, 'setHosts');
  expect(parse([{ ip: '172.16.1.5', name: 'Web' }, { ip: '172.16.1.6' }])).toEqual([
    ['172.16.1.5', 'web'],
    ['172.16.1.6', ''],
  ]);
  for (const [what, bad] of hostileValues()) {
    expect(refusalOf(() => parse([bad]))).toMatchObject({ operation: 'setHosts' });
    if (what.includes('list')) continue;
    expect(refusalOf(() => parse(bad))).toMatchObject({ operation: 'setHosts', field: 'hosts' });
    expect(refusalOf(() => parseAddresses(bad, 'removeHosts'))).toMatchObject({
      operation: 'removeHosts',
      field: 'addresses',
    });
  }
  expect(refusalOf(() => parse([{ ip: '172.16.1.5', name: 7 }]))).toMatchObject({
    field: 'hosts[0].name',
  });
});

test('host names are DNS names in lower case', () => {
  expect(parseHostName('Web-1', 'name')).toBe('web-1');
  expect(parseHostName('db.tenant.example', 'name')).toBe('db.tenant.example');
  expect(parseHostName('3com', 'name')).toBe('3com');
  const bad = ['-a', 'a-', 'a..b', '.a', 'a.', 'a_b', 'a b', '10.0.0.1', '7', 'ä', 'a,b', 'a#b'];
  for (const name of [...bad, 'x'.repeat(64), `${'x'.repeat(63)}.`.repeat(4)]) {
    expect(refusalOf(() => parseHostName(name, 'name'))).toMatchObject({ field: 'name' });
  }
  for (const [, value] of hostileValues()) {
    expect(refusalOf(() => parseHostName(value, 'name')).field).toBe('name');
  }
});

test('a lease file of the server', () => {
  const text = `1795272356 02:00:0a:09:ff:fe 10.9.255.254 web *
1795272688 02:00:0a:09:00:05 10.9.0.5 * 01:02:00:0a:09:00:05
duid 00:01:00:01
1795272688 12345 fd00::1 * 00:01

`;
  expect(parseLeases(text)).toEqual([
    { ip: '10.9.255.254', mac: '02:00:0a:09:ff:fe', expires: 1_795_272_356 },
    { ip: '10.9.0.5', mac: '02:00:0a:09:00:05', expires: 1_795_272_688 },
  ]);
  expect(parseLeases('')).toEqual([]);
});

test('the packet that gives an address back', () => {
  const lease = { ip: ip('10.9.0.5'), mac: '02:00:0a:09:00:05' };
  const packet = formatRelease(lease, ip('10.9.0.1'), 0xdead_beef);
  expect(packet).toHaveLength(250);
  expect(packet.subarray(0, 34).toString('hex')).toBe(
    '01010600deadbeef000000000a0900050000000000000000000000000200' + '0a090005',
  );
  expect(packet.subarray(34, 236).every((byte) => byte === 0)).toBe(true);
  expect(packet.subarray(236).toString('hex')).toBe('6382536335010736040a090001ff');
});

test('pauses grow, up to half a minute', () => {
  const pauses = [0, 1, 2, 3, 8, 9, 10, 1000].map(pauseAfter);
  expect(pauses).toEqual([0, 100, 200, 400, 12_800, 25_600, 30_000, 30_000]);
});

test('options: defaults, and what is refused', () => {
  expect(parseDhcpOptions({ owner: 'c1' }, 'open')).toMatchObject({
    owner: 'c1',
    stateDir: '/run/libsnnet/dhcp',
    upstreams: [],
    leaseSeconds: 3600,
  });
  const bad: readonly (readonly [string, unknown])[] = [
    ['owner', 'a/b'],
    ['stateDir', 'run'],
    ['stateDir', '/run/../etc'],
    ['stateDir', '/run/a b'],
    ['stateDir', '/run/x/'],
    ['stateDir', '/'],
    ['domain', 'a,b'],
    ['upstreams', ['::1']],
    ['leaseSeconds', 60],
    ['programPath', 7],
    ['onEvent', {}],
    ['logger', {}],
  ];
  for (const [field, value] of bad) {
    const error = refusalOf(() => parseDhcpOptions({ owner: 'c1', [field]: value }, 'open'));
    expect(error.field).toMatch(new RegExp(`^${field}`));
  }
});

test('an owner’s directory is a plain name of its own', () => {
  const uuid = '1f8b0000-0000-4000-8000-0000000000c1';
  expect(directoryName(uuid)).toBe(uuid);
  for (const odd of ['..', '.', '-rf', 'a:b', '{x}', 'x'.repeat(200)]) {
    expect(directoryName(odd)).toMatch(/^id-[0-9a-f]{32}$/);
  }
  expect(directoryName('..')).not.toBe(directoryName('.'));
});
