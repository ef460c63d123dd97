/** What docker was recorded to say in the life of a network, said again; by socket and by port. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { DockerPlugin } from '#lib/index';
import { needs } from '../../support/reasons';
import { createEndpoint, createNetwork, DockerBed, ends, NETWORK_ID } from './bed';
import type { DockerClient, Recorded } from './client';
import { recordedTalk } from './client';

const withVxlan = needs('vxlan');

interface Meanings {
  readonly bridge: string;
  readonly interfaceName: string;
}

/** The recorded conversation with the names of this run; the answers, as far as they are ours to choose. */
async function replay(docker: DockerClient, { bridge, interfaceName }: Meanings): Promise<number> {
  let poolId = '';
  const talk = recordedTalk('life').filter(({ path }) => path !== undefined);
  for (const { path = '', request } of talk) {
    const text = JSON.stringify(request)
      .replaceAll('brt5', bridge)
      .replaceAll('pool-172.31.5.0/24', poolId)
      .replaceAll(/"NetworkID":"[0-9a-f]+"/g, `"NetworkID":"${NETWORK_ID}"`);
    const answer = await docker.ask(path, request === null ? null : text);
    expect({ path, ...answer }).toMatchObject({ path, status: 200 });
    if (path === '/IpamDriver.RequestPool') poolId = (answer.body as { PoolID: string }).PoolID;
    expect(answer.body).toEqual(ours(path, poolId, interfaceName) ?? recordedAnswer(path, request));
  }
  return talk.length;
}

function recordedAnswer(path: string, request: Recorded['request']): unknown {
  const same = recordedTalk('life').find(
    (line) => line.path === path && JSON.stringify(line.request) === JSON.stringify(request),
  );
  return same?.answer;
}

/** What the recorded plugin chose otherwise. */
function ours(path: string, poolId: string, interfaceName: string): object | undefined {
  switch (path) {
    case '/IpamDriver.GetCapabilities':
      return { RequiresMACAddress: true };
    case '/IpamDriver.GetDefaultAddressSpaces':
      return { LocalDefaultAddressSpace: '', GlobalDefaultAddressSpace: '' };
    case '/IpamDriver.RequestPool':
      return { PoolID: poolId, Pool: '172.31.5.0/24', Data: {} };
    case '/NetworkDriver.Join':
      return {
        InterfaceName: { SrcName: interfaceName, DstPrefix: 'eth' },
        Gateway: '172.31.5.1',
      };
    default:
      return undefined;
  }
}

withVxlan('the recorded life of a network, over a socket', async () => {
  await using bed = await DockerBed.open();
  const [{ interfaceName }, { bridge }] = await bed.vnic(9);
  const { plugin, docker } = await bed.talk();
  expect(await replay(docker, { bridge, interfaceName })).toBe(30);
  expect(plugin.state).toMatchObject({ networks: 0, endpoints: 0 });
  const socket = plugin.state.address?.slice('unix://'.length) ?? '';
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(readFileSync(`${bed.scratch.path}/spec/snnet.spec`, 'utf8')).toBe(`unix://${socket}\n`);
  await plugin.stop();
  expect(existsSync(socket)).toBe(false);
  expect(existsSync(`${bed.scratch.path}/spec/snnet.spec`)).toBe(false);
});

withVxlan('the same over a port, which docker reads in a file', async () => {
  await using bed = await DockerBed.open();
  const [{ interfaceName }, { bridge }] = await bed.vnic(9);
  const { plugin, docker } = await bed.talk({ address: 'tcp://127.0.0.1:0', name: 'ciao' });
  await replay(docker, { bridge, interfaceName });
  const { port } = new URL(plugin.state.address ?? '');
  const file = `${bed.scratch.path}/spec/ciao.json`;
  expect(readFileSync(file, 'utf8')).toBe(`{"Name":"ciao","Addr":"http://127.0.0.1:${port}"}\n`);
  await plugin.close();
  expect(existsSync(file)).toBe(false);
});

