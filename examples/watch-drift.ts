// Watches a node's links while somebody else deletes them: here a second handle on the same namespace.
// Needs root, and a network of 198.51.100.0/24 or SNNET_COMPUTE_NET; SNNET_NETNS names a namespace.
// You will see each link go, and that the node does not believe in them any more.
import { ComputeNode } from 'libsnnet';

async function main(): Promise<void> {
  const netns = process.env['SNNET_NETNS'];
  const options = {
    id: 'cn1',
    computeNets: [process.env['SNNET_COMPUTE_NET'] ?? '198.51.100.0/24'],
    netns,
    allowVethUplink: netns !== undefined,
  };
  await using node = await ComputeNode.open(options);
  await using somebody = await ComputeNode.open(options);
  await node.createVnic({
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

  const controller = new AbortController();
  setTimeout(() => {
    void somebody.resetNetwork();
  }, 100);
  // A watcher has no end of its own: it goes on until its signal fires.
  let present = 3;
  for await (const event of node.watch({ signal: controller.signal })) {
    if (event.type === 'resync') {
      console.log('notifications were lost; everything is read again');
    }
    // With `heal: true` there would be `healed` and `gave-up` too.
    if (event.type !== 'drift') continue;
    console.log(`${event.link.linkName}: ${event.cause} (${event.link.alias})`);
    if (event.cause === 'deleted') present -= 1;
    if (present === 0) controller.abort();
  }
  await somebody.settle();
  console.log('VNICs that the node knows', node.topology().vnics.length);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
