/** Whatever is asked: an answer, in time, that docker reads as an error; and the next is served. */
import { connect } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { needs } from '../../support/reasons';
import { run, until } from '../../support/run';
import {
  createEndpoint,
  createNetwork,
  DockerBed,
  ends,
  GATEWAY,
  NETWORK_ID,
  SUBNET,
  vnicConfig,
} from './bed';
import type { DockerClient } from './client';
import { SlowStore } from './slow-store';

const withVxlan = needs('vxlan');

/** A bed with a network of docker's and one VNIC. */
async function network(
  bed: DockerBed,
  more: Parameters<DockerBed['talk']>[0] = {},
): Promise<{ docker: DockerClient; bridge: string; poolId: string }> {
  const [, { bridge }] = await bed.vnic(9);
  const { docker } = await bed.talk(more);
  const { PoolID } = await docker.get('/IpamDriver.RequestPool', { Pool: SUBNET });
  await docker.get('/NetworkDriver.CreateNetwork', createNetwork(bridge));
  return { docker, bridge, poolId: String(PoolID) };
}

const CALLS = [
  '/NetworkDriver.CreateNetwork',
  '/NetworkDriver.DeleteNetwork',
  '/NetworkDriver.CreateEndpoint',
  '/NetworkDriver.DeleteEndpoint',
  '/NetworkDriver.Join',
  '/IpamDriver.RequestPool',
  '/IpamDriver.RequestAddress',
];
const NONSENSE: readonly (string | null)[] = [
  null,
  '{',
  'null',
  '[]',
  '"x"',
  '{}',
  '\0\0\0',
  '{"NetworkID":null}',
  '{"NetworkID":7,"EndpointID":[],"PoolID":{},"Pool":1}',
  '{"NetworkID":"","EndpointID":"","PoolID":"","Pool":"x"}',
  '{"NetworkID":"a b","EndpointID":"\\u0000","PoolID":"\\n","Pool":"1.2.3.4/33"}',
  `{"NetworkID":"${'x'.repeat(5000)}","PoolID":"${'x'.repeat(5000)}","Pool":"::/0"}`,
  '{"__proto__":{"NetworkID":"x"},"constructor":1}',
  '{"NetworkID":"x","EndpointID":"y","Interface":7,"Options":7,"PoolID":"z","Pool":"10.0.0.1/24"}',
  '{"NetworkID":"x","IPv4Data":7,"Options":{"com.docker.network.generic":{"bridge":7}}}',
  '['.repeat(100_000),
  `{"NetworkID":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`,
];

withVxlan('nonsense is refused by every call, and nothing is remembered of it', async () => {
  await using bed = await DockerBed.open();
  const { plugin, docker } = await bed.talk();
  for (const path of CALLS) {
    for (const body of NONSENSE) await docker.refusal(path, body);
  }
  expect(plugin.state).toMatchObject({ networks: 0, endpoints: 0 });
  await docker.get('/Plugin.Activate');
});

withVxlan('what docker only tells succeeds, even about what nobody knows', async () => {
  await using bed = await DockerBed.open();
  const { docker } = await bed.talk();
  for (const call of ['Leave', 'RevokeExternalConnectivity', 'ProgramExternalConnectivity']) {
    expect(await docker.get(`/NetworkDriver.${call}`, ends('x'))).toEqual({});
  }
  const discovery = { DiscoveryType: 1, DiscoveryData: { Address: '10.0.0.2' } };
  expect(await docker.get('/NetworkDriver.DiscoverNew', discovery)).toEqual({});
  expect(await docker.get('/NetworkDriver.DiscoverDelete', discovery)).toEqual({});
  expect(await docker.get('/NetworkDriver.EndpointOperInfo', ends('x'))).toEqual({ Value: {} });
  expect(await docker.get('/IpamDriver.ReleasePool', { PoolID: 'x' })).toEqual({});
  const address = { PoolID: 'x', Address: '1.2.3.4' };
  expect(await docker.get('/IpamDriver.ReleaseAddress', address)).toEqual({});
});

