/** Addresses from a real IPAM plugin, and real plugins after ours in the chain. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FRONT } from '../support/cni';
import { PACKAGE_ROOT } from '../support/child';
import { ipAddresses, ipRoutes } from '../support/oracle';
import { needs } from '../support/reasons';
import { run } from '../support/run';
import type { Namespace } from '../support/sandbox';
import { CIDR, CniBed, GATEWAY } from './helpers/cni-bed';
import type { CniResult } from './helpers/cni-bed';
import { ourLinks } from './helpers/node';

const withPlugins = needs('cni-plugins', 'vxlan');
const PLUGINS = '/usr/lib/cni';

function hostLocal(bed: CniBed, changes: object = {}): { ipam: object } {
  const range = { subnet: CIDR, rangeStart: '172.16.1.20', rangeEnd: '172.16.1.29' };
  const dataDir = join(bed.directory, 'ipam');
  return { ipam: { type: 'host-local', dataDir, ranges: [[range]], ...changes } };
}

/** The addresses that host-local has given out in a network. */
function taken(bed: CniBed, network = 'web'): string[] {
  const directory = join(bed.directory, 'ipam', network);
  if (!existsSync(directory)) return [];
  return readdirSync(directory).filter((name) => /^\d/.test(name));
}

withPlugins(
  'host-local gives the address and the routes, CHECKs them, and gets it back',
  async () => {
    await using bed = await CniBed.open();
    const ns = await bed.container();
    const routes = [{ dst: '0.0.0.0/0' }, { dst: '10.0.0.0/8', gw: '172.16.1.9' }];
    const config = hostLocal(bed, { routes });
    const ask = { config, path: PLUGINS };
    const result = await bed.add(ns, ask);
    expect(result).toMatchObject({
      ips: [{ address: '172.16.1.20/24', gateway: GATEWAY, interface: 2 }],
      routes: [
        { dst: '0.0.0.0/0', gw: GATEWAY },
        { dst: '10.0.0.0/8', gw: '172.16.1.9' },
      ],
    });
    expect(await ipAddresses(ns)).toContainEqual(expect.objectContaining({ local: '172.16.1.20' }));
    expect(await ipRoutes(ns)).toContainEqual(expect.objectContaining({ dst: '10.0.0.0/8' }));
    expect(taken(bed)).toEqual(['172.16.1.20']);
    expect(await bed.add(ns, ask)).toEqual(result);
    const check = { config: { ...config, prevResult: result }, path: PLUGINS };
    expect(await bed.call('CHECK', ns, check)).toMatchObject({ status: 0, stdout: '' });
    await bed.del(ns, ask);
    expect(taken(bed)).toEqual([]);
    await bed.del(undefined, ask);
  },
);

withPlugins('host-local heeds what the runtime wants', async () => {
  await using bed = await CniBed.open();
  const ns = await bed.container();
  const config = hostLocal(bed);
  for (const ask of [
    { args: 'IP=172.16.1.25', config },
    { config: { ...config, runtimeConfig: { ips: ['172.16.1.25/24'] } } },
    { config: { ...config, args: { cni: { ips: ['172.16.1.25'] } } } },
  ]) {
    const { ips } = await bed.add(ns, { ...ask, path: PLUGINS });
    expect(ips).toMatchObject([{ address: '172.16.1.25/24' }]);
    await bed.del(ns, { ...ask, path: PLUGINS });
  }
});

