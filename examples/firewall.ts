// A concentrator's firewall: a bridge may reach the outside, a port leads to a workload, all is undone.
// Needs root, and a network as the other examples: the link to the outside is eth0.
// You will see what the kernel holds after each change, and that nothing is left.
import { Firewall, debugSshPortForIp } from 'libsnnet';

async function main(): Promise<void> {
  const externalDevice = process.env['SNNET_EXTERNAL_DEVICE'] ?? 'eth0';
  await using firewall = await Firewall.open({
    externalDevices: [externalDevice],
    netns: process.env['SNNET_NETNS'],
  });
  const internalIp = '172.16.1.5';
  const externalPort = debugSshPortForIp(internalIp);
  const ssh = {
    protocol: 'tcp',
    externalDevice,
    externalPort,
    internalIp,
    internalPort: 22,
  } as const;

  // Forty ports in one transaction, then the same again.
  const many = Array.from({ length: 40 }, (_, n) => ({ ...ssh, externalPort: externalPort + n }));
  console.log('mapped', (await firewall.extPortAccess('enable', many)).changed);
  console.log('again', (await firewall.extPortAccess('enable', many)).changed);
  await firewall.extPortAccess('disable', many.slice(1));

  await firewall.publicIpAccess('enable', { internalIp, publicIp: '192.0.2.77', externalDevice });
  console.log(await firewall.dump());
  for (const { type, remedy } of await firewall.audit()) console.log('!', type, '->', remedy);

  const { removed, forwarding } = await firewall.shutdown();
  console.log('removed', removed, 'forwarding', forwarding);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
