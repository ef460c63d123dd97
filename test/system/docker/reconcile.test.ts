/** What docker gave up while nobody listened is forgotten at the next start; what it uses is kept. */
import { needs } from '../../support/reasons';
import { run } from '../../support/run';
import { createEndpoint, createNetwork, DockerBed, ends, SUBNET } from './bed';
import { SlowStore } from './slow-store';

const withVxlan = needs('vxlan');
const HOUR_MS = 3_600_000;

/** Makes everything in the store an hour older. */
function age(store: SlowStore): void {
  for (const table of store.tables.values()) {
    for (const [key, value] of table) {
      const { createdAt } = value as { createdAt?: number };
      if (createdAt !== undefined) {
        table.set(key, { ...(value as object), createdAt: createdAt - HOUR_MS });
      }
    }
  }
}

/** Two containers that docker has placed, the second of which has taken its VNIC. */
async function placed(bed: DockerBed, store: SlowStore): Promise<void> {
  const [, { bridge }] = await bed.vnic(9);
  const [taken] = await bed.vnic(10);
  const { plugin, docker } = await bed.talk({ store });
  const { PoolID } = await docker.get('/IpamDriver.RequestPool', { Pool: SUBNET });
  const gateway = { RequestAddressType: 'com.docker.network.gateway' };
  await docker.get('/IpamDriver.RequestAddress', { PoolID, Options: gateway });
  await docker.get('/NetworkDriver.CreateNetwork', createNetwork(bridge));
  for (const host of [9, 10]) {
    await docker.get('/IpamDriver.RequestAddress', { PoolID, Address: `172.31.5.${String(host)}` });
    await docker.get('/NetworkDriver.CreateEndpoint', createEndpoint(`e${String(host)}`, host));
  }
  await plugin.close();
  const container = await bed.box.netns('container');
  const move = ['link', 'set', 'dev', taken.interfaceName, 'netns', container.name];
  await run(['ip', '-n', bed.ns.name, ...move]);
}

withVxlan('a container that was stopped meanwhile is forgotten, one that runs is not', async () => {
  await using bed = await DockerBed.open();
  const store = new SlowStore();
  await placed(bed, store);
  age(store);
  const { plugin, docker } = await bed.talk({ store });
  expect(plugin.state).toMatchObject({ networks: 1, endpoints: 1 });
  expect([...store.tables.get('endpoints')!.keys()]).toEqual(['e10']);
  await docker.get('/NetworkDriver.CreateEndpoint', createEndpoint('new', 9));
  expect(
    await docker.refusal('/NetworkDriver.CreateEndpoint', createEndpoint('new', 10)),
  ).toContain('is not here');
});

withVxlan('docker may be in the middle of it: what is young is kept', async () => {
  await using bed = await DockerBed.open();
  const store = new SlowStore();
  await placed(bed, store);
  const { docker } = await bed.talk({ store });
  await docker.get('/NetworkDriver.Join', ends('e9'));
  // Its container never came to be, and docker begins anew.
  await docker.get('/NetworkDriver.CreateEndpoint', createEndpoint('new', 9));
  expect(await docker.refusal('/NetworkDriver.Join', ends('e9'))).toContain('no endpoint');
});

withVxlan('pools that no network came of go, and networks stay without their bridge', async () => {
  await using bed = await DockerBed.open();
  const store = new SlowStore();
  await placed(bed, store);
  await bed.node.resetNetwork();
  const { plugin, docker } = await bed.talk({ store });
  await docker.get('/IpamDriver.RequestPool', { Pool: '10.0.0.0/24' });
  await plugin.close();
  age(store);
  const again = await bed.plugin({ store });
  expect(again.state).toMatchObject({ networks: 1, endpoints: 0 });
  const pools = [...store.tables.get('pools')!.values()];
  expect(pools).toMatchObject([{ subnet: SUBNET }]);
});

withVxlan('records of another version are left alone, and said', async () => {
  await using bed = await DockerBed.open();
  const store = new SlowStore();
  await placed(bed, store);
  store.tables.get('networks')!.set('strange', { bridge: 7 });
  store.tables.get('pools')!.set('text', 'x');
  const said: unknown[] = [];
  const quiet = (): void => undefined;
  const logger = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (message: string, fields: unknown) => said.push([message, fields]),
  };
  const { plugin } = await bed.talk({ store, logger });
  expect(plugin.state).toMatchObject({ networks: 1 });
  expect(said).toEqual([
    ['a record of the store is not understood', { table: 'networks', key: 'strange' }],
    ['a record of the store is not understood', { table: 'pools', key: 'text' }],
  ]);
  expect(store.tables.get('networks')!.has('strange')).toBe(true);
});
