/** A concentrator on the real kernel, with each kind of tunnel that it has. */
import { openCnci, type Cnci } from '#lib/cnci/index';
import { Cnci as PublicCnci, ComputeNode } from '#lib/index';
import type { TunnelKind } from '#lib/model/index';

import type { Namespace } from '../support/namespaces';
import { bridgeFdb, ipAddresses, ipLink, ipLinks, ping } from '../support/oracle';
import { needs, type DefineTest } from '../support/reasons';
import { patience } from '../support/run';
import { Sandbox } from '../support/sandbox';
import { UNDERLAY, openUnderlay, plug } from '../support/underlay';

const TENANT_A = '1f8b0000-0000-4000-8000-00000000000a';
const TENANT_B = '1f8b0000-0000-4000-8000-00000000000b';
const CNCI_ID = '1f8b0000-0000-4000-8000-0000000000c1';

const KINDS: readonly { kind: TunnelKind; linkKind: string; it: DefineTest }[] = [
  { kind: 'vxlan', linkKind: 'vxlan', it: needs('vxlan') },
  { kind: 'gre', linkKind: 'gretap', it: needs('gretap') },
  { kind: 'geneve', linkKind: 'geneve', it: needs('geneve') },
];

function optionsFor(mode: TunnelKind, netns: string) {
  return {
    id: CNCI_ID,
    tenantId: TENANT_A,
    dhcp: false as const,
    mode,
    computeNets: [UNDERLAY],
    netns,
    allowVethUplink: true,
    timeoutMs: 6000 * patience,
  };
}

function remote(cnIp: string, subnet = '172.16.1.0/24', subnetKey = 1001) {
  return { subnet, subnetKey, cnIp };
}

/** What is ours in a namespace, without the anchor: link kinds by alias. */
async function ours(ns: Namespace): Promise<Record<string, string>> {
  const links = await ipLinks(ns);
  return Object.fromEntries(
    links
      .filter((link) => /^s(br|gt)_/.test(link.ifname) && link.ifalias !== 'vxlan_anchor')
      .map((link) => [link.ifalias ?? '', link.linkinfo?.info_kind ?? '']),
  );
}

async function withCnci(
  mode: TunnelKind,
  body: (cnci: Cnci, ns: Namespace, box: Sandbox) => Promise<void>,
  hooks: Parameters<typeof openCnci>[1] = {},
): Promise<void> {
  await using box = await Sandbox.open();
  const { cnci: ns } = await openUnderlay(box, ['cnci']);
  const cnci = await openCnci(optionsFor(mode, ns.path), hooks);
  try {
    await body(cnci, ns, box);
  } finally {
    await cnci.shutdown();
    await cnci.close();
  }
}

