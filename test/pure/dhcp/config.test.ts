/** The texts that servers are started with: the same input gives the same bytes. */
import * as fc from 'fast-check';
import {
  configFile,
  formatConfig,
  formatHosts,
  formatUpstreams,
  stemOfConfigFile,
} from '#lib/dhcp/config';
import type { DhcpSetting } from '#lib/dhcp/config';
import { layoutOf, parseDhcpSubnet, usableRange } from '#lib/dhcp/subnet';
import type { DhcpSubnet, DhcpSubnetInput } from '#lib/dhcp/subnet';
import {
  hostCount,
  macOfAddress,
  networkOf,
  numberToAddress,
  prefixLength,
} from '#lib/model/index';
import type { Ipv4Address } from '#lib/model/index';
import { checkProperty } from '../../support/property';
import { hostileValues, refusalOf } from '../helpers/refusal';

const SETTING: DhcpSetting = {
  directory: '/run/libsnnet/dhcp/c1',
  account: { user: 'dnsmasq', group: 'nogroup' },
  leaseSeconds: 3600,
};

function subnet(changes: Partial<DhcpSubnetInput> = {}): DhcpSubnet {
  const input = { subnet: '192.168.8.64/28', linkName: 'sbr_7d1b5f43', ifindex: 17, mtu: 1406 };
  return parseDhcpSubnet({ ...input, ...changes }, 'test');
}

const ip = (text: string): Ipv4Address => text as Ipv4Address;

test('the configuration of a small subnet', () => {
  expect(formatConfig(subnet(), SETTING))
    .toBe(`# libsnnet: DHCP and DNS of 192.168.8.64/28 on sbr_7d1b5f43, link 17
user=dnsmasq
group=nogroup
pid-file=/run/libsnnet/dhcp/c1/192.168.8.64-28.pid
dhcp-leasefile=/run/libsnnet/dhcp/c1/192.168.8.64-28.leases
interface=sbr_7d1b5f43
except-interface=lo
listen-address=192.168.8.65
bind-interfaces
no-hosts
no-resolv
no-poll
servers-file=/run/libsnnet/dhcp/c1/upstreams
addn-hosts=/run/libsnnet/dhcp/c1/names
domain-needed
bogus-priv
dhcp-authoritative
dhcp-no-override
dhcp-ignore-names
dhcp-ignore=tag:!known
no-ping
dhcp-lease-max=13
dhcp-option=option:router,192.168.8.65
dhcp-option=option:dns-server,192.168.8.65
dhcp-option-force=option:mtu,1406
dhcp-hostsfile=/run/libsnnet/dhcp/c1/192.168.8.64-28.hosts
dhcp-range=192.168.8.64,static,255.255.255.240,3600
`);
});

test('the hosts file of a small subnet: each address, its name where it has one', () => {
  const names = new Map([
    [ip('192.168.8.77'), 'web'],
    [ip('192.168.8.76'), ''],
    [ip('192.168.8.75'), '12h'],
    [ip('10.0.0.1'), 'elsewhere'],
  ]);
  expect(formatHosts(subnet({ reserved: 8 }), names)).toBe(
    `02:00:c0:a8:08:4a,192.168.8.74,id:*
02:00:c0:a8:08:4b,192.168.8.75,id:*
02:00:c0:a8:08:4c,192.168.8.76,id:*
02:00:c0:a8:08:4d,192.168.8.77,web,id:*
02:00:c0:a8:08:4e,192.168.8.78,id:*
`,
  );
});

test('a domain stays within; without an account nothing is given up', () => {
  const text = formatConfig(subnet(), { ...SETTING, domain: 'a.example', account: undefined });
  expect(text).toContain('\ndomain=a.example\nlocal=/a.example/\nexpand-hosts\n');
  expect(text).toContain('\nuser=root\ngroup=\n');
});

test('a large subnet has a range for each address, chosen by two bytes of the MAC', () => {
  const large = subnet({ subnet: '10.9.32.0/19' });
  const lines = formatConfig(large, SETTING).split('\n');
  expect(lines).toContain('dhcp-host=02:00:0a:09:20:*,set:h20,id:*');
  expect(lines).toContain('dhcp-mac=set:l07,02:00:0a:09:*:07');
  expect(lines).toContain('dhcp-range=tag:h21,tag:l07,10.9.33.7,10.9.33.7,255.255.224.0,3600');
  expect(lines.filter((line) => line.startsWith('dhcp-host='))).toHaveLength(32);
  expect(lines.filter((line) => line.startsWith('dhcp-range='))).toHaveLength(8189);
  expect(formatHosts(large, new Map([[ip('10.9.33.7'), 'x']]))).toBe('');
});