withVxlan('what docker never says twice is known after a restart', async () => {
  await using bed = await DockerBed.open();
  const [{ interfaceName }, { bridge }] = await bed.vnic(9);
  const first = await bed.talk();
  const { PoolID } = await first.docker.get('/IpamDriver.RequestPool', { Pool: '172.31.5.0/24' });
  await first.docker.get('/NetworkDriver.CreateNetwork', createNetwork(bridge));
  await first.docker.get('/NetworkDriver.CreateEndpoint', createEndpoint('e1', 9));
  await first.plugin.close();

  const { plugin, docker } = await bed.talk();
  expect(plugin.state).toMatchObject({ networks: 1, endpoints: 1 });
  const joined = await docker.get('/NetworkDriver.Join', { ...ends('e1'), SandboxKey: '/x' });
  expect(joined).toMatchObject({ InterfaceName: { SrcName: interfaceName } });
  const asked = { PoolID, Address: '172.31.5.10', Options: null };
  expect(await docker.get('/IpamDriver.RequestAddress', asked)).toEqual({
    Address: '172.31.5.10/24',
    Data: {},
  });
  await docker.get('/NetworkDriver.DeleteEndpoint', ends('e1'));
  await docker.get('/NetworkDriver.DeleteNetwork', { NetworkID: NETWORK_ID });
});

withVxlan('a plugin stops and starts again, and two do not take each other’s place', async () => {
  await using bed = await DockerBed.open();
  const { plugin, docker } = await bed.talk();
  await docker.get('/Plugin.Activate');
  const second = new DockerPlugin(bed.options({ dataDir: `${bed.scratch.path}/other` }));
  await expect(second.start()).rejects.toMatchObject({ code: 'SNNET_SERVICE_RUNNING' });
  await docker.get('/Plugin.Activate');
  await plugin.stop();
  const late = bed.client(bed.options().address);
  await expect(late.ask('/Plugin.Activate')).rejects.toMatchObject({ code: 'ENOENT' });
  await second.start();
  await second.close();
  await plugin.start();
  await late.get('/Plugin.Activate');
});

withVxlan('a port that another has is not to be had, and nothing is told of it', async () => {
  await using bed = await DockerBed.open();
  const { plugin, docker } = await bed.talk({ address: 'tcp://127.0.0.1:0' });
  const { address } = plugin.state;
  const second = new DockerPlugin(
    bed.options({ name: 'second', address, dataDir: `${bed.scratch.path}/other` }),
  );
  await expect(second.start()).rejects.toMatchObject({ code: 'SNNET_ADDRESS_TAKEN' });
  expect(existsSync(`${bed.scratch.path}/spec/second.json`)).toBe(false);
  await docker.get('/Plugin.Activate');
  await second.close();
});

withVxlan('tenants with the same subnet are apart', async () => {
  await using bed = await DockerBed.open();
  const [mine, { bridge }] = await bed.vnic(9);
  const other = { tenantId: 'beta', concId: 'cnci-beta', concIp: '198.51.100.22', subnetKey: 78 };
  const [theirs, { bridge: theirBridge }] = await bed.vnic(9, other);
  const { docker } = await bed.talk();
  const pools = [];
  for (let i = 0; i < 2; i++) {
    pools.push(await docker.get('/IpamDriver.RequestPool', { Pool: '172.31.5.0/24' }));
  }
  expect(pools[0]!['PoolID']).not.toBe(pools[1]!['PoolID']);
  for (const { PoolID } of pools) {
    await docker.get('/IpamDriver.RequestAddress', { PoolID, Address: '172.31.5.9' });
  }
  await docker.get('/NetworkDriver.CreateNetwork', createNetwork(bridge));
  await docker.get('/NetworkDriver.CreateNetwork', createNetwork(theirBridge, { NetworkID: 'n2' }));
  await docker.get('/NetworkDriver.CreateEndpoint', createEndpoint('e1', 9));
  await docker.get('/NetworkDriver.CreateEndpoint', createEndpoint('e2', 9, { NetworkID: 'n2' }));
  const join = (endpoint: object): Promise<object> => docker.get('/NetworkDriver.Join', endpoint);
  expect(await join(ends('e1'))).toMatchObject({
    InterfaceName: { SrcName: mine.interfaceName },
  });
  expect(await join({ NetworkID: 'n2', EndpointID: 'e2' })).toMatchObject({
    InterfaceName: { SrcName: theirs.interfaceName },
  });
});
