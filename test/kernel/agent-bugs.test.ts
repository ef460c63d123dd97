/** What brings the original agent down, and what it forgets: none of it happens here. */
import { join } from 'node:path';
import type { HostHooks } from '#lib/host/index';
import { LmdbStore } from '#lib/store/index';
import { ipLinks } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, until } from '../support/run';
import { AgentStand, CNCI_ID, publicIpYaml, refreshYaml, tenantYaml } from './helpers/agent-stand';

const it = needs('vxlan', 'dnsmasq', 'nftables');
const ADDED = 'tenant-added';
const STRANGER = '77777777-dce9-48d6-b83a-a717417072ce';

/** Puts rows into an agent's store while it is away. */
async function meddle(
  stand: AgentStand,
  rows: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): Promise<void> {
  const store = new LmdbStore({ directory: join(stand.directory, 'data', CNCI_ID) });
  await store.open(['subnets', 'publicIps', 'neighbours', 'reports']);
  const changes = Object.entries(rows).flatMap(([table, entries]) =>
    Object.entries(entries).map(([key, value]) => ({ op: 'add' as const, table, key, value })),
  );
  await store.transaction(changes);
  await store.close();
}

const bad: readonly (readonly [what: string, words: Parameters<typeof tenantYaml>[1]])[] = [
  ['a wrong key', { subnetKey: 4711 }],
  ['an address that is none', { agentIp: 'not-an-ip' }],
  ['a key of 0', { subnetKey: 0 }],
  ['a subnet that is none', { tenantSubnet: '172.16.1.0', subnetKey: 1 }],
  ['another concentrator', { concentratorUuid: STRANGER }],
];

it('a wrong key or address is refused, not stored, and no restart fails by it', async () => {
  await using stand = await AgentStand.open();
  const working = await stand.work({ ssh: false });
  for (const [, words] of bad) {
    expect(await working.transport.deliver(ADDED, tenantYaml(ADDED, words))).toBe('refused');
  }
  expect(await working.transport.deliver(ADDED, 'tenant_added: [')).toBe('refused');
  // It works on.
  expect(await working.transport.deliver(ADDED, tenantYaml(ADDED, {}))).toBe('done');
  await working.end();
  const { agent } = await stand.work({ ssh: false });
  expect(agent.state).toMatchObject({ tunnels: 1, badRows: 0 });
  expect(await stand.remotes()).toEqual(['198.51.100.2']);
});

it('a key of its own is fine where the launchers are not those of ciao', async () => {
  await using stand = await AgentStand.open();
  const { transport } = await stand.work({ ssh: false, subnetKeys: 'any' });
  expect(await transport.deliver(ADDED, tenantYaml(ADDED, { subnetKey: 4711 }))).toBe('done');
});

it('a refresh without this concentrator, or without any, is refused', async () => {
  await using stand = await AgentStand.open();
  const { transport } = await stand.work({ ssh: false });
  const others = [
    { physicalIp: '198.51.100.77', subnet: '172.16.2.0/24', tunnelIp: '192.168.0.3' },
  ];
  expect(await transport.deliver('refresh-cnci', refreshYaml(others))).toBe('refused');
  expect(await transport.deliver('refresh-cnci', refreshYaml([]))).toBe('refused');
  const own = [{ physicalIp: '198.51.100.1', subnet: '172.16.1.0/24', tunnelIp: '192.168.0.2' }];
  expect(await transport.deliver('refresh-cnci', refreshYaml(own, STRANGER))).toBe('refused');
  expect(await transport.deliver('refresh-cnci', refreshYaml(own))).toBe('done');
});

it('a second agent of the same concentrator does not start', async () => {
  await using stand = await AgentStand.open();
  const working = await stand.work({ ssh: false });
  await expect(stand.work({ ssh: false })).rejects.toMatchObject({ code: 'SNNET_SERVICE_RUNNING' });
  await working.end();
  await stand.work({ ssh: false });
});

it('the tenant is named when the agent says who it is', async () => {
  await using stand = await AgentStand.open();
  const { transport } = await stand.work({ ssh: false });
  transport.connect();
  expect(await transport.reported(1)).toMatchObject([
    { kind: 'concentrator-instance-added', tenantUuid: expect.stringMatching(/^2491851d/) },
  ]);
});

