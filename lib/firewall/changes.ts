import type { Kernel } from '../kernel';
import { packPorts } from '../model';
import type { FirewallAction, PublicIp } from '../model';
import { describePlan, makePlan } from '../plan';
import type { NftStep, Step } from '../plan';
import { NO_PORTS, changePublicIps, takeBack, toTransaction } from '../ruleset';
import type { Change, Edit, Ledger } from '../ruleset';
import type { FirewallDryRun, FirewallReport } from './results';
import { findStaleFlows, hasFlows } from './stale-flows';
import { Surroundings } from './surroundings';
import type { FirewallTable } from './table';

/** Who makes a change, and for whom. */
export interface Changing {
  readonly kernel: Kernel;
  readonly table: FirewallTable;
  readonly operation: string;
}

/**
 * Makes a change, then ends the flows that went by what it changed. If they cannot be ended, the change
 * is taken back.
 *
 * @param surroundings - Where public addresses are to be put on devices, or taken off.
 */
export async function applyChange(
  changing: Changing,
  { edits, changed, unchanged }: Change,
  surroundings?: Surroundings,
): Promise<FirewallReport> {
  const { kernel, table, operation } = changing;
  if (edits.length === 0) return report(changed, unchanged, 0);
  const flows = await table.run(operation, stepsFor(edits, surroundings), edits);
  try {
    // Where nobody tells how many there are, they are looked at.
    const ended = flows === 0 ? 0 : await endFlows(changing, edits, surroundings);
    return report(changed, unchanged, ended);
  } catch (error) {
    const back = takeBack(edits);
    const now = surroundings === undefined ? undefined : await Surroundings.read(kernel);
    await table.run(operation, stepsFor(back, now), back);
    throw error;
  }
}

/**
 * The steps of a change. The table names an address as long as a device has it: whoever finds both knows
 * whose it is, also when a process died in between.
 */
export function stepsFor(edits: readonly Edit[], surroundings: Surroundings | undefined): Step[] {
  if (surroundings === undefined) return transaction(edits);
  const rows = edits.flatMap((edit) => (edit.type === 'public' ? [edit] : []));
  const put = rows.flatMap((edit) => edit.put);
  const drop = rows.flatMap((edit) => edit.drop);
  return [...surroundings.removals(drop), ...transaction(edits), ...surroundings.additions(put)];
}

function transaction(edits: readonly Edit[]): NftStep[] {
  return edits.length === 0 ? [] : [{ op: 'nft', ...toTransaction(edits) }];
}

/** Makes connection tracking forget every flow by what the firewall held. */
export async function endAllFlows(changing: Changing, ledger: Ledger): Promise<void> {
  if (await hasFlows(changing.kernel)) await endFlows(changing, everythingIn(ledger));
}

/** Makes connection tracking forget the flows by what was changed; says how many there were. */
async function endFlows(
  { kernel, table, operation }: Changing,
  edits: readonly Edit[],
  known?: Surroundings,
): Promise<number> {
  const look = async (): Promise<Surroundings> => known ?? (await Surroundings.read(kernel));
  const flows = await findStaleFlows({ kernel, ledger: table.ledger }, edits, look);
  if (flows.length === 0) return 0;
  await kernel.run(makePlan(operation, [{ op: 'conntrack.delete', flows }]));
  return flows.length;
}

/** The removal of everything by which flows may go. */
function everythingIn(ledger: Ledger): readonly Edit[] {
  const drop = [...ledger.published].map(([address, row]) => ({ address, ...row }));
  return [
    ...[...ledger.ports].map(([device, ports]): Edit => ({
      type: 'ports',
      device,
      put: NO_PORTS,
      drop: packPorts(ports),
    })),
    { type: 'public', put: [], drop },
  ];
}

export function report(changed: number, unchanged: number, flowsEnded: number): FirewallReport {
  return Object.freeze({ changed, unchanged, flowsEnded });
}

export function dryRun(operation: string, steps: readonly Step[]): FirewallDryRun {
  const plan = makePlan(operation, steps);
  return Object.freeze({ plan, text: describePlan(plan) });
}

/** What giving or taking public addresses changes; throws for one that is a tenant's or this machine's own. */
export function planPublicIps(
  ledger: Ledger,
  action: FirewallAction,
  list: readonly PublicIp[],
  surroundings: Surroundings,
): Change {
  const change = changePublicIps(ledger, action, list, surroundings.tenantNetworks(ledger));
  surroundings.refuseOwn(change.edits);
  return change;
}
