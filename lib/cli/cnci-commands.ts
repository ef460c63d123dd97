import type { Command } from 'commander';
import { Cnci } from '../cnci';
import type { CnciEvent } from '../cnci';
import type { NeighborInput, RemoteSubnetConfigInput } from '../model';
import { readConfigList } from './config-file';
import { CommandFailure } from './failure';
import { interruptible } from './interrupt';
import {
  addDhcpOptions,
  addHostOptions,
  meshModeOption,
  meshPrefixLengthOption,
  nameOfThisHost,
  parseNumber,
  tenantOption,
  toCnciOptions,
  toDhcpChoice,
} from './options';
import type { DhcpFlags, HostFlags } from './options';
import { count, findingLines, formatTable, print, printLine, printPlan } from './output';
import { reportRemoval } from './removal';
import { repairLines, watchLine } from './watch-line';
import type { WatchFlags } from './watch-line';

interface CnciFlags extends HostFlags, DhcpFlags {
  readonly tenantId?: string;
  readonly dryRun?: boolean;
}

interface NeighborFlags extends CnciFlags {
  readonly neighbors: string;
}

interface SubnetFlags extends CnciFlags {
  readonly subnet: string;
  readonly subnetKey: number;
  readonly cnIp: string;
}

/** `snnet cnci …`: what a tenant's concentrator does. */
export function addCnciCommands(program: Command): void {
  const group = program.command('cnci').description("a tenant's concentrator: subnets and tunnels");
  withSubnet(define(group, 'add-subnet', 'reach a subnet on a compute node', addSubnet));
  withSubnet(define(group, 'del-subnet', 'reach it no longer; the bridge stays', delSubnet));
  withDryRun(define(group, 'neighbors', "say who the tenant's concentrators are", neighbors))
    .requiredOption('--neighbors <file>', 'all of them, this one too, as a JSON list; - for stdin')
    .addOption(meshModeOption())
    .addOption(meshPrefixLengthOption());
  define(group, 'list', 'the subnets and their tunnels', list);
  define(group, 'rebuild', 'read everything anew from the kernel', rebuild);
  define(group, 'audit', 'compare the kernel with what should be there', audit).option(
    '--check',
    'status 1 if anything is out of order',
  );
  define(group, 'repair', 'mend what is safe to mend', repair);
  define(group, 'watch', 'what others do to its links and servers', watch).option(
    '--heal',
    'mend what repair would mend',
  );
  define(group, 'shutdown', 'end its servers and delete every link of this concentrator', shutdown);
}

function withDryRun(command: Command): Command {
  return command.option('--dry-run', 'only show what would be done');
}

function withSubnet(command: Command): void {
  withDryRun(command)
    .requiredOption('--subnet <cidr>', "the subnet's network")
    .requiredOption(
      '--subnet-key <number>',
      'GRE key, or VXLAN or Geneve network identifier',
      parseNumber,
    )
    .requiredOption('--cn-ip <address>', "the compute node's address: the tunnel's far end");
}

function define<F extends CnciFlags>(
  group: Command,
  name: string,
  description: string,
  body: (cnci: Cnci, flags: F, signal: AbortSignal) => Promise<void>,
): Command {
  const command = addDhcpOptions(addHostOptions(group.command(name).description(description)));
  return command.addOption(tenantOption()).action(() =>
    interruptible(async (signal) => {
      const flags = command.optsWithGlobals<F>();
      // Who only looks starts no servers.
      const isLooking = flags.dryRun === true || name === 'list' || name === 'audit';
      const dhcp = isLooking ? false : toDhcpChoice(flags);
      await using cnci = await Cnci.open(toCnciOptions({ ...flags, dhcp }, nameOfThisHost()));
      await body(cnci, flags, signal);
      // Without its process nobody finishes what it gave up.
      await cnci.settle();
    }),
  );
}

function toSubnet({ subnet, subnetKey, cnIp }: SubnetFlags): RemoteSubnetConfigInput {
  return { subnet, subnetKey, cnIp };
}

async function addSubnet(cnci: Cnci, flags: SubnetFlags, signal: AbortSignal): Promise<void> {
  if (flags.dryRun === true) {
    printPlan(flags.json, cnci.plan('addRemoteSubnet', toSubnet(flags)));
    return;
  }
  const result = await cnci.addRemoteSubnet(toSubnet(flags), { signal });
  const { bridge, gateway, mtu, tunnel, created } = result;
  const text = [
    `${madeOrNot(created.bridge)} bridge ${bridge}, gateway ${gateway}, MTU ${String(mtu)}`,
    `${madeOrNot(created.tunnel)} tunnel ${tunnel} to ${flags.cnIp}`,
  ].join('\n');
  print(flags.json, { data: result, text });
}

