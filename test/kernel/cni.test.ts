/** Containers on their tenant's network by CNI: what runtimes may do, and what they do in practice. */
import { connect } from 'node:net';
import { parseAttachment } from '#lib/cni/index';
import { CNI_VERSIONS } from '#lib/cni/version';
import { spawnCni } from '../support/cni';
import { ipAddresses, ipLink, ipRoutes, ping } from '../support/oracle';
import { run, until } from '../support/run';
import type { Namespace } from '../support/sandbox';
import { CIDR, CniBed, GATEWAY, inside, KEY } from './helpers/cni-bed';
import type { CniResult } from './helpers/cni-bed';
import { findDisorder, ourLinks } from './helpers/node';
import { needs } from '../support/reasons';

const vxlan = needs('vxlan');

vxlan('ADD puts a container onto its network, and DEL takes it off', async () => {
  await using bed = await CniBed.open();
  const ns = await bed.container();
  const result = await bed.add(ns, {
    config: { dns: { nameservers: [GATEWAY] } },
    args: 'IP=172.16.1.5;MAC=02:00:00:00:00:05;K8S_POD_NAME=p',
  });
  const { bridges, vnics, tunnels } = await ourLinks(bed.ns);
  const [bridge, vnic, tunnel] = [bridges[0], vnics[0], tunnels[0]];
  expect(result).toEqual({
    cniVersion: '1.0.0',
    interfaces: [
      { name: bridge?.ifname },
      { name: vnic?.ifname },
      { name: 'eth0', mac: '02:00:00:00:00:05', sandbox: ns.path },
    ],
    ips: [{ address: '172.16.1.5/24', gateway: GATEWAY, interface: 2 }],
    routes: [{ dst: '0.0.0.0/0', gw: GATEWAY }],
    dns: { nameservers: [GATEWAY] },
  });
  const eth0 = await ipLink(ns, 'eth0');
  expect(eth0).toMatchObject({ address: '02:00:00:00:00:05', mtu: vnic?.mtu, operstate: 'UP' });
  expect(await ipAddresses(ns)).toContainEqual(
    expect.objectContaining({ ifname: 'eth0', local: '172.16.1.5', prefixlen: 24 }),
  );
  expect(await ipRoutes(ns)).toContainEqual(
    expect.objectContaining({ dst: 'default', gateway: GATEWAY, dev: 'eth0' }),
  );
  expect(tunnel?.linkinfo?.info_data).toMatchObject({ id: KEY });
  expect(parseAttachment(vnic?.altnames?.[0] ?? '')).toMatchObject({
    container: 'c1',
    ifname: 'eth0',
  });
  expect(await findDisorder(bed.ns)).toEqual([]);

  await bed.del(ns, { config: { prevResult: result } });
  expect(await inside(ns)).toEqual([]);
  await bed.server.node.settle();
  expect(await ourLinks(bed.ns)).toMatchObject({ bridges: [], tunnels: [], vnics: [] });
  expect(bed.events).toMatchObject([
    { kind: 'tunnel-add', subnetKey: KEY, subnet: CIDR },
    { kind: 'tunnel-del', subnetKey: KEY, subnet: CIDR },
  ]);
});

vxlan('containers of a network reach each other, those of another do not', async () => {
  await using bed = await CniBed.open();
  const [a, b, c] = [await bed.container('a'), await bed.container('b'), await bed.container('c')];
  await bed.add(a, { containerId: 'a', ip: '172.16.1.5' });
  await bed.add(b, { containerId: 'b', ip: '172.16.1.6' });
  const other = { name: 'other', tenantId: 'other', subnetKey: KEY + 1 };
  await bed.add(c, { containerId: 'c', ip: '172.16.1.7', config: other });
  expect((await ping(a, '172.16.1.6', { count: 2 })).received).toBe(2);
  expect((await ping(a, '172.16.1.7', { count: 1, timeoutMs: 300 })).received).toBe(0);
  await bed.del(a, { containerId: 'a' });
  await bed.del(b, { containerId: 'b' });
  await bed.del(c, { containerId: 'c', config: other });
});

vxlan('every version of the specification is served', async () => {
  await using bed = await CniBed.open();
  const ns = await bed.container();
  for (const cniVersion of CNI_VERSIONS) {
    const ask = {
      ip: '172.16.1.5',
      config: { cniVersion, runtimeConfig: { ips: ['172.16.1.5'] } },
    };
    const prevResult = await bed.add(ns, ask);
    expect(prevResult.cniVersion).toBe(cniVersion);
    const checked = await bed.call('CHECK', ns, { config: { cniVersion, prevResult } });
    if (cniVersion.startsWith('0.3')) expect(checked.result).toMatchObject({ code: 1, cniVersion });
    else expect(checked).toMatchObject({ status: 0, stdout: '' });
    await bed.del(ns, { config: { cniVersion, prevResult } });
  }
});

