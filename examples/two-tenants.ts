// Two tenants with the same subnet, the same address and the same MAC, side by side on one node.
// Needs root, and a network of 198.51.100.0/24 or SNNET_COMPUTE_NET; SNNET_NETNS names a namespace.
// You will see two VNICs on two bridges, each with a tunnel of its own. `snnet demo` shows it with traffic.
import { ComputeNode } from 'libsnnet';

const tenants = [
  { tenantId: 'alpha', concId: 'cnci-alpha', concIp: '198.51.100.21', subnetKey: 101 },
  { tenantId: 'beta', concId: 'cnci-beta', concIp: '198.51.100.22', subnetKey: 102 },
];

async function main(): Promise<void> {
  const netns = process.env['SNNET_NETNS'];
  await using node = await ComputeNode.open({
    id: 'cn1',
    computeNets: [process.env['SNNET_COMPUTE_NET'] ?? '198.51.100.0/24'],
    netns,
    allowVethUplink: netns !== undefined,
  });
  const configs = tenants.map((tenant) => ({
    ...tenant,
    role: 'container' as const,
    subnetId: 'web',
    vnicId: `vnic-${tenant.tenantId}`,
    vnicIp: '172.16.1.5',
    vnicMac: '02:00:ac:10:01:05',
    subnet: '172.16.1.0/24',
  }));

  // Calls for different subnets don't wait for each other.
  await Promise.all(configs.map((config) => node.createVnic(config)));
  for (const { scope, bridge, tunnel, vnics } of node.topology().subnets) {
    const workloads = vnics.map((vnic) => `${vnic.ip} on ${vnic.linkName}`).join(', ');
    console.log(`${scope}: ${workloads}`);
    console.log('  bridge', bridge?.linkName, 'tunnel', tunnel?.linkName);
    console.log('  key', tunnel?.key, 'to', tunnel?.remote);
  }

  await Promise.all(configs.map((config) => node.destroyVnic(config)));
  await node.settle();
  console.log('subnets left', node.topology().subnets.length);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
