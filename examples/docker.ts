// A launcher's dance with docker: a VNIC, docker's network when told, a container on it, and all the way back.
// Needs root, dockerd and `snnet docker-plugin` in one network namespace, and an image, SNNET_IMAGE or busybox.
// You will see the container with the address, MAC and MTU of its VNIC, and that nothing is left at the end.
import { execFileSync } from 'node:child_process';
import { ComputeNode } from 'libsnnet';
import type { ContainerNetwork, VnicConfig } from 'libsnnet';

const IMAGE = process.env['SNNET_IMAGE'] ?? 'busybox';
const config: VnicConfig = {
  role: 'container',
  tenantId: 'alpha',
  subnetId: 'web',
  concId: 'cnci-alpha',
  concIp: '198.51.100.21',
  vnicId: 'vnic-a5',
  vnicIp: '172.16.1.5',
  vnicMac: '02:00:ac:10:01:05',
  subnet: '172.16.1.0/24',
  subnetKey: 101,
};

function docker(...words: readonly string[]): string {
  return execFileSync(process.env['SNNET_DOCKER'] ?? 'docker', words, { encoding: 'utf8' }).trim();
}

/** With the first container of a subnet on this node: docker calls the bridge a network. */
function createNetwork({ subnetId, bridge, subnet, gateway }: ContainerNetwork): void {
  const addresses = ['--subnet', subnet, '--gateway', gateway];
  const drivers = ['-d', 'snnet', '--ipam-driver', 'snnet', '--opt', `bridge=${bridge}`];
  docker('network', 'create', ...drivers, ...addresses, subnetId);
}

async function main(): Promise<void> {
  const netns = process.env['SNNET_NETNS'];
  const computeNets = [process.env['SNNET_COMPUTE_NET'] ?? '198.51.100.0/24'];
  const allowVethUplink = netns !== undefined;
  await using node = await ComputeNode.open({ id: 'cn1', computeNets, netns, allowVethUplink });
  const { vnic, event, container } = await node.createVnic(config);
  if (container === undefined) throw new Error('the VNIC is not for a container');
  console.log('tell the concentrator', event?.kind, event?.subnet);
  if (container.kind === 'container-network-add') createNetwork(container);

  const place = ['--net', container.subnetId, '--ip', vnic.ip, '--mac-address', config.vnicMac];
  console.log(docker('run', '--rm', ...place, IMAGE, 'ip', 'address', 'show', 'eth0'));

  const gone = await node.destroyVnic(config);
  console.log('tell the concentrator', gone.event?.kind, gone.event?.subnet);
  // With the last one: docker's network goes too.
  if (gone.container !== undefined) docker('network', 'rm', gone.container.subnetId);
  await node.settle();
  console.log('VNICs left', node.topology().vnics.length);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
