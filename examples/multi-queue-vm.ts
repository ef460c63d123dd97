// A VM's tap with four queues, handed to QEMU as open descriptors, so that its processors share the work.
// Needs root, /dev/net/tun, and a network of 198.51.100.0/24 or SNNET_COMPUTE_NET; SNNET_NETNS names a namespace.
// You will see the descriptors and QEMU's arguments; no VM is started.
import { closeSync } from 'node:fs';
import { ComputeNode } from 'libsnnet';

const config = {
  role: 'vm',
  tenantId: 'alpha',
  subnetId: 'db',
  concId: 'cnci-alpha',
  concIp: '198.51.100.21',
  vnicId: 'vnic-db1',
  instanceId: 'db1',
  vnicIp: '172.16.2.5',
  vnicMac: '02:00:ac:10:02:05',
  subnet: '172.16.2.0/24',
  subnetKey: 201,
  queues: 4,
} as const;

async function main(): Promise<void> {
  const netns = process.env['SNNET_NETNS'];
  await using node = await ComputeNode.open({
    id: 'cn1',
    computeNets: [process.env['SNNET_COMPUTE_NET'] ?? '198.51.100.0/24'],
    netns,
    allowVethUplink: netns !== undefined,
  });
  const { vnic } = await node.createVnic(config);
  const fds = vnic.fds ?? [];
  console.log(`${vnic.linkName} has ${String(fds.length)} queues`);
  console.log('qemu-system-x86_64', vnic.qemuArgs().join(' '));

  // Here the launcher starts QEMU, which gets the descriptors as its 3, 4, 5 and 6:
  //   spawn('qemu-system-x86_64', vnic.qemuArgs(), { stdio: ['ignore', 'inherit', 'inherit', ...fds] })
  // They are the caller's to close, once the child has them.
  for (const fd of fds) closeSync(fd);

  await node.destroyVnic(config);
  await node.settle();
  console.log('VNICs left', node.topology().vnics.length);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