for (const { kind, linkKind, it } of KINDS) {
  describe(`a concentrator with ${kind}`, () => {
    const aliasOf = (cnIp: string): string =>
      kind === 'vxlan' ? 'vxlan_172.16.1.0+24' : `${kind}_172.16.1.0+24##${cnIp}`;

    it('makes the bridge with its gateway address and a tunnel, and says what it made', async () => {
      await withCnci(kind, async (cnci, ns) => {
        const first = await cnci.addRemoteSubnet(remote('198.51.100.21'));
        expect(first).toMatchObject({
          gateway: '172.16.1.1',
          created: { bridge: true, tunnel: true },
        });
        expect(await ours(ns)).toEqual({
          'br_172.16.1.0+24': 'bridge',
          [aliasOf('198.51.100.21')]: linkKind,
        });
        const addresses = (await ipAddresses(ns)).filter(({ ifname }) => ifname === first.bridge);
        expect(addresses.map(({ local, prefixlen }) => [local, prefixlen])).toEqual([
          ['172.16.1.1', 24],
        ]);
        const tunnel = await ipLink(ns, first.tunnel);
        expect(tunnel).toMatchObject({ master: first.bridge, mtu: first.mtu });
        expect(first.mtu).toBe(kind === 'gre' ? 1458 : 1450);
      });
    });

    it('adds a second node to the bridge that stands, and the same again changes nothing', async () => {
      await withCnci(kind, async (cnci, ns) => {
        const first = await cnci.addRemoteSubnet(remote('198.51.100.21'));
        const second = await cnci.addRemoteSubnet(remote('198.51.100.22'));
        expect(second).toMatchObject({
          bridge: first.bridge,
          created: { bridge: false, tunnel: true },
        });
        const before = await ipLinks(ns);
        const again = await cnci.addRemoteSubnet(remote('198.51.100.22'));
        expect(again.created).toEqual({ bridge: false, tunnel: false });
        expect((await ipLinks(ns)).map(({ ifindex }) => ifindex)).toEqual(
          before.map(({ ifindex }) => ifindex),
        );
        expect(Object.keys(await ours(ns))).toHaveLength(kind === 'vxlan' ? 2 : 3);
        expect(cnci.topology().subnets[0]?.tunnels.map(({ cnIp }) => cnIp)).toEqual([
          '198.51.100.21',
          '198.51.100.22',
        ]);
      });
    });

    it('removes a tunnel and keeps the bridge; what is gone is a success', async () => {
      await withCnci(kind, async (cnci, ns) => {
        await cnci.addRemoteSubnet(remote('198.51.100.21'));
        await cnci.addRemoteSubnet(remote('198.51.100.22'));
        expect(await cnci.delRemoteSubnet(remote('198.51.100.21'))).toEqual({ removed: true });
        expect(await cnci.delRemoteSubnet(remote('198.51.100.21'))).toEqual({ removed: false });
        expect(Object.keys(await ours(ns))).toContain(aliasOf('198.51.100.22'));
        expect(await cnci.delRemoteSubnet(remote('198.51.100.22'))).toEqual({ removed: true });
        expect(await ours(ns)).toEqual({ 'br_172.16.1.0+24': 'bridge' });
        expect(await cnci.delRemoteSubnet(remote('198.51.100.9', '172.16.9.0/24'))).toEqual({
          removed: false,
        });
      });
    });

    it('is rebuilt by another process from the kernel alone', async () => {
      await withCnci(kind, async (cnci, ns) => {
        await cnci.addRemoteSubnet(remote('198.51.100.21'));
        await cnci.addRemoteSubnet(remote('198.51.100.22'));
        await cnci.addRemoteSubnet(remote('198.51.100.21', '172.16.2.0/24', 1002));
        const other = await PublicCnci.open(optionsFor(kind, ns.path));
        const byCidr = (topology: ReturnType<Cnci['topology']>): unknown =>
          [...topology.subnets]
            .map((subnet) => ({
              ...subnet,
              tunnels: [...subnet.tunnels].sort((a, b) => a.cnIp.localeCompare(b.cnIp)),
            }))
            .sort((a, b) => a.subnet.localeCompare(b.subnet));
        expect(byCidr(other.topology())).toEqual(byCidr(cnci.topology()));
        expect(await other.addRemoteSubnet(remote('198.51.100.22'))).toMatchObject({
          created: { bridge: false, tunnel: false },
        });
        expect(await other.rebuildTopology()).toMatchObject({
          subnets: 2,
          tunnels: 3,
          findings: [],
        });
        await other.close();
      });
    });

    it('leaves nothing behind when a step fails, and the same call succeeds after', async () => {
      for (const step of [0, 1, 2]) {
        let faults = 1;
        const fault = (plan: { operation: string }) =>
          plan.operation === 'addRemoteSubnet' && faults-- > 0
            ? { step, errno: 'ENOBUFS' }
            : undefined;
        await withCnci(
          kind,
          async (cnci, ns) => {
            const failed = cnci.addRemoteSubnet(remote('198.51.100.21'));
            await expect(failed).rejects.toMatchObject({
              code: 'SNNET_KERNEL_FAILED',
              step: { index: step },
              cause: { name: 'ENOBUFS' },
            });
            expect(await ours(ns)).toEqual({});
            expect(cnci.topology().subnets).toEqual([]);
            const retried = await cnci.addRemoteSubnet(remote('198.51.100.21'));
            expect(retried.created).toEqual({ bridge: true, tunnel: true });
          },
          { fault },
        );
      }
    });

    it('shuts down: everything of it goes, foreign links stay', async () => {
      await using box = await Sandbox.open();
      const { cnci: ns } = await openUnderlay(box, ['cnci']);
      const cnci = await PublicCnci.open(optionsFor(kind, ns.path));
      await box.exec(ns, ['ip', 'link', 'add', 'name', 'mine', 'type', 'bridge']);
      await box.exec(ns, ['ip', 'link', 'set', 'dev', 'mine', 'alias', 'br_not_ours']);
      await cnci.addRemoteSubnet(remote('198.51.100.21'));
      await cnci.addRemoteSubnet(remote('198.51.100.21', '172.16.2.0/24', 1002));
      const { removed, failed } = await cnci.shutdown();
      expect(failed).toEqual([]);
      expect(removed.length).toBeGreaterThanOrEqual(4);
      await cnci.settle();
      expect(await ours(ns)).toEqual({});
      expect((await cnci.shutdown()).failed).toEqual([]);
      expect((await ipLink(ns, 'mine')).ifalias).toBe('br_not_ours');
      await cnci.close();
      await box.exec(ns, ['ip', 'link', 'delete', 'dev', 'mine']);
    });

    it('carries two tenants with the same addresses between two nodes, and keeps them apart', async () => {
      await using box = await Sandbox.open();
      const stage = await openStage(box, kind);
      const mtu = kind === 'gre' ? 1458 : 1450;
      const all = { sent: 3, received: 3 };
      const a0 = await stage.launch('a', 0);
      await stage.launch('a', 1);
      // Tenant B has no workload on the second node: A's twin must not answer for it.
      const b0 = await stage.launch('b', 0);
      expect(await ping(a0, '172.16.1.1', { count: 3 })).toEqual(all);
      expect(await ping(a0, '172.16.1.6', { count: 3 })).toEqual(all);
      const full = { count: 3, size: mtu - 28, dontFragment: true };
      expect(await ping(a0, '172.16.1.6', full)).toEqual(all);
      expect(await ping(b0, '172.16.1.1', { count: 3 })).toEqual(all);
      expect(await ping(b0, '172.16.1.6', { count: 2, timeoutMs: 3000 })).toMatchObject({
        received: 0,
      });
      for (const ns of await stage.tearDown()) expect(await ours(ns)).toEqual({});
    });
  });
}