withVxlan('unknown networks and endpoints are errors, again and again', async () => {
  await using bed = await DockerBed.open();
  const { docker } = await network(bed);
  for (let i = 0; i < 3; i++) {
    expect(await docker.refusal('/NetworkDriver.DeleteNetwork', { NetworkID: 'x' })).toBe(
      '500 there is no network x',
    );
    const elsewhere = createEndpoint('e', 9, { NetworkID: 'x' });
    expect(await docker.refusal('/NetworkDriver.CreateEndpoint', elsewhere)).toContain('network x');
    expect(await docker.refusal('/NetworkDriver.Join', ends('e'))).toContain('no endpoint e');
    expect(await docker.refusal('/NetworkDriver.DeleteEndpoint', ends('e'))).toContain(
      'no endpoint e',
    );
    const asked = { PoolID: 'p', Address: '1.2.3.4' };
    expect(await docker.refusal('/IpamDriver.RequestAddress', asked)).toContain('no pool p');
  }
});

withVxlan('wrong methods, paths and pages of browsers', async () => {
  await using bed = await DockerBed.open();
  const { docker } = await bed.talk();
  expect(await docker.refusal('/Plugin.Activate', null, { method: 'GET' })).toMatch(/^405 GET/);
  expect(await docker.refusal('/Plugin.Activate', '{}', { method: 'PUT' })).toMatch(/^405 PUT/);
  expect(await docker.refusal('/NetworkDriver.AllocateNetwork', {})).toMatch(/^404 there is no/);
  expect(await docker.refusal('/', null)).toMatch(/^404/);
  expect(await docker.refusal('/%zz', null)).toMatch(/^4/);
  const headers = { Origin: 'https://example.org' };
  expect(await docker.refusal('/Plugin.Activate', null, { headers })).toBe(
    '403 only docker is served',
  );
  const typed = await docker.ask('/Plugin.Activate', '{}', {
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  });
  expect(typed).toMatchObject({
    status: 200,
    type: 'application/vnd.docker.plugins.v1.1+json',
  });
});

withVxlan('a body without end is refused', async () => {
  await using bed = await DockerBed.open();
  const { docker } = await bed.talk();
  const big = JSON.stringify({ NetworkID: 'x', junk: 'y'.repeat(1_000_000) });
  const refused = await docker
    .refusal('/NetworkDriver.CreateNetwork', big)
    .catch((error: unknown) => (error as NodeJS.ErrnoException).code ?? '');
  // Whoever still sends when he is refused may find the door shut.
  expect(refused).toMatch(/^413|EPIPE|ECONNRESET/);
  await docker.get('/Plugin.Activate');
});

withVxlan('connections that say half a word, or no HTTP, keep nobody out', async () => {
  await using bed = await DockerBed.open();
  const { plugin, docker } = await bed.talk({ timeoutMs: 500 });
  const path = plugin.state.address!.slice('unix://'.length);
  const say = (text: string): Promise<string> => {
    const socket = connect({ path });
    socket.write(text);
    return readAll(socket);
  };
  const half = say(
    'POST /NetworkDriver.Join HTTP/1.1\r\nHost:\r\nContent-Length: 100\r\n\r\n{"Net',
  );
  const none = say('\0\x01\x02 hello\r\n\r\n');
  await docker.get('/Plugin.Activate');
  expect(await none).toMatch(/^HTTP\/1.1 400/);
  // Closing does not wait for it.
  await plugin.close();
  await half.catch(() => undefined);
});

withVxlan('networks that would be a lie are refused, each in words', async () => {
  await using bed = await DockerBed.open();
  const [, { bridge }] = await bed.vnic(9);
  const { docker } = await bed.talk();
  const refusal = (more: object, at = bridge): Promise<string> =>
    docker.refusal('/NetworkDriver.CreateNetwork', createNetwork(at, more));
  const data = { AddressSpace: '', Gateway: `${GATEWAY}/24`, Pool: SUBNET };
  expect(await refusal({}, 'docker0')).toContain('"docker0" is not the alias');
  expect(await refusal({ Options: {} })).toContain('needs --opt bridge');
  expect(await refusal({ IPv6Data: [data] })).toContain('IPv6');
  expect(await refusal({ IPv4Data: [data, data] })).toContain('one subnet');
  expect(await refusal({ IPv4Data: [] })).toContain('one subnet');
  expect(await refusal({ IPv4Data: [{ ...data, Pool: '0.0.0.0/0' }] })).toContain('one subnet');
  expect(await refusal({ IPv4Data: [{ ...data, Gateway: '10.0.0.1/24' }] })).toContain('not in');
  await docker.get('/NetworkDriver.CreateNetwork', createNetwork(bridge));
  await docker.get('/NetworkDriver.CreateNetwork', createNetwork(bridge));
  const other = bridge.replace('web', 'db');
  expect(await refusal({}, other)).toContain('there already');
});

