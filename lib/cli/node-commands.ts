import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { ComputeNode } from '../compute-node';
import type { RepairReport } from '../compute-node';
import { addCnciVnicCommands, addVnicCommands } from './vnic-commands';
import { CommandFailure } from './failure';
import { interruptible } from './interrupt';
import { addHostOptions, nameOfThisHost, parseNumber, toNodeOptions } from './options';
import type { HostFlags } from './options';
import { count, findingLines, formatTable, print, printLine, printPlan } from './output';
import { reportRemoval } from './removal';
import { repairLines, watchLine } from './watch-line';
import type { WatchFlags } from './watch-line';

/** `snnet node …`: what a compute node does. */
export function addNodeCommands(program: Command): void {
  const group = program.command('node').description("a compute node: tenants' VNICs and tunnels");
  addVnicCommands(group);
  addCnciVnicCommands(group);
  define(group, 'list', 'the VNICs of this node', list);
  define(group, 'rebuild', 'read everything anew from the kernel', rebuild);
  define(group, 'audit', 'compare the kernel with what should be there', audit).option(
    '--check',
    'status 1 if anything is out of order',
  );
  define(group, 'repair', 'mend what is safe to mend', repair).option(
    '--subnet-key <subnet=key>',
    "key of a subnet whose tunnel is to be remade, after the subnet's identity; again for more",
    parseSubnetKey,
  );
  define(group, 'repoint', "a concentrator's address has changed: tunnels follow", repoint)
    .requiredOption('--from <address>', 'its address so far')
    .requiredOption('--to <address>', 'its address from now on')
    .option('--conc-id <id>', 'only tunnels of this concentrator')
    .option('--tenant-id <id>', 'only tunnels of this tenant')
    .option('--dry-run', 'only show what would be done');
  define(group, 'reset', 'delete every link of ours, and nothing else', reset);
  define(group, 'watch', 'what others do to our links, until interrupted', watch).option(
    '--heal',
    'mend what repair would mend',
  );
}

type Body<F extends HostFlags> = (
  node: ComputeNode,
  flags: F,
  signal: AbortSignal,
) => Promise<void>;

function define<F extends HostFlags>(
  group: Command,
  name: string,
  description: string,
  body: Body<F>,
): Command {
  const command = addHostOptions(group.command(name).description(description));
  return command.action(() =>
    interruptible(async (signal) => {
      const flags = command.optsWithGlobals<F>();
      await using node = await ComputeNode.open(toNodeOptions(flags, nameOfThisHost()));
      await body(node, flags, signal);
      // Without its process nobody finishes what it gave up.
      await node.settle();
    }),
  );
}

async function list(node: ComputeNode, { json }: HostFlags): Promise<void> {
  const { vnics, cnciVnics } = node.topology();
  const rows = [
    ...vnics.map((vnic) => [
      vnic.role,
      vnic.tenantId,
      vnic.subnetId,
      vnic.ip,
      vnic.linkName,
      vnic.interfaceName,
      String(vnic.mtu),
    ]),
    ...cnciVnics.map((vnic) => [
      'cnci',
      vnic.tenantId,
      '-',
      '-',
      vnic.linkName,
      vnic.devicePath,
      String(vnic.mtu),
    ]),
  ];
  const head = ['ROLE', 'TENANT', 'SUBNET', 'IP', 'LINK', 'INTERFACE', 'MTU'];
  print(json, {
    data: { vnics, cnciVnics },
    text: rows.length === 0 ? 'no VNICs' : formatTable(head, rows),
  });
}

async function rebuild(node: ComputeNode, { json }: HostFlags, signal: AbortSignal): Promise<void> {
  const report = await node.dbRebuild({ signal });
  print(json, {
    data: report,
    text: [countLine(report), ...findingLines(report.findings)].join('\n'),
  });
}

interface AuditFlags extends HostFlags {
  readonly check?: boolean;
}

async function audit(node: ComputeNode, flags: AuditFlags, signal: AbortSignal): Promise<void> {
  const report = await node.audit({ signal });
  const text = [countLine(report), ...findingLines(report.findings)].join('\n');
  print(flags.json, { data: report, text });
  if (flags.check === true && report.findings.length > 0) {
    throw new CommandFailure(`${count(report.findings.length, 'finding')}; see snnet node repair`);
  }
}

interface RepairFlags extends HostFlags {
  readonly subnetKey?: Readonly<Record<string, number>>;
}

async function repair(node: ComputeNode, flags: RepairFlags, signal: AbortSignal): Promise<void> {
  const report = await node.repair({ subnetKeys: flags.subnetKey ?? {} }, { signal });
  print(flags.json, { data: report, text: nodeRepairLines(report).join('\n') });
}

function nodeRepairLines({ repaired, left, events }: RepairReport): string[] {
  const told = events.map(
    ({ kind, subnet, cnciIp }) => `tell the concentrator ${cnciIp}: ${kind} ${subnet}`,
  );
  return [...repairLines({ repaired, left }), ...told];
}

interface RepointFlags extends HostFlags {
  readonly from: string;
  readonly to: string;
  readonly concId?: string;
  readonly tenantId?: string;
  readonly dryRun?: boolean;
}

async function repoint(node: ComputeNode, flags: RepointFlags, signal: AbortSignal): Promise<void> {
  const { from, to, concId, tenantId, dryRun, json } = flags;
  const config = { from, to, concId, tenantId };
  if (dryRun === true) {
    printPlan(json, node.plan('repointConcentrator', config));
    return;
  }
  const report = await node.repointConcentrator(config, { signal });
  const lines = [
    ...report.moved.map(({ subnet, tunnel = 'without a tunnel' }) => `moved ${subnet}: ${tunnel}`),
    ...report.events.map(
      ({ kind, scope, cnciIp }) => `tell the concentrator ${cnciIp}: ${kind} ${scope}`,
    ),
  ];
  print(json, { data: report, text: lines.length === 0 ? 'nothing to move' : lines.join('\n') });
}

async function reset(node: ComputeNode, { json }: HostFlags, signal: AbortSignal): Promise<void> {
  const report = await node.resetNetwork({ signal });
  await node.settle();
  reportRemoval(json, report);
}

async function watch(node: ComputeNode, flags: WatchFlags, signal: AbortSignal): Promise<void> {
  if (flags.json !== true) process.stderr.write(`watching ${node.id}; interrupt to end\n`);
  for await (const event of node.watch({ signal, heal: flags.heal ?? false })) {
    const text = event.type === 'healed' ? nodeRepairLines(event).join('\n') : watchLine(event);
    printLine(flags.json, { data: event, text });
  }
}

function countLine(found: { subnets: number; vnics: number; cnciVnics: number }): string {
  const { subnets, vnics, cnciVnics } = found;
  return [count(subnets, 'subnet'), count(vnics, 'VNIC'), count(cnciVnics, 'CNCI VNIC')].join(', ');
}

function parseSubnetKey(
  value: string,
  previous: Readonly<Record<string, number>> | undefined,
): Readonly<Record<string, number>> {
  const split = value.lastIndexOf('=');
  if (split <= 0)
    throw new InvalidArgumentError('Expected the identity, an equals sign and the key.');
  return { ...previous, [value.slice(0, split)]: parseNumber(value.slice(split + 1)) };
}