vxlan('the same ADD once more says the same, from memory or from the kernel', async () => {
  await using bed = await CniBed.open();
  const ns = await bed.container();
  const routes = [{ dst: '0.0.0.0/0' }, { dst: '10.0.0.0/8', gw: '172.16.1.9' }];
  const ask = { config: { routes, runtimeConfig: { ips: ['172.16.1.5'] } } };
  const first = await bed.add(ns, ask);
  expect(first.routes).toEqual([
    { dst: '0.0.0.0/0', gw: GATEWAY },
    { dst: '10.0.0.0/8', gw: '172.16.1.9' },
  ]);
  expect(await bed.add(ns, ask)).toEqual(first);
  await bed.restart();
  expect(await bed.add(ns, ask)).toEqual(first);
  expect((await ourLinks(bed.ns)).vnics).toHaveLength(1);
  await bed.del(ns);
});

vxlan('what contradicts what is there is refused, and changes nothing', async () => {
  await using bed = await CniBed.open();
  const [ns, other] = [await bed.container('c'), await bed.container('d')];
  const result = await bed.add(ns, { ip: '172.16.1.5' });
  const conflicts: [Namespace, object][] = [
    [ns, { ip: '172.16.1.6' }],
    [other, { ip: '172.16.1.5' }],
    [other, { ip: '172.16.1.5', containerId: 'c2' }],
    [ns, { ip: '172.16.1.7', containerId: 'c2' }],
  ];
  for (const [where, ask] of conflicts) {
    expect((await bed.refusal('ADD', where, ask))[0]).toBe(101);
  }
  expect(await inside(other)).toEqual([]);
  const checked = await bed.call('CHECK', ns, { config: { prevResult: result } });
  expect(checked).toMatchObject({ status: 0 });
  expect(await findDisorder(bed.ns)).toEqual([]);
  await bed.del(ns);
});

vxlan('an ADD that fails leaves nothing', async () => {
  await using bed = await CniBed.open();
  const ns = await bed.container();
  const bad: [object, number, RegExp][] = [
    [{ ip: GATEWAY }, 7, /gateway/],
    [{ ip: '172.16.2.5' }, 7, /inside 172\.16\.1\.0\/24/],
    [{}, 7, /has no address/],
    [
      { ip: '172.16.1.5', config: { mode: 'gre', runtimeConfig: { ips: ['172.16.1.5'] } } },
      7,
      /gre/,
    ],
    [{ ip: '172.16.1.5', netns: '/run/netns/not-there' }, 4, /CNI_NETNS/],
    [{ ip: '172.16.1.5', netns: '/etc/hostname' }, 4, /CNI_NETNS: .*namespace/],
    [{ ip: '172.16.1.5', netns: bed.ns.path }, 4, /own namespace/],
    [{ ip: '172.16.1.5', ifname: 'lo' }, 101, /lo/],
    [
      { config: { routes: [{ dst: '10.0.0.0/8', gw: '192.0.2.1' }] }, args: 'IP=172.16.1.5' },
      7,
      /routes/,
    ],
    // The last step of all is the one that the kernel refuses.
    [
      { config: { routes: [{ dst: '10.0.0.0/8' }, { dst: '10.0.0.0/8' }] }, args: 'IP=172.16.1.5' },
      103,
      /route add/,
    ],
  ];
  for (const [ask, code, says] of bad) {
    const [said, msg] = await bed.refusal('ADD', ns, ask);
    expect([said, msg]).toEqual([code, expect.stringMatching(says)]);
    await bed.server.node.settle();
    expect(await ourLinks(bed.ns)).toMatchObject({ bridges: [], tunnels: [], vnics: [] });
    expect(await inside(ns)).toEqual([]);
  }
  expect(bed.events).toEqual([]);
});

vxlan('an ADD whose concentrator cannot be told is undone', async () => {
  await using bed = await CniBed.open();
  const ns = await bed.container();
  bed.onTunnelEvent = ({ kind }) =>
    kind === 'tunnel-add' ? Promise.reject(new Error('nobody there')) : undefined;
  const [code, msg] = await bed.refusal('ADD', ns, { ip: '172.16.1.5' });
  expect([code, msg]).toEqual([11, expect.stringMatching(/could not be told/)]);
  expect(await inside(ns)).toEqual([]);
  await bed.server.node.settle();
  expect((await ourLinks(bed.ns)).vnics).toEqual([]);
  bed.onTunnelEvent = () => undefined;
  await bed.add(ns, { ip: '172.16.1.5' });
  await bed.del(ns);
});

vxlan('an ADD that nobody waits for any more is undone', async () => {
  await using bed = await CniBed.open();
  const ns = await bed.container();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  bed.onTunnelEvent = ({ kind }) => (kind === 'tunnel-add' ? held : undefined);
  const config = bed.config({ runtimeConfig: { ips: ['172.16.1.5'] } });
  const { reply, kill } = spawnCni({ command: 'ADD', containerId: 'c1', netns: ns.path, config });
  expect(await until(() => bed.events.length === 1, 10_000)).toBe(true);
  expect(await inside(ns)).toEqual(['eth0']);
  kill();
  await reply;
  // The runtime calls DEL at once: it waits for the ADD that is still at work.
  const deleted = bed.del(ns);
  release();
  await deleted;
  expect(await until(async () => (await inside(ns)).length === 0, 5000)).toBe(true);
  expect(bed.events.map(({ kind }) => kind)).toEqual(['tunnel-add', 'tunnel-del']);
});

