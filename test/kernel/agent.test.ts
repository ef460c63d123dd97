/** What an agent makes of the messages, on the real kernel and with real DHCP servers. */
import { join } from 'node:path';
import { APIError } from '#lib/errors/index';
import { LmdbStore } from '#lib/store/index';
import type { StoreChange, StoreProvider } from '#lib/store/index';
import { ipAddresses, ipLinks } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, until } from '../support/run';
import {
  AgentStand,
  CNCI_ID,
  HandTransport,
  publicIpYaml,
  refreshYaml,
  tearDown,
  tenantYaml,
} from './helpers/agent-stand';

const it = needs('vxlan', 'dnsmasq', 'nftables');
const ADDED = 'tenant-added';
const REMOVED = 'tenant-removed';
const PUBLIC = '198.51.100.200';
const OTHER_LAUNCHER = '99999999-dce9-48d6-b83a-a717417072ce';

/** A store that can be told to fail. */
class MoodyStore implements StoreProvider {
  readonly #store: StoreProvider;
  isFull = false;
  refused = 0;

  constructor(directory: string) {
    this.#store = new LmdbStore({ directory });
  }
  open = (tables: readonly string[]) => this.#store.open(tables);
  rebuild = (table: string) => this.#store.rebuild(table);
  get = (table: string, key: string) => this.#store.get(table, key);
  add = (table: string, key: string, value: unknown) =>
    this.transaction([{ op: 'add', table, key, value }]);
  delete = (table: string, key: string) => this.transaction([{ op: 'delete', table, key }]);
  close = () => this.#store.close();
  async transaction(changes: readonly StoreChange[]): Promise<void> {
    if (this.isFull) {
      this.refused += 1;
      throw new APIError('SNNET_STORE_FAILED', { detail: 'the test says that the disk is full' });
    }
    await this.#store.transaction(changes);
  }
}

it('makes bridge, tunnel, DHCP, the way out and the ports for SSH of a new subnet', async () => {
  await using stand = await AgentStand.open();
  const { transport } = await stand.work();
  expect(await transport.deliver(ADDED, tenantYaml(ADDED, {}))).toBe('done');
  expect(await stand.remotes()).toEqual(['198.51.100.2']);
  const bridge = (await ipLinks(stand.ns)).find(({ ifalias }) => ifalias === 'br_172.16.1.0+24');
  const addresses = await ipAddresses(stand.ns);
  expect(addresses.filter(({ ifname }) => ifname === bridge?.ifname)).toMatchObject([
    { local: '172.16.1.1', prefixlen: 24 },
  ]);
  expect(await stand.servers()).toHaveLength(1);
  const rules = await stand.ruleset();
  expect(rules).toContain(bridge?.ifname);
  // 33000 + 256 + 5.
  expect(rules).toMatch(/33261 : 172\.16\.1\.5 \. (?:22|ssh)/);
});

it('makes no ports for SSH where it is told so', async () => {
  await using stand = await AgentStand.open();
  const { transport } = await stand.work({ ssh: false });
  await transport.deliver(ADDED, tenantYaml(ADDED, {}));
  expect(await stand.ruleset()).not.toContain('33261');
});

it('takes the tunnel away and leaves the bridge, as the original does', async () => {
  await using stand = await AgentStand.open();
  const { transport, agent } = await stand.work({ ssh: false });
  await transport.deliver(ADDED, tenantYaml(ADDED, {}));
  await transport.deliver(
    ADDED,
    tenantYaml(ADDED, { agentUuid: OTHER_LAUNCHER, agentIp: '198.51.100.3' }),
  );
  expect(await stand.remotes()).toEqual(['198.51.100.2', '198.51.100.3']);
  expect(await transport.deliver(REMOVED, tenantYaml(REMOVED, {}))).toBe('done');
  expect(await stand.remotes()).toEqual(['198.51.100.3']);
  // Once more: it is gone already.
  expect(await transport.deliver(REMOVED, tenantYaml(REMOVED, {}))).toBe('done');
  expect(agent.state.tunnels).toBe(1);
  expect((await ipLinks(stand.ns)).map(({ ifalias }) => ifalias)).toContain('br_172.16.1.0+24');
});

it('keeps a tunnel that a second launcher of the same node wants', async () => {
  await using stand = await AgentStand.open();
  const { transport } = await stand.work({ ssh: false });
  await transport.deliver(ADDED, tenantYaml(ADDED, {}));
  await transport.deliver(ADDED, tenantYaml(ADDED, { agentUuid: OTHER_LAUNCHER }));
  await transport.deliver(REMOVED, tenantYaml(REMOVED, {}));
  expect(await stand.remotes()).toEqual(['198.51.100.2']);
  await transport.deliver(REMOVED, tenantYaml(REMOVED, { agentUuid: OTHER_LAUNCHER }));
  expect(await stand.remotes()).toEqual([]);
});