it('a store full of rows that nobody understands costs those rows, and nothing else', async () => {
  await using stand = await AgentStand.open();
  const working = await stand.work({ ssh: false });
  await working.transport.deliver(ADDED, tenantYaml(ADDED, {}));
  await working.end();
  const row = (payload: string, kind = ADDED) => ({ kind, payload, isSettled: true });
  await meddle(stand, {
    subnets: {
      ...Object.fromEntries(
        bad.slice(1, 4).map(([what, words]) => [what, row(tenantYaml(ADDED, words))]),
      ),
      'no yaml': row('{{{'),
      'no object': 'hello',
      null: null,
      'a list': [1, 2],
      'another kind': row(tenantYaml(ADDED, {}), 'assign-public-ip'),
      'another key': row(tenantYaml(ADDED, {})),
      'no flag': { kind: ADDED, payload: tenantYaml(ADDED, {}) },
    },
    publicIps: { x: row(publicIpYaml('assign-public-ip', 'not-an-ip', 'x'), 'assign-public-ip') },
    neighbours: { all: row('cnci_refresh: 3', 'refresh-cnci') },
    reports: { '1': { kind: 'nothing' }, '2': 7 },
  });
  const { agent, transport } = await stand.work({ ssh: false });
  expect(agent.state).toMatchObject({ tunnels: 1, publicIps: 0, badRows: 14, waitingReports: 0 });
  expect(stand.log.lines.filter((line) => line.includes('not understood'))).toHaveLength(14);
  expect(await stand.remotes()).toEqual(['198.51.100.2']);
  const next = tenantYaml(ADDED, { tenantSubnet: '172.16.2.0/24' });
  expect(await transport.deliver(ADDED, next)).toBe('done');
});

it('what was stored and cannot be done any more is tried again, and keeps nothing else away', async () => {
  await using stand = await AgentStand.open();
  const working = await stand.work({ ssh: false });
  await working.transport.deliver(ADDED, tenantYaml(ADDED, {}));
  await working.end();
  // A second node wants the same network identifier for another subnet.
  const words = { tenantSubnet: '172.16.9.0/24', subnetKey: 69_804, agentUuid: STRANGER };
  const payload = tenantYaml(ADDED, words);
  const key = `${STRANGER} 172.16.9.0/24`;
  await meddle(stand, { subnets: { [key]: { kind: ADDED, payload, isSettled: true } } });
  const { agent } = await stand.work({ ssh: false });
  expect(agent.state).toMatchObject({ tunnels: 2, waitingRetries: 1 });
  expect(await stand.remotes()).toEqual(['198.51.100.2']);
});

it('a restart with bridges that are there already needs no networks to be named', async () => {
  await using stand = await AgentStand.open();
  const cnci = { ...stand.cnciOptions() };
  delete (cnci as { computeNets?: unknown }).computeNets;
  const working = await stand.work({ ssh: false, cnci });
  await working.transport.deliver(ADDED, tenantYaml(ADDED, {}));
  await working.end();
  const { agent } = await stand.work({ ssh: false, cnci });
  expect(agent.state.tunnels).toBe(1);
});

it('a restart touches nothing: the same links, the same DHCP servers', async () => {
  await using stand = await AgentStand.open();
  const working = await stand.work({});
  for (const third of [1, 2, 3]) {
    const tenantSubnet = `172.16.${String(third)}.0/24`;
    await working.transport.deliver(ADDED, tenantYaml(ADDED, { tenantSubnet }));
  }
  const look = async (): Promise<unknown> => {
    const links = await ipLinks(stand.ns);
    return [links.map(({ ifindex, ifname }) => [ifindex, ifname]), await stand.servers()];
  };
  const before = await look();
  await working.end();
  await stand.work({});
  expect(await look()).toEqual(before);
  expect(await stand.ruleset()).toMatch(/33261 : 172\.16\.1\.5/);
});

it('the tunnel to where a node was goes, also if that failed at first', async () => {
  await using stand = await AgentStand.open();
  let failures = 0;
  const fault: HostHooks['fault'] = (plan) => {
    if (plan.operation !== 'delRemoteSubnet' || failures > 0) return undefined;
    failures += 1;
    return { step: 0, errno: 'EBUSY' };
  };
  const { transport, agent } = await stand.work({ ssh: false }, { fault });
  const at = (agentIp: string) => transport.deliver(ADDED, tenantYaml(ADDED, { agentIp }));
  expect(await at('198.51.100.2')).toBe('done');
  await expect(at('198.51.100.3')).rejects.toMatchObject({ code: 'SNNET_KERNEL_FAILED' });
  expect(await stand.remotes()).toEqual(['198.51.100.2']);
  expect(agent.state.waitingRetries).toBe(1);
  const added = () => stand.log.lines.filter((line) => line === 'info tunnel added').length;
  expect(await until(() => added() === 2, 10_000 * patience)).toBe(true);
  await agent.settle();
  expect([failures, await stand.remotes()]).toEqual([1, ['198.51.100.3']]);
});
