import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import {
  anyAlive,
  AuditDaemon,
  criWorkloads,
  dockerWorkloads,
  namespacesAlive,
  podmanWorkloads,
} from '../audit';
import type { AuditEvent, AuditOptionsInput, AuditReport, Liveness, StaleVnic } from '../audit';
import { ComputeNode } from '../compute-node';
import type { Logger } from '../model';
import { CommandFailure } from './failure';
import { interruptible } from './interrupt';
import { addHostOptions, nameOfThisHost, parseNumber, toNodeOptions } from './options';
import type { HostFlags } from './options';
import { count, formatTable, print } from './output';

/** What the options of {@link addAuditOptions} give. */
export interface AuditFlags {
  readonly auditGrace: number;
  readonly liveness: Liveness;
}

const PROVIDERS: Readonly<Record<string, (socketPath?: string) => Liveness>> = {
  namespaces: () => namespacesAlive(),
  'namespaces-here': () => namespacesAlive({ trustPidNamespace: true }),
  docker: dockerWorkloads,
  podman: podmanWorkloads,
  cri: criWorkloads,
};
const NAMES = Object.keys(PROVIDERS);

/** The options that say when a VNIC has lost its workload. */
export function addAuditOptions(command: Command): Command {
  const options = [
    new Option('--audit-grace <ms>', 'how long a VNIC must be without a workload, before it goes')
      .argParser(parseNumber)
      .default(600_000)
      .env('SNNET_AUDIT_GRACE'),
    new Option(
      '--liveness <how>',
      `who knows which workloads are alive: ${NAMES.join(', ')}; the last three take a socket (docker:/run/docker.sock); several with commas`,
    )
      .argParser(parseLiveness)
      .default(namespacesAlive(), 'namespaces')
      .env('SNNET_LIVENESS'),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

/** `docker:/run/docker.sock,namespaces`: alive is what any of them calls so. */
export function parseLiveness(value: string): Liveness {
  const providers = value.split(',').map((word) => {
    const [name = '', ...rest] = word.trim().split(':');
    const make = Object.hasOwn(PROVIDERS, name) ? PROVIDERS[name] : undefined;
    const socketPath = rest.length === 0 ? undefined : rest.join(':');
    const isPath = socketPath === undefined || socketPath.startsWith('/');
    if (
      make === undefined ||
      !isPath ||
      (name.startsWith('namespaces') && socketPath !== undefined)
    ) {
      throw new InvalidArgumentError(
        `Expected ${NAMES.join(' or ')}, with an absolute path of a socket after a colon.`,
      );
    }
    return make(socketPath);
  });
  return providers.length === 1 && providers[0] !== undefined
    ? providers[0]
    : anyAlive(...providers);
}

/** What `cni serve` takes in addition. */
export interface AuditServiceFlags extends AuditFlags {
  readonly auditInterval: number;
}

/** The options of an audit that goes on as long as the daemon. */
export function addAuditServiceOptions(command: Command): Command {
  return addAuditOptions(command).addOption(
    new Option('--audit-interval <ms>', 'from one look for abandoned VNICs to the next; 0: never')
      .argParser(parseNumber)
      .default(60_000)
      .env('SNNET_AUDIT_INTERVAL'),
  );
}

/** What the audit of a daemon works with. */
export interface AuditSurroundings {
  readonly node: ComputeNode;
  readonly deliver: (event: AuditEvent) => unknown;
  readonly logger: Logger;
  readonly onReport: (report: AuditReport) => void;
  readonly signal: AbortSignal;
}

/** Audits until the signal fires. */
export async function serveAudit(
  { auditInterval: intervalMs, auditGrace: graceMs, liveness }: AuditServiceFlags,
  { node, ...surroundings }: AuditSurroundings,
): Promise<void> {
  if (intervalMs === 0) return;
  await new AuditDaemon(node, { ...surroundings, intervalMs, graceMs, liveness }).run();
}

interface AuditCommandFlags extends HostFlags, AuditFlags {
  readonly dryRun?: boolean;
}

/** `snnet cni audit`. */
export function addAuditCommand(group: Command): void {
  const command = group
    .command('audit')
    .description('look for VNICs whose containers are gone, wait, look again, and remove them');
  addAuditOptions(addHostOptions(command))
    .option('--dry-run', 'look once, and only show what has no workload')
    .action(() =>
      interruptible(async (signal) => {
        const flags = command.optsWithGlobals<AuditCommandFlags>();
        await using node = await ComputeNode.open(toNodeOptions(flags, nameOfThisHost()));
        const report = await auditOnce(node, flags, signal);
        await node.settle();
        print(flags.json, { data: report, text: reportLines(report).join('\n') });
        if (report.failure !== undefined) throw report.failure;
        const left = report.refused.length + report.errors.length;
        if (left > 0) throw new CommandFailure(`${count(left, 'VNIC')} could not be removed`);
      }),
    );
}

/** A VNIC must be seen without a workload twice: what is there only once is not judged. */
async function auditOnce(
  node: ComputeNode,
  { auditGrace: graceMs, liveness, dryRun = false, json }: AuditCommandFlags,
  signal: AbortSignal,
): Promise<AuditReport> {
  const options: AuditOptionsInput = { graceMs, liveness, dryRun, signal };
  const audit = new AuditDaemon(node, options);
  const first = await audit.round();
  if (dryRun || first.stale.length === 0) return first;
  if (json !== true) {
    const seconds = String(Math.ceil(graceMs / 1000));
    process.stderr.write(
      `${count(first.stale.length, 'VNIC')} without a workload; looking again in ${seconds} s, interrupt to leave everything\n`,
    );
  }
  // A timer may be a little early by the clock that the audit goes by.
  await sleep(graceMs + 2, undefined, { signal }).catch(() => {
    throw new CommandFailure('interrupted; nothing was removed');
  });
  return await audit.round();
}

function reportLines(report: AuditReport): string[] {
  const { seen, alive, stale, removed, refused, errors, events } = report;
  const head = ['WHAT', 'CONTAINER', 'INTERFACE', 'IP', 'LINK', 'TENANT', 'STALE FOR', 'OUTCOME'];
  const row = (outcome: string) => (vnic: StaleVnic) => [
    vnic.what,
    vnic.container.slice(0, 16),
    vnic.ifname,
    vnic.ip,
    vnic.linkName,
    vnic.tenantId,
    `${String(Math.round(vnic.staleForMs / 1000))} s`,
    outcome,
  ];
  const failed = [...refused, ...errors].map(({ vnic }) => vnic);
  const rows = [
    ...removed.map(row('removed')),
    ...failed.map(row('could not be removed')),
    ...stale.filter((vnic) => !failed.includes(vnic)).map(row('left')),
  ];
  return [
    `${count(seen, 'VNIC')} of container runtimes, ${String(alive)} with a workload`,
    ...(rows.length === 0 ? [] : [formatTable(head, rows)]),
    ...events.map(eventLine),
  ];
}

function eventLine({
  kind,
  cnciIp,
  cnIp,
  subnet,
  subnetId,
  subnetKey,
  tunnel,
}: AuditEvent): string {
  const network = subnet === undefined ? `of subnet ${subnetId}` : `--subnet ${subnet}`;
  return `tell the concentrator at ${cnciIp}: ${kind} ${network} --subnet-key ${String(subnetKey)} --cn-ip ${cnIp} --mode ${tunnel}`;
}
