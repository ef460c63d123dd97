import { discoverPhysicalLinks } from '#lib/host/physical-links';
import type { DiscoveryOptions } from '#lib/host/physical-links';
import type { AddressRow, LinkRow } from '#lib/kernel/index';
import type { Ipv4Cidr } from '#lib/model/index';

import { refusalOf } from '../helpers/refusal';
import { row } from '../helpers/rows';

function address(ifindex: number, text: string, prefixLength = 24): AddressRow {
  return { ifindex, address: text, prefixLength };
}

function discover(
  links: readonly LinkRow[],
  addresses: readonly AddressRow[],
  options: Partial<DiscoveryOptions> = {},
  ours: ReadonlySet<number> = new Set(),
) {
  return discoverPhysicalLinks(links, addresses, ours, {
    operation: 'open',
    computeNets: [],
    managementNets: [],
    allowVethUplink: false,
    ...options,
  });
}

const nets = (...texts: string[]): readonly Ipv4Cidr[] => texts as Ipv4Cidr[];
const eth0 = row({ ifindex: 1, ifname: 'eth0', mtu: 9000 });
const eth1 = row({ ifindex: 2, ifname: 'eth1' });

test('the only link with an address is for everything', () => {
  const found = discover([eth0, eth1], [address(1, '192.0.2.1')]);
  const link = { linkName: 'eth0', ifIndex: 1, mtu: 9000, address: '192.0.2.1', prefixLength: 24 };
  expect(found).toEqual({ management: [link], compute: [link] });
});

test('several addresses of one link are no ambiguity', () => {
  const found = discover([eth0], [address(1, '192.0.2.1'), address(1, '192.0.2.2')]);
  expect(found.compute.map((link) => link.address)).toEqual(['192.0.2.1']);
});

test('networks choose links, in their order, each link once', () => {
  const found = discover(
    [eth0, eth1],
    [address(1, '192.0.2.1'), address(1, '198.51.100.1'), address(2, '203.0.113.1')],
    { computeNets: nets('203.0.113.0/24', '192.0.2.0/24', '198.51.100.0/24') },
  );
  expect(found.compute.map(({ linkName }) => linkName)).toEqual(['eth1', 'eth0']);
  expect(found.management).toEqual(found.compute);
});

test('compute and management may be apart', () => {
  const addresses = [address(1, '192.0.2.1'), address(2, '203.0.113.1')];
  const found = discover([eth0, eth1], addresses, {
    computeNets: nets('203.0.113.0/24'),
    managementNets: nets('192.0.2.0/24'),
  });
  expect(found.compute[0]?.linkName).toBe('eth1');
  expect(found.management[0]?.linkName).toBe('eth0');
  const managed = discover([eth0, eth1], addresses, { managementNets: nets('192.0.2.0/24') });
  expect(managed.compute[0]?.linkName).toBe('eth0');
});

const kinds: readonly (readonly [Partial<LinkRow>, boolean, boolean])[] = [
  [{ kind: '' }, true, true],
  [{ kind: 'bond' }, true, true],
  [{ kind: 'team' }, true, true],
  [{ kind: 'vlan' }, true, true],
  [{ kind: 'macvlan' }, true, true],
  [{ kind: 'ipvlan' }, true, true],
  [{ kind: 'bridge', ifname: 'br0' }, true, true],
  [{ kind: 'bridge', ifname: 'docker0' }, false, false],
  [{ kind: 'bridge', ifname: 'virbr0' }, false, false],
  [{ kind: 'bridge', ifname: 'br-0123456789ab' }, false, false],
  [{ kind: 'bridge', ifname: 'cni0' }, false, false],
  [{ kind: 'veth' }, false, true],
  [{ kind: 'dummy' }, false, true],
  [{ kind: 'vxlan' }, false, false],
  [{ kind: 'tap' }, false, false],
  [{ kind: '', isLoopback: true }, false, false],
];

test.each(kinds)('%j leads outside: %s, and where a veth may: %s', (changes, usually, inNetns) => {
  const link = row({ ifindex: 1, ifname: 'x0', ...changes });
  for (const [allowVethUplink, expected] of [
    [false, usually],
    [true, inNetns],
  ] as const) {
    const run = () => discover([link], [address(1, '192.0.2.1')], { allowVethUplink });
    if (expected) expect(run().compute[0]?.linkName).toBe(link.ifname);
    else expect(refusalOf(run).code).toBe('SNNET_NETWORK_NOT_FOUND');
  }
});

test('links of ours lead nowhere', () => {
  const links = [eth0, row({ ifindex: 2, ifname: 'sbr_1', kind: 'bridge' })];
  const addresses = [address(1, '192.0.2.1'), address(2, '192.168.1.1'), address(9, '10.0.0.1')];
  expect(discover(links, addresses, {}, new Set([2])).compute).toHaveLength(1);
});

test('no address at all is said', () => {
  const refusal = refusalOf(() => discover([eth0], []));
  expect(refusal).toMatchObject({ code: 'SNNET_NETWORK_NOT_FOUND', operation: 'open' });
  expect(refusal.message).toMatch(/no link to the outside has an IPv4 address/);
});

test('several links without a choice are named', () => {
  const addresses = [address(1, '192.0.2.1'), address(2, '203.0.113.1')];
  const refusal = refusalOf(() => discover([eth0, eth1], addresses));
  expect(refusal).toMatchObject({ code: 'SNNET_NETWORK_AMBIGUOUS', field: 'computeNets' });
  expect(refusal.message).toMatch(/192\.0\.2\.1 on eth0, 203\.0\.113\.1 on eth1/);
});

test('a network without an address names what was looked for and what was found', () => {
  const look = (addresses: AddressRow[], options: Partial<DiscoveryOptions>) =>
    refusalOf(() => discover([eth0], addresses, options));
  const computeNets = nets('10.0.0.0/8', '172.16.0.0/12');
  expect(look([address(1, '192.0.2.1')], { computeNets })).toMatchObject({
    code: 'SNNET_NETWORK_NOT_FOUND',
    field: 'managementNets',
    detail: 'looked for an address in 10.0.0.0/8, 172.16.0.0/12; found 192.0.2.1 on eth0',
  });
  expect(look([], { computeNets }).detail).toMatch(/found none$/);
  const managementNets = nets('192.0.2.0/24');
  expect(look([address(1, '192.0.2.1')], { computeNets, managementNets }).field).toBe(
    'computeNets',
  );
});