describe('DEL', () => {
  vxlan('succeeds as often as it is called, with whatever is left', async () => {
    await using bed = await CniBed.open();
    const ns = await bed.container();
    await bed.del(ns);
    await bed.add(ns, { ip: '172.16.1.5' });
    await bed.del(undefined);
    await bed.del(undefined);
    await bed.del(ns);
    await bed.add(ns, { ip: '172.16.1.5' });
    await bed.restart();
    await bed.del(undefined, { netns: '/run/netns/not-there' });
    expect(await inside(ns)).toEqual([]);
    expect(bed.events.map(({ kind }) => kind)).toEqual([
      'tunnel-add',
      'tunnel-del',
      'tunnel-add',
      'tunnel-del',
    ]);
  });

  vxlan('after the namespace is gone takes what is left of the subnet', async () => {
    await using bed = await CniBed.open();
    const name = `${bed.ns.name}-gone`;
    await run(['ip', 'netns', 'add', name]);
    const ns = { name, path: `/run/netns/${name}` };
    await bed.add(ns, { ip: '172.16.1.5' });
    await run(['ip', 'netns', 'delete', name]);
    // The kernel takes the link of a namespace that is gone in its own time.
    const isGone = async (): Promise<boolean> => (await ourLinks(bed.ns)).vnics.length === 0;
    expect(await until(isGone, 10_000)).toBe(true);
    expect((await ourLinks(bed.ns)).tunnels).toHaveLength(1);
    await bed.del(undefined);
    await bed.server.node.settle();
    expect(await ourLinks(bed.ns)).toMatchObject({ bridges: [], tunnels: [] });
    expect(bed.events.map(({ kind }) => kind)).toEqual(['tunnel-add', 'tunnel-del']);
  });

  vxlan('works by a configuration that is of no use any more', async () => {
    await using bed = await CniBed.open();
    const ns = await bed.container();
    await bed.add(ns, { ip: '172.16.1.5' });
    await bed.del(ns, { config: { tenantId: undefined, subnetKey: 'gone' } });
    expect(await inside(ns)).toEqual([]);
    await bed.del(ns, { config: { tenantId: undefined } });
  });
});

describe('in a chain', () => {
  vxlan('what earlier plugins did stays in the result', async () => {
    await using bed = await CniBed.open();
    const ns = await bed.container();
    const prevResult = {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: ns.path }],
      ips: [{ address: '127.0.0.1/8', interface: 0 }],
    };
    const result = await bed.add(ns, { args: 'IP=172.16.1.5', config: { prevResult } });
    expect(result.interfaces.map(({ name }) => name.replace(/_.*/, ''))).toEqual([
      'lo',
      'sbr',
      'svn',
      'eth0',
    ]);
    expect(result.ips).toMatchObject([
      { interface: 0 },
      { address: '172.16.1.5/24', interface: 3 },
    ]);
    const checked = await bed.call('CHECK', ns, { config: { prevResult: result } });
    expect(checked).toMatchObject({ status: 0 });
    await bed.del(ns, { config: { prevResult: result } });
  });
});

vxlan(
  'a hundred at once come and go, and nothing is lost or doubled',
  async () => {
    await using bed = await CniBed.open();
    const spaces = await Promise.all(Array.from({ length: 10 }, (_, n) => bed.container(`c${n}`)));
    const all = spaces.flatMap((ns, n) => Array.from({ length: 10 }, (_, k) => ({ ns, n, k })));
    const ask = (n: number, k: number) => ({
      containerId: `c${n}`,
      ifname: `eth${k}`,
      config: { routes: [], runtimeConfig: { ips: [`172.16.1.${2 + n * 10 + k}`] } },
    });
    const results = await Promise.all(all.map(({ ns, n, k }) => bed.add(ns, ask(n, k))));
    expect(new Set(results.map((result: CniResult) => result.interfaces[1]?.name)).size).toBe(100);
    expect((await ourLinks(bed.ns)).vnics).toHaveLength(100);
    expect(await findDisorder(bed.ns)).toEqual([]);
    // Each is taken off twice at the same time.
    await Promise.all(
      all.flatMap(({ ns, n, k }) => [bed.del(ns, ask(n, k)), bed.del(undefined, ask(n, k))]),
    );
    await bed.server.node.settle();
    expect(await ourLinks(bed.ns)).toMatchObject({ bridges: [], tunnels: [], vnics: [] });
    expect(bed.events.map(({ kind }) => kind)).toEqual(['tunnel-add', 'tunnel-del']);
  },
  120_000,
);

vxlan('whoever speaks nonsense to the daemon is told so, and hurts nobody', async () => {
  await using bed = await CniBed.open();
  const said = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(bed.server.socketPath);
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    socket.on('close', () => resolve(text));
    socket.on('error', () => undefined);
    socket.write(Buffer.alloc(64, 0xee));
  });
  expect(said).toContain('snnet-cni sent a frame of 4008636142 bytes');
  const ns = await bed.container();
  await bed.add(ns, { ip: '172.16.1.5' });
  await bed.del(ns);
});