withPlugins('an address goes back when the rest fails', async () => {
  await using bed = await CniBed.open();
  const [ns, other] = [await bed.container('c'), await bed.container('d')];
  // Something else has the address already.
  await bed.add(other, { containerId: 'other', ip: '172.16.1.20' });
  const ask = { config: hostLocal(bed), path: PLUGINS };
  expect((await bed.refusal('ADD', ns, ask))[0]).toBe(101);
  expect(taken(bed)).toEqual([]);
  // What is refused before is not even asked for an address.
  expect((await bed.refusal('ADD', ns, { ...ask, netns: '/run/netns/not-there' }))[0]).toBe(4);
  expect(existsSync(join(bed.directory, 'ipam', 'web', 'last_reserved_ip.0'))).toBe(true);
  const elsewhere = hostLocal(bed, { ranges: [[{ subnet: '172.16.0.0/16' }]] });
  const [code, message] = await bed.refusal('ADD', ns, { config: elsewhere, path: PLUGINS });
  expect([code, message]).toEqual([107, expect.stringMatching(/an address of 172\.16\.1\.0\/24/)]);
  expect(taken(bed)).toEqual([]);
  expect((await ourLinks(bed.ns)).vnics).toHaveLength(1);
  await bed.del(other, { containerId: 'other' });
});

withPlugins('host-local has the last word when it has no address left', async () => {
  await using bed = await CniBed.open();
  const ns = await bed.container();
  const range = { subnet: CIDR, rangeStart: '172.16.1.20', rangeEnd: '172.16.1.20' };
  const ask = { config: { ...hostLocal(bed, { ranges: [[range]] }), routes: [] }, path: PLUGINS };
  await bed.add(ns, { ...ask, containerId: 'c1', ifname: 'eth0' });
  const [, message] = await bed.refusal('ADD', ns, { ...ask, containerId: 'c2', ifname: 'eth1' });
  expect(message).toMatch(/no IP addresses available/);
  await bed.del(ns, { ...ask, containerId: 'c2', ifname: 'eth1' });
  expect(taken(bed)).toEqual(['172.16.1.20']);
  await bed.del(ns, { ...ask, containerId: 'c1', ifname: 'eth0' });
});

withPlugins('twenty at once get an address each', async () => {
  await using bed = await CniBed.open();
  const ns = await bed.container();
  const range = { subnet: CIDR, rangeStart: '172.16.1.20', rangeEnd: '172.16.1.60' };
  const config = { ...hostLocal(bed, { ranges: [[range]] }), routes: [] };
  const asks = Array.from({ length: 20 }, (_, n) => ({
    ...{ containerId: `c${n}`, ifname: `eth${n}`, path: PLUGINS, config },
  }));
  const results = await Promise.all(asks.map((ask) => bed.add(ns, ask)));
  expect(new Set(results.map(({ ips }) => ips[0]?.address)).size).toBe(20);
  expect(taken(bed)).toHaveLength(20);
  await Promise.all(asks.map((ask) => bed.del(ns, ask)));
  expect(taken(bed)).toEqual([]);
});

interface Plugin {
  readonly type: string;
}

/** What libcni does with a list of plugins: each gets what the one before said. */
async function runList(
  bed: CniBed,
  list: { readonly cniVersion: string; readonly name: string; readonly plugins: readonly Plugin[] },
  command: 'ADD' | 'CHECK' | 'DEL',
  {
    ns,
    prevResult,
    runtimeConfig,
  }: { ns: Namespace; prevResult?: unknown; runtimeConfig?: object },
): Promise<unknown> {
  const { plugins, ...head } = list;
  let result = prevResult;
  for (const plugin of command === 'DEL' ? plugins.toReversed() : plugins) {
    const config = { ...head, ...plugin, prevResult: result, runtimeConfig };
    const file = plugin.type === 'snnet-cni' ? FRONT : join(PLUGINS, plugin.type);
    const { stdout } = await run(['nsenter', `--net=${bed.ns.path}`, file], {
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: 'c1',
        CNI_NETNS: ns.path,
        CNI_IFNAME: 'eth0',
        CNI_PATH: PLUGINS,
        CNI_ARGS: '',
      },
      input: JSON.stringify(config),
    });
    if (command === 'ADD') result = JSON.parse(stdout);
  }
  return result;
}