interface Stage {
  /** Starts a tenant's workload on a node and tells the concentrator; its namespace. */
  launch(tenant: 'a' | 'b', node: 0 | 1): Promise<Namespace>;
  /** Destroys everything; the namespaces that must be clean then. */
  tearDown(): Promise<Namespace[]>;
}

/** Two nodes, and a concentrator for each of two tenants, on one network. */
async function openStage(box: Sandbox, mode: TunnelKind): Promise<Stage> {
  const net = await openUnderlay(box, ['cn1', 'cn2', 'ca', 'cb']);
  const base = { mode, computeNets: [UNDERLAY], allowVethUplink: true } as const;
  const hosts = [net.cn1, net.cn2] as const;
  const nodes = [
    await ComputeNode.open({ ...base, id: 'cn1', netns: net.cn1.path }),
    await ComputeNode.open({ ...base, id: 'cn2', netns: net.cn2.path }),
  ] as const;
  const openFor = (tenantId: string, ns: Namespace): Promise<Cnci> =>
    PublicCnci.open({ ...base, id: CNCI_ID, tenantId, netns: ns.path, dhcp: false });
  const tenants = {
    a: {
      tenantId: TENANT_A,
      key: 1001,
      concIp: net.ca.address,
      cnci: await openFor(TENANT_A, net.ca),
    },
    b: {
      tenantId: TENANT_B,
      key: 1002,
      concIp: net.cb.address,
      cnci: await openFor(TENANT_B, net.cb),
    },
  };
  const made: [ComputeNode, Parameters<ComputeNode['createVnic']>[0]][] = [];
  const launch: Stage['launch'] = async (label, index) => {
    const { tenantId, key, concIp, cnci } = tenants[label];
    const host = String(index + 5);
    const config = {
      role: 'container' as const,
      tenantId,
      subnetId: `subnet-${label}`,
      concId: `conc-${label}`,
      concIp,
      vnicId: `vnic-${label}${host}`,
      vnicIp: `172.16.1.${host}`,
      vnicMac: `02:00:ac:10:01:0${host}`,
      subnet: '172.16.1.0/24',
      subnetKey: key,
    };
    made.push([nodes[index], config]);
    const { vnic, event } = await nodes[index].createVnic(config);
    if (event === undefined) throw new Error('the first VNIC of a subnet gives no event');
    const { subnet, subnetKey, cnIp, tunnel } = event;
    await cnci.addRemoteSubnet({ subnet, subnetKey, cnIp, mode: tunnel });
    const workload = await box.netns(`w${label}${host}`, { leaves: 'anything' });
    const end = { interfaceName: vnic.interfaceName, address: `${config.vnicIp}/24` };
    await plug(box, hosts[index], workload, end);
    return workload;
  };
  const tearDown: Stage['tearDown'] = async () => {
    for (const [node, config] of made) await node.destroyVnic(config);
    const concentrators = [tenants.a.cnci, tenants.b.cnci];
    for (const cnci of concentrators) await cnci.shutdown();
    for (const closing of [...nodes, ...concentrators]) await closing.close();
    return [...hosts, net.ca, net.cb];
  };
  return { launch, tearDown };
}

