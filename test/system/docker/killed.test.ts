/** The plugin as a process of its own, killed at random moments: what docker was answered holds. */
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT, runChild } from '../../support/child';
import { needs } from '../../support/reasons';
import { sleep } from '../../support/run';
import { Tool } from '../../support/tool';
import { createEndpoint, createNetwork, DockerBed, ends, SUBNET } from './bed';
import { DockerClient } from './client';

const CLI = join(PACKAGE_ROOT, 'dist', 'cli', 'main.js');
const ROUNDS = 4;

interface Told {
  readonly networks: Set<string>;
  readonly pools: Set<string>;
}

function wordsFor(bed: DockerBed): string[] {
  const { path } = bed.scratch;
  return [
    ...['docker-plugin', '--netns', bed.ns.path, '--address', `unix://${path}/plugin.sock`],
    ...['--data-dir', `${path}/data`, '--spec-dir', `${path}/spec`],
  ];
}

function startPlugin(bed: DockerBed): Promise<Tool> {
  return Tool.start([process.execPath, CLI, ...wordsFor(bed)], { ready: /docker finds snnet/ });
}

/** Makes networks and pools until nobody answers; notes what was answered. */
async function tellMuch(docker: DockerClient, bridge: string, round: number): Promise<Told> {
  const told: Told = { networks: new Set(), pools: new Set() };
  try {
    for (let i = 0; ; i++) {
      const NetworkID = `n${String(round)}-${String(i)}`;
      const { PoolID } = await docker.get('/IpamDriver.RequestPool', { Pool: SUBNET });
      told.pools.add(String(PoolID));
      await docker.get('/NetworkDriver.CreateNetwork', createNetwork(bridge, { NetworkID }));
      told.networks.add(NetworkID);
      if (i % 3 !== 0) continue;
      // From the question on nobody knows whether it is there.
      told.networks.delete(NetworkID);
      await docker.get('/NetworkDriver.DeleteNetwork', { NetworkID });
    }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(code)) throw error;
  }
  return told;
}

needs('vxlan')(
  'killed while docker tells it much: all that was answered is known, and the socket is taken over',
  async () => {
    await using bed = await DockerBed.open();
    const [, { bridge }] = await bed.vnic(9);
    const address = `unix://${bed.scratch.path}/plugin.sock`;
    for (let round = 0; round < ROUNDS; round++) {
      await using first = await startPlugin(bed);
      using docker = new DockerClient(address);
      const telling = tellMuch(docker, bridge, round);
      await sleep(randomInt(150));
      process.kill(first.pid!, 'SIGKILL');
      const { networks, pools } = await telling;
      await first.stop();
      expect(existsSync(`${bed.scratch.path}/plugin.sock`)).toBe(true);

      await using second = await startPlugin(bed);
      using again = new DockerClient(address);
      for (const PoolID of pools) {
        await again.get('/IpamDriver.RequestAddress', { PoolID, Address: '172.31.5.9' });
        await again.get('/IpamDriver.ReleasePool', { PoolID });
      }
      for (const NetworkID of networks) {
        await again.get('/NetworkDriver.DeleteNetwork', { NetworkID });
      }
      await second.stop();
    }
  },
  120_000,
);

needs('vxlan')('killed between two words about one container: the next one goes on', async () => {
  await using bed = await DockerBed.open();
  const [{ interfaceName }, { bridge }] = await bed.vnic(9);
  const steps: readonly (readonly [string, object])[] = [
    ['/NetworkDriver.CreateNetwork', createNetwork(bridge)],
    ['/NetworkDriver.CreateEndpoint', createEndpoint('e1', 9)],
    ['/NetworkDriver.Join', ends('e1')],
    ['/NetworkDriver.Leave', ends('e1')],
    ['/NetworkDriver.DeleteEndpoint', ends('e1')],
  ];
  const answers = [];
  for (const [path, request] of steps) {
    await using plugin = await startPlugin(bed);
    using docker = new DockerClient(`unix://${bed.scratch.path}/plugin.sock`);
    answers.push(await docker.get(path, request));
    process.kill(plugin.pid!, 'SIGKILL');
    await plugin.stop();
  }
  expect(answers[2]).toEqual({
    InterfaceName: { SrcName: interfaceName, DstPrefix: 'eth' },
    Gateway: '172.31.5.1',
  });
});

needs('vxlan')('the command says what is wrong in words, and ends with a status', async () => {
  await using bed = await DockerBed.open();
  const run = async (...more: readonly string[]): Promise<[number | null, string]> => {
    const { status, stderr } = await runChild({ file: CLI }, { args: [...wordsFor(bed), ...more] });
    return [status, stderr];
  };
  expect(await run('--name', 'a/b')).toEqual([2, expect.stringContaining('option: --name')]);
  expect(await run('--address', 'tcp://0.0.0.0:80')).toEqual([
    2,
    expect.stringContaining('loopback'),
  ]);
  expect(await run('--netns', 'nowhere')).toEqual([
    1,
    expect.stringContaining('SNNET_NETNS_NOT_FOUND'),
  ]);
  await using plugin = await startPlugin(bed);
  const [status, words] = await run('--data-dir', `${bed.scratch.path}/other`);
  expect([status, words]).toEqual([1, expect.stringContaining('SNNET_SERVICE_RUNNING')]);
  process.kill(plugin.pid!, 'SIGTERM');
  await plugin.stop();
  expect(existsSync(`${bed.scratch.path}/plugin.sock`)).toBe(false);
});
