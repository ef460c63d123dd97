// Takes over what the Go library of ciao left in the kernel: it wrote the same aliases.
// Needs no root (it only reads), but a network as the other examples; SNNET_NETNS names a namespace.
// You will see each subnet with its bridge, tunnel and VNICs, what is out of order, and how each VNIC would go.
import { ComputeNode } from 'libsnnet';

async function main(): Promise<void> {
  const netns = process.env['SNNET_NETNS'];
  await using node = await ComputeNode.open({
    id: 'cn1',
    mode: 'gre',
    computeNets: [process.env['SNNET_COMPUTE_NET'] ?? '198.51.100.0/24'],
    netns,
    allowVethUplink: netns !== undefined,
  });
  const { subnets, findings } = node.topology();
  console.log(`${String(subnets.length)} subnets`);
  for (const { scope, ids, concIp, bridge, tunnel, vnics } of subnets) {
    // Ids with underscores cannot be told apart, but the whole of them is an identity all the same.
    console.log(ids === undefined ? `subnet ${scope}` : `tenant ${ids.tenantId}`);
    console.log(
      `  bridge ${bridge?.linkName ?? '-'}, tunnel ${tunnel?.linkName ?? '-'} to ${concIp}`,
    );
    for (const { linkName, ip } of vnics) {
      console.log(`  VNIC ${linkName} for ${ip}`);
      if (ids === undefined) continue;
      // The kernel does not keep what follows; destroyVnic finds the VNIC by its ids and address.
      const rest = { vnicId: 'any', vnicMac: '02:00:00:00:00:01', subnet: '172.16.0.0/12' };
      const config = { ...ids, ...rest, concIp, vnicIp: ip, subnetKey: 1 };
      console.log(`    ${node.plan('destroyVnic', config).text.replaceAll('\n', '\n    ')}`);
    }
  }
  for (const { type, text } of findings) console.log(`! ${type}: ${text}`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