it('follows a launcher that has got another address, or another key', async () => {
  await using stand = await AgentStand.open();
  const { transport } = await stand.work({ ssh: false, subnetKeys: 'any' });
  await transport.deliver(ADDED, tenantYaml(ADDED, {}));
  expect(await transport.deliver(ADDED, tenantYaml(ADDED, { agentIp: '198.51.100.9' }))).toBe(
    'done',
  );
  expect(await stand.remotes()).toEqual(['198.51.100.9']);
  const rekeyed = tenantYaml(ADDED, { agentIp: '198.51.100.9', subnetKey: 4711 });
  expect(await transport.deliver(ADDED, rekeyed)).toBe('done');
  const device = (await ipLinks(stand.ns)).find(({ ifalias }) => ifalias === 'vxlan_172.16.1.0+24');
  expect(device?.linkinfo?.info_data).toMatchObject({ id: 4711 });
});

it('keeps the order of what it is told of one subnet, without waiting', async () => {
  await using stand = await AgentStand.open();
  const { transport } = await stand.work({ ssh: false });
  const subnets = ['172.16.1.0/24', '172.16.2.0/24', '172.16.3.0/24'];
  const told = subnets.flatMap((tenantSubnet, index) =>
    [ADDED, REMOVED, ADDED, REMOVED, ...(index === 1 ? [] : ([ADDED] as const))].map((kind) =>
      transport.deliver(kind as typeof ADDED, tenantYaml(kind as typeof ADDED, { tenantSubnet })),
    ),
  );
  expect(new Set(await Promise.all(told))).toEqual(new Set(['done']));
  const found = await Promise.all(subnets.map((subnet) => stand.remotes(subnet)));
  expect(found).toEqual([['198.51.100.2'], [], ['198.51.100.2']]);
});

it('passes over what was overtaken, where the transport counts', async () => {
  await using stand = await AgentStand.open();
  const working = await stand.work({ ssh: false, transport: new HandTransport('nats') });
  const { transport } = working;
  await transport.deliver(ADDED, tenantYaml(ADDED, {}), 10);
  await transport.deliver(REMOVED, tenantYaml(REMOVED, {}), 12);
  expect(await transport.deliver(ADDED, tenantYaml(ADDED, {}), 10)).toBe('done');
  expect(await stand.remotes()).toEqual([]);
  await working.end();
  // Nor after a restart.
  const again = await stand.work({ ssh: false, transport: new HandTransport('nats') });
  expect(await again.transport.deliver(ADDED, tenantYaml(ADDED, {}), 11)).toBe('done');
  expect(await stand.remotes()).toEqual([]);
  // A count that began anew cannot be compared.
  await again.transport.deliver(ADDED, tenantYaml(ADDED, {}), 1, 'stream@2');
  expect(await stand.remotes()).toEqual(['198.51.100.2']);
  // The same once more changes nothing.
  await again.transport.deliver(ADDED, tenantYaml(ADDED, {}), 1, 'stream@2');
  expect(await stand.remotes()).toEqual(['198.51.100.2']);
});

it('assigns a public address, answers, and takes it away again', async () => {
  await using stand = await AgentStand.open();
  const { transport, agent } = await stand.work({ ssh: false });
  transport.connect();
  await transport.deliver(ADDED, tenantYaml(ADDED, {}));
  const assign = publicIpYaml('assign-public-ip', PUBLIC, '172.16.1.5');
  expect(await transport.deliver('assign-public-ip', assign)).toBe('done');
  expect((await ipAddresses(stand.ns)).map(({ local }) => local)).toContain(PUBLIC);
  expect(await stand.ruleset()).toContain(PUBLIC);
  const release = publicIpYaml('release-public-ip', PUBLIC, '172.16.1.5');
  expect(await transport.deliver('release-public-ip', release)).toBe('done');
  expect((await ipAddresses(stand.ns)).map(({ local }) => local)).not.toContain(PUBLIC);
  // Never assigned, or no more: it counts as done.
  expect(await transport.deliver('release-public-ip', release)).toBe('done');
  const reports = await transport.reported(4);
  const common = {
    concentratorUuid: CNCI_ID,
    instanceUuid: '2478251d-dce9-48d6-b83a-a717417072ce',
    publicIp: PUBLIC,
    privateIp: '172.16.1.5',
  };
  expect(reports).toEqual([
    expect.objectContaining({ kind: 'concentrator-instance-added', instanceUuid: CNCI_ID }),
    { kind: 'public-ip-assigned', ...common },
    { kind: 'public-ip-unassigned', ...common },
    { kind: 'public-ip-unassigned', ...common },
  ]);
  await until(() => agent.state.waitingReports === 0, 5000 * patience);
});