withVxlan('pools and addresses are given as they are asked for, or not', async () => {
  await using bed = await DockerBed.open();
  const { docker } = await bed.talk();
  const pool = (request: object): Promise<string> =>
    docker.refusal('/IpamDriver.RequestPool', request);
  expect(await pool({ Pool: '' })).toContain('--subnet');
  expect(await pool({ Pool: '172.31.5.7/24' })).toContain('172.31.5.0/24');
  expect(await pool({ Pool: 'fd00::/64', V6: true })).toContain('IPv6');
  expect(await pool({ Pool: '172.31.5.0/31' })).toContain('prefix length');

  const { PoolID } = await docker.get('/IpamDriver.RequestPool', { Pool: '172.31.4.0/22' });
  const ask = (Address: string, Options: object | null = null): object => ({
    PoolID,
    Address,
    Options,
  });
  const gateway = { RequestAddressType: 'com.docker.network.gateway' };
  const path = '/IpamDriver.RequestAddress';
  expect(await docker.get(path, ask('', gateway))).toEqual({ Address: '172.31.4.1/22', Data: {} });
  expect(await docker.get(path, ask('172.31.5.9'))).toEqual({
    Address: '172.31.5.9/22',
    Data: {},
  });
  expect(await docker.refusal(path, ask(''))).toContain('docker run --ip');
  expect(await docker.refusal(path, ask('172.31.5.9'))).toContain('172.31.5.9 is in use');
  expect(await docker.refusal(path, ask('172.31.4.1'))).toContain('it is the gateway');
  for (const address of ['172.31.4.0', '172.31.7.255', '172.31.8.1', '1.2.3', 'fd00::1']) {
    await docker.refusal(path, ask(address));
  }
  await docker.get('/IpamDriver.ReleaseAddress', ask('172.31.5.9'));
  await docker.get(path, ask('172.31.5.9'));
  await docker.get('/IpamDriver.ReleasePool', { PoolID });
  expect(await docker.refusal(path, ask('172.31.5.10'))).toContain('no pool');
});

withVxlan('a container gets no VNIC but the one that was made for it', async () => {
  await using bed = await DockerBed.open();
  const { docker } = await network(bed);
  const path = '/NetworkDriver.CreateEndpoint';
  const at = (address: string, mac = ''): object => ({
    Address: address,
    AddressIPv6: '',
    MacAddress: mac,
  });
  expect(await docker.refusal(path, createEndpoint('e', 10))).toContain('there is no VNIC for');
  const refusal = (Interface: object | null): Promise<string> =>
    docker.refusal(path, createEndpoint('e', 9, { Interface }));
  expect(await refusal(null)).toContain('docker run --ip');
  expect(await refusal(at('172.31.6.9/24'))).toContain('not in');
  expect(await refusal({ ...at('172.31.5.9/24'), AddressIPv6: 'fd00::9/64' })).toContain('IPv6');
  expect(await refusal(at('172.31.5.9/24', '02:42:00:00:00:01'))).toContain(
    'has MAC 02:00:ac:1f:05:09, not 02:42:00:00:00:01',
  );
  // Without a MAC the VNIC keeps its own; with its own nothing is sent back.
  expect(
    await docker.get(path, createEndpoint('e', 9, { Interface: at('172.31.5.9/24') })),
  ).toEqual({ Interface: {} });
  expect(await docker.get(path, createEndpoint('e', 9))).toEqual({ Interface: {} });
  expect(await docker.refusal(path, createEndpoint('f', 9))).toContain('endpoint e has');
});

needs('vxlan', 'tap')('a VM’s tap is not for docker', async () => {
  await using bed = await DockerBed.open();
  const { docker } = await network(bed);
  await bed.node.createVnic(vnicConfig(10, { role: 'vm' }));
  expect(await docker.refusal('/NetworkDriver.CreateEndpoint', createEndpoint('e', 10))).toContain(
    'is a VM',
  );
});