needs(
  'cni-plugins',
  'vxlan',
  'iptables-nft',
)('portmap and tuning work on what we made', async () => {
  await using bed = await CniBed.open();
  bed.box.allow(bed.ns, ['eth0', 'eth0peer', /^nft:ip6? (nat|filter)$/]);
  const ns = await bed.container();
  await run(['ip', 'netns', 'exec', bed.ns.name, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
  const { type: _type, ...own } = bed.config(hostLocal(bed)) as Record<string, unknown>;
  const plugins = [
    { ...own, type: 'snnet-cni' },
    { type: 'tuning', sysctl: { 'net.core.somaxconn': '500' }, mac: '02:00:00:00:00:77' },
    { type: 'portmap', capabilities: { portMappings: true } },
  ];
  const list = { cniVersion: '1.0.0', name: 'web', plugins };
  const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] };
  const prevResult = (await runList(bed, list, 'ADD', { ns, runtimeConfig })) as CniResult;
  expect(prevResult.interfaces[2]).toMatchObject({ name: 'eth0', mac: '02:00:00:00:00:77' });
  const rules = async (): Promise<string> =>
    (await run(['ip', 'netns', 'exec', bed.ns.name, 'iptables-save', '-t', 'nat'])).stdout;
  expect(await rules()).toContain('--to-destination 172.16.1.20:80');
  // CHECK of portmap 1.1 looks for rules of IPv6 where there is no such address.
  const checked = { ...list, plugins: plugins.slice(0, 2) };
  await runList(bed, checked, 'CHECK', { ns, prevResult, runtimeConfig });
  await runList(bed, list, 'DEL', { ns, prevResult, runtimeConfig });
  expect(await rules()).not.toContain('172.16.1.20');
  expect(taken(bed)).toEqual([]);
  expect((await ourLinks(bed.ns)).vnics).toEqual([]);
});

// ---------------------------------------------------------------- what the documentation shows

interface List {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly (Plugin & { readonly ipam?: object; readonly subnet?: string })[];
}

/** Every list of plugins in the page, and the one among the examples. */
function documented(): List[] {
  const page = readFileSync(join(PACKAGE_ROOT, 'docs', 'cni.md'), 'utf8');
  const blocks = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  const example = join(PACKAGE_ROOT, 'examples', 'cni', '10-tenant-alpha.conflist');
  const values = [...blocks, readFileSync(example, 'utf8')].map(
    (text) => JSON.parse(text) as List & Plugin,
  );
  return values.filter(({ plugins }) => Array.isArray(plugins));
}

withPlugins('the configurations of the documentation work as they stand', async () => {
  await using bed = await CniBed.open();
  const lists = documented();
  expect(lists.length).toBeGreaterThanOrEqual(4);
  for (const list of lists) {
    const ns = await bed.container();
    // Only what is this machine's is changed: where the socket is, where host-local keeps its files.
    const dataDir = join(bed.directory, 'ipam');
    const plugins = list.plugins.map((plugin) =>
      plugin.type === 'snnet-cni'
        ? {
            ...plugin,
            daemonSocket: bed.server.socketPath,
            ...(plugin.ipam !== undefined && { ipam: { ...plugin.ipam, dataDir } }),
          }
        : plugin,
    );
    const [own] = list.plugins;
    const address = (own?.subnet ?? '').replace(/0\/24$/, '7/24');
    const runtimeConfig = own?.ipam === undefined ? { ips: [address] } : {};
    const chain = { ...list, plugins };
    const prevResult = (await runList(bed, chain, 'ADD', { ns, runtimeConfig })) as CniResult;
    expect(prevResult.cniVersion).toBe(list.cniVersion);
    await runList(bed, chain, 'CHECK', { ns, prevResult, runtimeConfig });
    await runList(bed, chain, 'DEL', { ns, prevResult, runtimeConfig });
  }
  expect((await ourLinks(bed.ns)).vnics).toEqual([]);
});

withPlugins('the example is the one that the documentation shows, with room for more', () => {
  const text = JSON.stringify(documented().at(0)?.plugins.at(0));
  const file = JSON.stringify(documented().at(-1)?.plugins.at(0));
  for (const [key, value] of Object.entries(JSON.parse(text) as object)) {
    if (typeof value === 'string') expect(file).toContain(`"${key}":"${value}"`);
  }
  return Promise.resolve();
});