it('answers what cannot be done with the fields as they came', async () => {
  await using stand = await AgentStand.open();
  const { transport, agent } = await stand.work({ ssh: false });
  transport.connect();
  const bad = publicIpYaml('assign-public-ip', 'not-an-ip', '172.16.1.5');
  expect(await transport.deliver('assign-public-ip', bad)).toBe('refused');
  // This machine's own.
  const own = publicIpYaml('assign-public-ip', '198.51.100.1', '172.16.1.5');
  expect(await transport.deliver('assign-public-ip', own)).toBe('refused');
  const release = publicIpYaml('release-public-ip', 'x', 'y');
  expect(await transport.deliver('release-public-ip', release)).toBe('refused');
  const [, ...failures] = await transport.reported(4);
  expect(failures).toMatchObject([
    { kind: 'assign-public-ip-failure', publicIp: 'not-an-ip', reason: 'assign_failure' },
    { kind: 'assign-public-ip-failure', publicIp: '198.51.100.1', vnicMac: '02:00:10:20:30:40' },
    {
      kind: 'unassign-public-ip-failure',
      publicIp: 'x',
      privateIp: 'y',
      reason: 'release_failure',
    },
  ]);
  expect(agent.state.publicIps).toBe(0);
});

it('says who it is on every connection, and tells later what it could not tell', async () => {
  await using stand = await AgentStand.open();
  const first = await stand.work({ ssh: false });
  const { transport } = first;
  transport.connect();
  await transport.reported(1);
  transport.disconnect();
  const assign = publicIpYaml('assign-public-ip', PUBLIC, '172.16.1.5');
  await transport.deliver('assign-public-ip', assign);
  expect(first.agent.state.waitingReports).toBe(1);
  await first.end();
  const { transport: next, agent } = await stand.work({ ssh: false });
  expect(agent.state).toMatchObject({ waitingReports: 1, publicIps: 1 });
  next.connect();
  expect((await next.reported(2)).map(({ kind }) => kind)).toEqual([
    'concentrator-instance-added',
    'public-ip-assigned',
  ]);
  const eth0 = (await ipLinks(stand.ns)).find(({ ifname }) => ifname === 'eth0');
  expect(next.reports[0]).toMatchObject({
    concentratorIp: '198.51.100.1',
    concentratorMac: eth0?.address,
  });
  next.disconnect();
  next.connect();
  expect((await next.reported(3))[2]?.kind).toBe('concentrator-instance-added');
});

it('reaches the neighbours it is told of, also after everything was lost but its store', async () => {
  await using stand = await AgentStand.open();
  const working = await stand.work({ ssh: false });
  await working.transport.deliver(ADDED, tenantYaml(ADDED, {}));
  const list = [
    { physicalIp: '198.51.100.1', subnet: '172.16.1.0/24', tunnelIp: '192.168.0.2' },
    { physicalIp: '198.51.100.77', subnet: '172.16.2.0/24', tunnelIp: '192.168.0.3' },
  ];
  expect(await working.transport.deliver('refresh-cnci', refreshYaml(list))).toBe('done');
  const route = async (): Promise<string> =>
    (await stand.box.exec(stand.ns, ['ip', 'route', 'show', '172.16.2.0/24'])).stdout;
  expect(await route()).toContain('192.168.0.3');
  await working.end();
  // As after a reboot.
  await tearDown(stand.cnciOptions());
  expect(await route()).toBe('');
  await stand.work({ ssh: false });
  expect(await route()).toContain('192.168.0.3');
  expect(await stand.remotes()).toEqual(['198.51.100.2']);
  expect(await stand.servers()).toHaveLength(1);
});

it('remembers in its own time: a full disk keeps what comes waiting, in order', async () => {
  await using stand = await AgentStand.open();
  const store = new MoodyStore(join(stand.directory, 'moody'));
  const { transport } = await stand.work({ ssh: false, store });
  store.isFull = true;
  const added = transport.deliver(ADDED, tenantYaml(ADDED, {}));
  const removed = transport.deliver(REMOVED, tenantYaml(REMOVED, {}));
  await until(() => store.refused >= 1, 5000 * patience);
  expect(await stand.remotes()).toEqual([]);
  // Where it would be delivered again, it fails.
  await expect(
    transport.deliver(ADDED, tenantYaml(ADDED, { tenantSubnet: '172.16.2.0/24' }), 1),
  ).rejects.toThrow(/disk is full/);
  store.isFull = false;
  expect(await Promise.all([added, removed])).toEqual(['done', 'done']);
  expect(await stand.remotes()).toEqual([]);
});

it('only remembers where it is told to leave the network alone', async () => {
  await using stand = await AgentStand.open();
  const working = await stand.work({ network: false });
  const { transport } = working;
  transport.connect();
  expect(await transport.deliver(ADDED, tenantYaml(ADDED, {}))).toBe('done');
  expect(await stand.remotes()).toEqual([]);
  const assign = publicIpYaml('assign-public-ip', PUBLIC, '172.16.1.5');
  expect(await transport.deliver('assign-public-ip', assign)).toBe('refused');
  const release = publicIpYaml('release-public-ip', PUBLIC, '172.16.1.5');
  expect(await transport.deliver('release-public-ip', release)).toBe('done');
  expect((await transport.reported(3)).map(({ kind }) => kind)).toEqual([
    'concentrator-instance-added',
    'assign-public-ip-failure',
    'public-ip-unassigned',
  ]);
  await working.end();
  await stand.work({ ssh: false });
  expect(await stand.remotes()).toEqual(['198.51.100.2']);
});