test('a huge subnet lists what has been announced', () => {
  const huge = subnet({ subnet: '128.0.0.0/1' });
  const names = new Map([
    [ip('200.1.2.3'), 'b'],
    [ip('130.0.0.9'), ''],
    [ip('10.0.0.1'), 'not here'],
    [ip('128.0.0.1'), 'gateway'],
  ]);
  expect(formatHosts(huge, names)).toBe(
    '02:00:82:00:00:09,130.0.0.9,id:*\n02:00:c8:01:02:03,200.1.2.3,b,id:*\n',
  );
  expect(formatConfig(huge, SETTING)).toContain('dhcp-range=128.0.0.0,static,128.0.0.0,3600\n');
});

test('a configuration’s file is named after its text', () => {
  const text = formatConfig(subnet(), SETTING);
  const name = configFile(subnet(), text);
  expect(name).toMatch(/^192\.168\.8\.64-28\.[0-9a-f]{16}\.conf$/);
  expect(configFile(subnet(), `${text}#`)).not.toBe(name);
  expect(stemOfConfigFile(name)).toBe('192.168.8.64-28');
  for (const other of ['names', '192.168.8.64-28.hosts', 'x.0123456789abcdef.conf', `${name}~`]) {
    expect(stemOfConfigFile(other)).toBeUndefined();
  }
});

test('upstream servers', () => {
  expect(formatUpstreams([])).toBe('');
  expect(formatUpstreams([ip('192.0.2.1'), ip('192.0.2.2')])).toBe(
    'server=192.0.2.1\nserver=192.0.2.2\n',
  );
});

const subnets = fc
  .tuple(fc.integer({ min: 0x0100_0000, max: 0xdfff_ffff }), fc.integer({ min: 20, max: 30 }))
  .map(([number, length]) => networkOf(numberToAddress(number), length))
  .filter((network) => !network.startsWith('127.'));

test('any small subnet: every usable address once, its own MAC, in order, the same each time', () =>
  checkProperty(
    fc.property(subnets, fc.nat({ max: 20 }), (network, wanted) => {
      const reserved = Math.min(wanted, hostCount(network) - 1);
      const parsed = subnet({ subnet: network, reserved });
      const text = formatHosts(parsed, new Map());
      expect(formatHosts(parsed, new Map())).toBe(text);
      const lines = text.split('\n').slice(0, -1);
      const [first, last] = usableRange(parsed);
      expect(lines).toHaveLength(hostCount(network) - reserved);
      expect(lines.length).toBe(last - first + 1);
      lines.forEach((line, index) => {
        const address = numberToAddress(first + index);
        expect(line).toBe(`${macOfAddress(address)},${address},id:*`);
      });
      expect(layoutOf(network)).toBe('listed');
      // It ends in a line end, and has no other empty line.
      expect(formatConfig(parsed, SETTING)).toMatch(/^(?:.+\n)+$/);
    }),
    { runs: 50 },
  ));

test('layouts by prefix length', () => {
  const lengths = [1, 8, 15, 16, 19, 20, 30].map((length) => networkOf(ip('64.0.0.0'), length));
  expect(lengths.map((network) => [prefixLength(network), layoutOf(network)])).toEqual([
    [1, 'named'],
    [8, 'named'],
    [15, 'named'],
    [16, 'ranges'],
    [19, 'ranges'],
    [20, 'listed'],
    [30, 'listed'],
  ]);
});

test('what would mean something else to the server is refused', () => {
  const bad: readonly (readonly [Partial<Record<keyof DhcpSubnetInput, unknown>>, string])[] = [
    [{ linkName: 'br*' }, 'linkName'],
    [{ linkName: 'br0\nuser=root' }, 'linkName'],
    [{ linkName: '' }, 'linkName'],
    [{ linkName: 'a-name-too-long-' }, 'linkName'],
    [{ ifindex: 0 }, 'ifindex'],
    [{ mtu: 67 }, 'mtu'],
    [{ gateway: '192.168.8.64' }, 'gateway'],
    [{ gateway: '192.168.8.79' }, 'gateway'],
    [{ gateway: '192.168.9.1' }, 'gateway'],
    [{ reserved: 13 }, 'reserved'],
    [{ reserved: -1 }, 'reserved'],
    [{ subnet: '10.0.0.0/31' }, 'subnet'],
  ];
  for (const [changes, field] of bad) {
    expect(refusalOf(() => subnet(changes as Partial<DhcpSubnetInput>)).field).toBe(field);
  }
  for (const [what, value] of hostileValues()) {
    for (const field of ['subnet', 'linkName', 'ifindex', 'gateway', 'mtu', 'reserved']) {
      const error = refusalOf(() => subnet({ [field]: value }));
      expect([what, error.field, error.operation]).toEqual([what, field, 'test']);
    }
  }
});