async function delSubnet(cnci: Cnci, flags: SubnetFlags, signal: AbortSignal): Promise<void> {
  if (flags.dryRun === true) {
    printPlan(flags.json, cnci.plan('delRemoteSubnet', toSubnet(flags)));
    return;
  }
  const result = await cnci.delRemoteSubnet(toSubnet(flags), { signal });
  print(flags.json, { data: result, text: result.removed ? 'removed' : 'gone already' });
}

async function neighbors(cnci: Cnci, flags: NeighborFlags, signal: AbortSignal): Promise<void> {
  // What stands in the file is the library's to refuse.
  const entries = readConfigList(flags.neighbors) as readonly NeighborInput[];
  if (flags.dryRun === true) {
    printPlan(flags.json, cnci.plan('updateNeighbors', entries));
    return;
  }
  const result = await cnci.updateNeighbors(entries, { signal });
  const { linkName, tunnelIp, mtu, created, added, changed, removed } = result;
  const text = [
    `${madeOrNot(created)} mesh ${linkName}, ${tunnelIp}, MTU ${String(mtu)}`,
    ...added.map((address) => `added ${address}`),
    ...changed.map((address) => `changed ${address}`),
    ...removed.map((address) => `removed ${address}`),
  ].join('\n');
  print(flags.json, { data: result, text });
}

async function list(cnci: Cnci, { json }: CnciFlags): Promise<void> {
  const { subnets, mesh } = cnci.topology();
  const rows = subnets.flatMap(({ subnet, gateway, bridge, tunnels }) => {
    const row = [subnet, gateway, bridge?.linkName ?? '-'];
    if (tunnels.length === 0) return [[...row, '-', '-', '-', '-']];
    return tunnels.map(({ cnIp, linkName, kind, key }) => [
      ...row,
      cnIp,
      linkName,
      kind,
      key === undefined ? '-' : String(key),
    ]);
  });
  const head = ['SUBNET', 'GATEWAY', 'BRIDGE', 'NODE', 'TUNNEL', 'KIND', 'KEY'];
  const lines = [rows.length === 0 ? 'no subnets' : formatTable(head, rows)];
  if (mesh !== undefined) {
    const meshRows = mesh.neighbours.map(({ tunnelIp, physicalIp = '-', subnet = '-' }) => [
      tunnelIp,
      physicalIp,
      subnet,
    ]);
    const where = `mesh ${mesh.linkName}, ${mesh.tunnelIp ?? 'no address'}`;
    lines.push('', where, formatTable(['NEIGHBOUR', 'ADDRESS', 'SUBNET'], meshRows));
  }
  print(json, {
    data: { subnets, ...(mesh !== undefined && { mesh }) },
    text: lines.join('\n'),
  });
}

async function rebuild(cnci: Cnci, { json }: CnciFlags, signal: AbortSignal): Promise<void> {
  const report = await cnci.rebuildTopology({ signal });
  const { subnets, tunnels, neighbours, findings } = report;
  const head = [
    count(subnets, 'subnet'),
    count(tunnels, 'tunnel'),
    ...(neighbours > 0 ? [count(neighbours, 'neighbour')] : []),
  ].join(', ');
  print(json, { data: report, text: [head, ...findingLines(findings)].join('\n') });
}

interface AuditFlags extends CnciFlags {
  readonly check?: boolean;
}

async function audit(cnci: Cnci, flags: AuditFlags, signal: AbortSignal): Promise<void> {
  const report = await cnci.audit({ signal });
  const { findings } = report;
  print(flags.json, { data: report, text: findingLines(findings).join('\n') });
  if (flags.check === true && findings.length > 0) {
    throw new CommandFailure(`${count(findings.length, 'finding')}; see snnet cnci repair`);
  }
}

async function repair(cnci: Cnci, { json }: CnciFlags, signal: AbortSignal): Promise<void> {
  const report = await cnci.repair({ signal });
  print(json, { data: report, text: repairLines(report).join('\n') });
}

async function watch(
  cnci: Cnci,
  flags: CnciFlags & WatchFlags,
  signal: AbortSignal,
): Promise<void> {
  if (flags.json !== true) process.stderr.write(`watching ${cnci.id}; interrupt to end\n`);
  for await (const event of cnci.watch({ signal, heal: flags.heal ?? false })) {
    printLine(flags.json, { data: event, text: lineOf(event) });
  }
}

function lineOf(event: CnciEvent): string {
  if (event.type === 'healed') return repairLines(event).join('\n');
  if (event.type !== 'dhcp') return watchLine(event);
  const { subnet, state, pid } = event;
  return `the DHCP server of ${subnet}: ${state}${pid === undefined ? '' : ` (${String(pid)})`}`;
}

async function shutdown(cnci: Cnci, { json }: CnciFlags, signal: AbortSignal): Promise<void> {
  const report = await cnci.shutdown({ signal });
  await cnci.settle();
  reportRemoval(json, report);
}

function madeOrNot(created: boolean): string {
  return created ? 'created' : 'there already:';
}