withVxlan('a VNIC that is with a container, or gone, is not promised again', async () => {
  await using bed = await DockerBed.open();
  const { docker } = await network(bed);
  const [vnic] = await bed.vnic(9);
  await docker.get('/NetworkDriver.CreateEndpoint', createEndpoint('e1', 9));
  const workload = await bed.box.netns('container');
  const move = (from: string, to: string): Promise<unknown> =>
    run(['ip', '-n', from, 'link', 'set', 'dev', vnic.interfaceName, 'netns', to]);
  await move(bed.ns.name, workload.name);
  const again = createEndpoint('e2', 9);
  expect(await docker.refusal('/NetworkDriver.CreateEndpoint', again)).toContain('is not here');
  expect(await docker.refusal('/NetworkDriver.Join', ends('e1'))).toContain('is not here');
  await move(workload.name, bed.ns.name);
  await docker.get('/NetworkDriver.Join', ends('e1'));
  await bed.node.destroyVnic(vnicConfig(9));
  expect(await docker.refusal('/NetworkDriver.Join', ends('e1'))).toContain('there is no VNIC');
  await docker.get('/NetworkDriver.DeleteEndpoint', ends('e1'));
});

withVxlan('a network without a gateway, or an internal one, has no way out', async () => {
  await using bed = await DockerBed.open();
  const [, { bridge }] = await bed.vnic(9);
  const { docker } = await bed.talk();
  const without = { IPv4Data: [{ AddressSpace: '', Gateway: '', Pool: SUBNET }] };
  await docker.get('/NetworkDriver.CreateNetwork', createNetwork(bridge, without));
  await docker.get('/NetworkDriver.CreateEndpoint', createEndpoint('e', 9));
  const joined = await docker.get('/NetworkDriver.Join', ends('e'));
  expect(joined).toMatchObject({ DisableGatewayService: true });
  expect(joined).not.toHaveProperty('Gateway');
});

withVxlan('a store that hangs: docker is answered, and what comes too late is undone', async () => {
  await using bed = await DockerBed.open();
  const store = new SlowStore();
  const { docker } = await network(bed, { store, timeoutMs: 200 });
  let goOn: () => void = () => undefined;
  store.pause = new Promise((resolve) => (goOn = resolve));
  const late = docker.refusal('/NetworkDriver.CreateEndpoint', createEndpoint('e1', 9));
  expect(await late).toContain('more than 200 ms');
  store.pause = undefined;
  goOn();
  const endpoints = store.tables.get('endpoints')!;
  expect(await until(() => endpoints.size === 0, 5000)).toBe(true);
  await docker.get('/NetworkDriver.CreateEndpoint', createEndpoint('e2', 9));
  expect([...endpoints.keys()]).toEqual(['e2']);
});

withVxlan('whoever asks and goes away is not waited for, and what he asked is done', async () => {
  await using bed = await DockerBed.open();
  const store = new SlowStore();
  const [, { bridge }] = await bed.vnic(9);
  const { plugin } = await bed.talk({ store });
  const path = plugin.state.address!.slice('unix://'.length);
  let goOn: () => void = () => undefined;
  store.pause = new Promise((resolve) => (goOn = resolve));
  const body = JSON.stringify(createNetwork(bridge));
  for (let i = 0; i < 20; i++) {
    const socket = connect({ path });
    const head = `Host:\r\nContent-Length: ${String(body.length)}`;
    socket.write(`POST /NetworkDriver.CreateNetwork HTTP/1.1\r\n${head}\r\n\r\n${body}`);
    // Some before they are heard, some after.
    if (i % 2 === 0) await until(() => plugin.state.networks > 0, 5000);
    socket.destroy();
  }
  goOn();
  await plugin.close();
  expect(store.tables.get('networks')!.size).toBe(1);
});

withVxlan(
  'a store that fails: an error, and nothing is believed that it did not keep',
  async () => {
    await using bed = await DockerBed.open();
    const store = new SlowStore();
    const { docker } = await network(bed, { store });
    store.failure = new Error('no space left on device');
    const refusal = docker.refusal('/NetworkDriver.CreateEndpoint', createEndpoint('e1', 9));
    expect(await refusal).toContain('no space left');
    expect(
      await docker.refusal('/NetworkDriver.DeleteNetwork', { NetworkID: NETWORK_ID }),
    ).toContain('no space left');
    store.failure = undefined;
    await docker.get('/NetworkDriver.CreateEndpoint', createEndpoint('e1', 9));
    await docker.get('/NetworkDriver.DeleteNetwork', { NetworkID: NETWORK_ID });
    expect([...store.tables.values()].map(({ size }) => size)).toEqual([0, 0, 1]);
  },
);
