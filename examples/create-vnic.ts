// Creates a container's VNIC twice (the second time finds the first), then destroys it.
// Needs root, and a network of 198.51.100.0/24 or SNNET_COMPUTE_NET; SNNET_NETNS names a namespace.
// You will see the event for the concentrator, what the container gets, and that nothing is left.
import { ComputeNode } from 'libsnnet';

async function main(): Promise<void> {
  const netns = process.env['SNNET_NETNS'];
  await using node = await ComputeNode.open({
    id: '1f8b7a7e-5a30-4a67-9b0e-3c0f6a2d9e11',
    computeNets: [process.env['SNNET_COMPUTE_NET'] ?? '198.51.100.0/24'],
    netns,
    allowVethUplink: netns !== undefined,
  });
  const config = {
    role: 'container',
    tenantId: '3a1d9d5e-8f0c-4b7e-9a43-0d4c5b6a7f80',
    subnetId: 'c5e0f6a2-1b3d-4c5e-8f70-a1b2c3d4e5f6',
    concId: '7d6c5b4a-3f2e-4d1c-8b0a-9f8e7d6c5b4a',
    concIp: '198.51.100.9',
    vnicId: '0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9',
    vnicIp: '172.16.1.5',
    vnicMac: '02:00:ac:10:01:05',
    subnet: '172.16.1.0/24',
    subnetKey: 69804,
  } as const;

  const first = await node.createVnic(config);
  console.log('created', first.created);
  console.log('tell the concentrator', first.event?.kind, 'to', first.event?.cnciIp);
  console.log('move into the container', first.vnic.interfaceName, 'with MTU', first.vnic.mtu);

  const second = await node.createVnic(config);
  console.log('the same again: created', second.created, 'event', second.event);

  const { destroyed, event } = await node.destroyVnic(config);
  console.log('destroyed', destroyed, 'and tell the concentrator', event?.kind);
  // A bridge leaves the kernel a little later than its name.
  await node.settle();
  console.log('VNICs left', node.topology().vnics.length);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
