import type { LinkRow } from '#lib/kernel/index';
import { rebuildCnci, rebuildComputeNode } from '#lib/topology/index';

import { goldenLinks } from '../helpers/golden';
import { row } from '../helpers/rows';

interface Dumped {
  readonly ifindex: number;
  readonly ifname: string;
  readonly ifalias?: string;
  readonly address?: string;
  readonly master?: string;
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string };
}

function rowsOf(name: string): LinkRow[] {
  const links = goldenLinks(name) as readonly Dumped[];
  const indexOf = new Map(links.map(({ ifname, ifindex }) => [ifname, ifindex]));
  return links.map((link) => {
    const kind = link.linkinfo?.info_kind ?? '';
    return row({
      ifindex: link.ifindex,
      ifname: link.ifname,
      alias: link.ifalias ?? '',
      kind: kind === 'tun' ? 'tap' : kind,
      address: link.address ?? '',
      master: indexOf.get(link.master ?? '') ?? 0,
      isUp: link.flags.includes('UP'),
      isLoopback: link.flags.includes('LOOPBACK'),
    });
  });
}

const nodes = [
  ['07-topo-2tenants.iplink.json', 'gre'],
  ['vxlan-variant/07-topo-vxlan.iplink.json', 'vxlan'],
] as const;

test.each(nodes)('a compute node of the Go library is rebuilt from %s', (name, kind) => {
  const view = rebuildComputeNode(rowsOf(name));
  expect(view.findings).toEqual([]);
  expect(view.subnets.size).toBe(2);
  for (const subnet of view.subnets.values()) {
    expect(subnet.bridge).toBeDefined();
    expect(subnet.tunnel?.kind).toBe(kind);
    expect([...subnet.vnics.values()].map(({ role }) => role).sort()).toEqual(['container', 'vm']);
  }
  expect(view.cnciVnics.size).toBe(1);
});

test('a concentrator of the Go library is rebuilt', () => {
  const view = rebuildCnci(rowsOf('08-cnci.iplink.json'));
  expect(view.findings).toEqual([]);
  expect([...view.subnets.keys()].sort()).toEqual(['192.168.7.0/24', '192.168.8.64/28']);
  const subnet = view.subnets.get('192.168.7.0/24');
  expect([...(subnet?.tunnels.keys() ?? [])].sort()).toEqual(['198.51.100.2', '198.51.100.3']);
});
