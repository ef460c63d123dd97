// A small launcher: a VM under QEMU on a VNIC; with SNNET_QUEUES of 2 or more its card has several queues.
// Needs root, /dev/net/tun, QEMU, a kernel in SNNET_KERNEL and its SNNET_INITRD; SNNET_NETNS names a namespace.
// You will see QEMU's arguments and the VM's console, and that nothing is left when the VM has ended.
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { once } from 'node:events';
import { ComputeNode, type Vnic } from 'libsnnet';

const { SNNET_NETNS: netns, SNNET_COMPUTE_NET: net, SNNET_QUEUES: queues = '1' } = process.env;
const { SNNET_KERNEL: kernel = '', SNNET_INITRD: initrd = '', SNNET_APPEND: append } = process.env;

const config = {
  role: 'vm',
  tenantId: 'alpha',
  subnetId: 'web',
  concId: 'cnci-alpha',
  concIp: '198.51.100.9',
  vnicId: 'vnic-web1',
  instanceId: 'web1',
  vnicIp: '172.16.1.5',
  vnicMac: '02:00:ac:10:01:05',
  subnet: '172.16.1.0/24',
  subnetKey: 101,
  queues: Number(queues),
} as const;

/** Resolves when the VM has ended. */
async function runVm(vnic: Vnic): Promise<void> {
  const boot = ['-kernel', kernel, '-initrd', initrd, '-append', append ?? 'console=ttyS0'];
  const machine = ['-nodefaults', '-M', 'q35', '-smp', queues, '-m', '256M', '-no-reboot'];
  const screen = ['-display', 'none', '-serial', 'stdio'];
  const argv = ['qemu-system-x86_64', ...machine, ...screen, ...boot, ...vnic.qemuArgs()];
  console.log('QEMU gets', ...vnic.qemuArgs());
  // A tap is opened by its name in its own namespace, or comes as descriptors 3, 4, …
  if (netns !== undefined) argv.unshift('nsenter', `--net=/run/netns/${netns}`);
  const [command = '', ...args] = argv;
  const fds = vnic.fds ?? [];
  const qemu = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', ...fds] });
  // QEMU has its own by now; ours would keep the queues open when it has ended.
  for (const fd of fds) closeSync(fd);
  const [status] = (await once(qemu, 'exit')) as [number | null];
  console.log('QEMU ended with', status);
}

async function main(): Promise<void> {
  const computeNets = [net ?? '198.51.100.0/24'];
  const allowVethUplink = netns !== undefined;
  await using node = await ComputeNode.open({ id: 'cn1', computeNets, netns, allowVethUplink });
  const { vnic, event } = await node.createVnic(config);
  if (event !== undefined) console.log('tell the concentrator', event.kind);
  await runVm(vnic).finally(() => node.destroyVnic(config));
  await node.settle();
  console.log('VNICs left', node.topology().vnics.length);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