describe('a concentrator with vxlan', () => {
  needs('vxlan')('has one device for all nodes of a subnet, with one entry for each', async () => {
    await withCnci('vxlan', async (cnci, ns) => {
      const { tunnel } = await cnci.addRemoteSubnet(remote('198.51.100.21'));
      await cnci.addRemoteSubnet(remote('198.51.100.22'));
      const entries = (await bridgeFdb(ns)).filter(
        ({ ifname, mac }) => ifname === tunnel && mac === '00:00:00:00:00:00',
      );
      expect(entries.map(({ dst }) => dst).sort()).toEqual(['198.51.100.21', '198.51.100.22']);
    });
  });

  needs('vxlan')('refuses a key that another subnet uses, and one over 24 bits', async () => {
    await withCnci('vxlan', async (cnci, ns) => {
      await cnci.addRemoteSubnet(remote('198.51.100.21'));
      await expect(
        cnci.addRemoteSubnet(remote('198.51.100.21', '172.16.2.0/24', 1001)),
      ).rejects.toMatchObject({ code: 'SNNET_VNI_TAKEN' });
      await expect(
        cnci.addRemoteSubnet(remote('198.51.100.21', '172.16.3.0/24', 2 ** 24)),
      ).rejects.toMatchObject({ code: 'SNNET_KEY_RANGE' });
      await expect(
        cnci.addRemoteSubnet(remote('198.51.100.22', '172.16.1.0/24', 1009)),
      ).rejects.toMatchObject({ code: 'SNNET_TUNNEL_TAKEN', field: 'subnetKey' });
      expect(Object.keys(await ours(ns))).toHaveLength(2);
    });
  });

  needs('vxlan')('serves many calls at once, each subnet in its own order', async () => {
    await withCnci('vxlan', async (cnci, ns) => {
      const calls = Array.from({ length: 60 }, (_, i) => {
        const subnet = `172.16.${String(i % 10)}.0/24`;
        return cnci.addRemoteSubnet(
          remote(`198.51.100.${String(20 + Math.floor(i / 10))}`, subnet, 2000 + (i % 10)),
        );
      });
      const made = await Promise.all(calls);
      expect(made.filter(({ created }) => created.bridge)).toHaveLength(10);
      expect(made.filter(({ created }) => created.tunnel)).toHaveLength(60);
      expect(Object.keys(await ours(ns))).toHaveLength(20);
      const gone = await Promise.all(
        calls.map((_, i) =>
          cnci.delRemoteSubnet(
            remote(
              `198.51.100.${String(20 + Math.floor(i / 10))}`,
              `172.16.${String(i % 10)}.0/24`,
              2000 + (i % 10),
            ),
          ),
        ),
      );
      expect(gone.every(({ removed }) => removed)).toBe(true);
      expect(Object.keys(await ours(ns))).toHaveLength(10);
    });
  });
});

describe('bad input', () => {
  needs('vxlan')('names the field, and nothing is touched', async () => {
    await withCnci('vxlan', async (cnci, ns) => {
      const good = remote('198.51.100.21');
      const bad: [Record<string, unknown>, string][] = [
        [{ ...good, subnet: undefined }, 'subnet'],
        [{ ...good, subnet: '172.16.1.5/24' }, 'subnet'],
        [{ ...good, subnet: 'fd00::/64' }, 'subnet'],
        [{ ...good, subnetKey: 0 }, 'subnetKey'],
        [{ ...good, cnIp: undefined }, 'cnIp'],
        [{ ...good, cnIp: '224.0.0.1' }, 'cnIp'],
        [{ ...good, mode: 'ipip' }, 'mode'],
      ];
      for (const [input, field] of bad) {
        const call = cnci.addRemoteSubnet(input as unknown as ReturnType<typeof remote>);
        await expect(call).rejects.toMatchObject({ name: 'APIError', field });
      }
      expect(await ours(ns)).toEqual({});
    });
  });

  needs('vxlan')('a call that was aborted before its turn changes nothing', async () => {
    await withCnci('vxlan', async (cnci, ns) => {
      const signal = AbortSignal.abort();
      await expect(cnci.addRemoteSubnet(remote('198.51.100.21'), { signal })).rejects.toMatchObject(
        { code: 'SNNET_CALL_ABORTED' },
      );
      expect(await ours(ns)).toEqual({});
      expect(cnci.topology().subnets).toEqual([]);
    });
  });

  needs('vxlan')('a closed concentrator refuses, and closing twice is fine', async () => {
    await using box = await Sandbox.open();
    const { cnci: ns } = await openUnderlay(box, ['cnci']);
    const cnci = await PublicCnci.open(optionsFor('vxlan', ns.path));
    await cnci.close();
    await cnci.close();
    await expect(cnci.addRemoteSubnet(remote('198.51.100.21'))).rejects.toMatchObject({
      code: 'SNNET_HANDLE_CLOSED',
    });
  });
});
