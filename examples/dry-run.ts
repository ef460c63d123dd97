// Prints what createVnic would do, as commands of ip and as data, and does none of it.
// Needs no root (a kind of tunnel is named, so nothing is tried out), but a network as the other examples.
// You will see one line for each step: links to create, then settings of the new bridge.
import { ComputeNode } from 'libsnnet';

async function main(): Promise<void> {
  const netns = process.env['SNNET_NETNS'];
  await using node = await ComputeNode.open({
    id: 'cn1',
    mode: 'vxlan',
    computeNets: [process.env['SNNET_COMPUTE_NET'] ?? '198.51.100.0/24'],
    netns,
    allowVethUplink: netns !== undefined,
  });
  const { plan, text } = node.plan('createVnic', {
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
  });
  console.log(text);
  console.log();
  for (const { step, undo } of plan.steps) {
    console.log(`${step.op}, undone by ${undo?.op ?? 'nothing'}`);
  }
  console.log('VNICs now', node.topology().vnics.length);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
