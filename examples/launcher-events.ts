// Creates a VNIC, and tells the concentrator of its tunnel by an outbox on disk, over NATS JetStream.
// Needs root, an uplink with an address in 198.51.100.0/24 or SNNET_COMPUTE_NET, and NATS servers in SNNET_NATS.
// You will see that it is told once it can be, the same after a restart, and that nothing is left to tell.
import { ComputeNode, Launcher, NatsLauncherTransport, setUpNats } from 'libsnnet';
import type { VnicConfig } from 'libsnnet';

const NODE = '2478711d-dce9-48d6-b83a-a717417072ce';
const CONCENTRATOR = '3390740c-dce9-48d6-b83a-a717417072ce';

const config: VnicConfig = {
  role: 'container',
  tenantId: '2491851d-dce9-48d6-b83a-a717417072ce',
  subnetId: 'web',
  concId: CONCENTRATOR,
  concIp: '198.51.100.9',
  vnicId: 'vnic-a5',
  vnicIp: '172.16.1.5',
  vnicMac: '02:00:ac:10:01:05',
  subnet: '172.16.1.0/24',
  subnetKey: 69_804,
};

async function main(): Promise<void> {
  const servers = (process.env['SNNET_NATS'] ?? '127.0.0.1:4222').split(',');
  const netns = process.env['SNNET_NETNS'];
  await using node = await ComputeNode.open({
    id: NODE,
    computeNets: [process.env['SNNET_COMPUTE_NET'] ?? '198.51.100.0/24'],
    netns,
    allowVethUplink: netns !== undefined,
  });
  const open = (): Promise<Launcher> =>
    Launcher.open(node, {
      transport: new NatsLauncherTransport({ servers, uuid: NODE, timeoutMs: 1000 }),
      dataDir: process.env['SNNET_OUTBOX_DIR'],
    });

  await using before = await open();
  const { vnic, event } = await before.createVnic(config);
  console.log(`${vnic.linkName}: ${event?.kind ?? 'nothing to tell'}, on disk`);
  // There is no stream for it yet: what cannot be told waits, for the next process if need be.
  console.log('waiting', before.outbox.pending);
  await before.close();

  // What an operator does once: the streams, and a consumer for each concentrator's agent.
  const { made } = await setUpNats({ servers, uuid: 'admin' }, [CONCENTRATOR]);
  console.log('made', made.join(', '));

  await using after = await open();
  await after.outbox.flush({ timeoutMs: 10_000 });
  await after.destroyVnic(config);
  await after.outbox.flush({ timeoutMs: 10_000 });
  console.log('waiting', after.outbox.pending);
  await node.settle();
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
