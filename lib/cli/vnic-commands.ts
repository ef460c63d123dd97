import type { Command } from 'commander';
import { ComputeNode } from '../compute-node';
import type { ContainerNetwork, CreatedVnic, DestroyedVnic, TunnelEvent } from '../compute-node';
import { interruptible } from './interrupt';
import { addHostOptions, toNodeOptions } from './options';
import { print, printPlan } from './output';
import { addCnciVnicOptions, addVnicOptions, toCnciVnicConfig, toVnicConfig } from './vnic-options';
import type { ConfigFlags } from './vnic-options';

export function addVnicCommands(group: Command): void {
  const create = group.command('create-vnic').description("create a workload's VNIC");
  run(addVnicOptions(create), toVnicConfig, async (node, config, { flags, signal }) => {
    if (flags.dryRun === true) {
      printPlan(flags.json, node.plan('createVnic', config));
      return;
    }
    const result = await node.createVnic(config, { signal });
    print(flags.json, { data: withoutDescriptors(result), text: createdLines(result).join('\n') });
  });
  const destroy = group.command('destroy-vnic').description("destroy a workload's VNIC");
  run(addVnicOptions(destroy), toVnicConfig, async (node, config, { flags, signal }) => {
    if (flags.dryRun === true) {
      printPlan(flags.json, node.plan('destroyVnic', config));
      return;
    }
    const result = await node.destroyVnic(config, { signal });
    print(flags.json, { data: result, text: destroyedLines(result).join('\n') });
  });
}

export function addCnciVnicCommands(group: Command): void {
  const create = group.command('create-cnci-vnic').description("create the VNIC of a CNCI's VM");
  run(addCnciVnicOptions(create), toCnciVnicConfig, async (node, config, { flags, signal }) => {
    if (flags.dryRun === true) {
      printPlan(flags.json, node.plan('createCnciVnic', config));
      return;
    }
    const result = await node.createCnciVnic(config, { signal });
    const { vnic, created } = result;
    const text = `${created ? 'created' : 'there already:'} ${vnic.linkName} · the VM opens ${vnic.devicePath}`;
    print(flags.json, { data: result, text });
  });
  const destroy = group.command('destroy-cnci-vnic').description("destroy the VNIC of a CNCI's VM");
  run(addCnciVnicOptions(destroy), toCnciVnicConfig, async (node, config, { flags, signal }) => {
    if (flags.dryRun === true) {
      printPlan(flags.json, node.plan('destroyCnciVnic', config));
      return;
    }
    const result = await node.destroyCnciVnic(config, { signal });
    print(flags.json, { data: result, text: result.destroyed ? 'destroyed' : 'gone already' });
  });
}

interface Circumstances {
  readonly flags: ConfigFlags;
  readonly signal: AbortSignal;
}

function run<F extends ConfigFlags, C>(
  command: Command,
  toConfig: (flags: F) => C,
  body: (node: ComputeNode, config: C, circumstances: Circumstances) => Promise<void>,
): void {
  addHostOptions(command).action(() =>
    interruptible(async (signal) => {
      const flags = command.optsWithGlobals<F>();
      const config = toConfig(flags);
      await using node = await ComputeNode.open(toNodeOptions(flags));
      await body(node, config, { flags, signal });
      // Without its process nobody finishes what it gave up.
      await node.settle();
    }),
  );
}

/** The queues of a tap are closed with this process: their numbers mean nothing to anybody. */
function withoutDescriptors(result: CreatedVnic): object {
  const vnic = Object.entries(result.vnic).filter(([name]) => name !== 'fds');
  return { ...result, vnic: Object.fromEntries(vnic) };
}

function createdLines({ vnic, created, event, container }: CreatedVnic): string[] {
  const lines = [
    `${created ? 'created' : 'there already:'} ${vnic.role} ${vnic.linkName}, ${vnic.ip}, MTU ${String(vnic.mtu)}`,
    `for the workload: ${vnic.interfaceName}${vnic.mac === undefined ? '' : `, MAC ${vnic.mac}`}`,
  ];
  const mac = vnic.mac === undefined ? '' : ` --mac-address ${vnic.mac}`;
  const run =
    container === undefined
      ? []
      : ['then:', `  docker run --net ${container.subnetId} --ip ${vnic.ip}${mac} IMAGE`];
  return [...lines, ...eventLines(event), ...networkLines(container), ...run];
}

function destroyedLines({ destroyed, event, container }: DestroyedVnic): string[] {
  const head = destroyed ? 'destroyed' : 'gone already';
  return [head, ...eventLines(event), ...networkLines(container)];
}

/** For those who run containers by docker. */
function networkLines(network: ContainerNetwork | undefined): string[] {
  if (network === undefined || network.kind === 'container-network-info') return [];
  const { kind, subnetId, bridge, subnet, gateway } = network;
  if (kind === 'container-network-del') return ['tell docker:', `  docker network rm ${subnetId}`];
  const name = process.env['SNNET_DOCKER_NAME'] ?? 'snnet';
  const drivers = `-d ${name} --ipam-driver ${name}`;
  const addresses = `--subnet ${subnet} --gateway ${gateway}`;
  return [
    'tell docker:',
    `  docker network create ${drivers} ${addresses} --opt bridge=${bridge} ${subnetId}`,
  ];
}

function eventLines(event: TunnelEvent | undefined): string[] {
  if (event === undefined) return [];
  const { kind, cnciIp, cnIp, subnet, subnetKey, tunnel } = event;
  const verb = kind === 'tunnel-add' ? 'add-subnet' : 'del-subnet';
  return [
    `tell the concentrator at ${cnciIp}:`,
    `  snnet cnci ${verb} --subnet ${subnet} --subnet-key ${String(subnetKey)} --cn-ip ${cnIp} --mode ${tunnel}`,
  ];
}
