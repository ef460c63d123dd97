import { parseAlias } from '../alias';
import { planDeletion } from '../device';
import type { Host } from '../host';
import type { LinkRow } from '../kernel';
import { makePlan } from '../plan';
import { ComputeNodeReader } from '../topology';
import type { ComputeNodeView, Finding, KnownLink } from '../topology';
import type { CnciVnics } from './cnci-vnics';
import type { LinkIndex } from '../watch';
import type { SubnetTable } from './subnet';

/** What `dbRebuild` and `audit` found. */
export interface RebuildReport {
  readonly subnets: number;
  readonly vnics: number;
  readonly cnciVnics: number;
  readonly findings: readonly Finding[];
}

/** The database of a node. */
export interface Database {
  readonly links: LinkIndex;
  readonly subnets: SubnetTable;
  readonly cnciVnics: CnciVnics;
}

/** Throws the database away and builds it from one dump of links. */
export async function rebuild(host: Host, database: Database): Promise<ComputeNodeView> {
  const { links, subnets, cnciVnics } = database;
  await host.anchor.idle();
  links.record();
  try {
    const view = await host.read(new ComputeNodeReader());
    links.supersede((ifIndex) => view.present.has(ifIndex));
    host.anchor.adopt(view.anchors);
    subnets.replace(view);
    cnciVnics.replace(view.cnciVnics);
    emptyTrash(host, view.trash);
    return view;
  } finally {
    links.applyRecorded();
  }
}

export function reportOf(view: ComputeNodeView): RebuildReport {
  let vnics = 0;
  for (const subnet of view.subnets.values()) vnics += subnet.vnics.size;
  return Object.freeze({
    subnets: view.subnets.size,
    vnics,
    cnciVnics: view.cnciVnics.size,
    findings: Object.freeze([...view.findings]),
  });
}

// What a process that died had given up already.
function emptyTrash(host: Host, trash: readonly KnownLink[]): void {
  if (trash.length === 0) return;
  const plan = makePlan('emptyTrash', [planDeletion(host.chooser, trash, [])]);
  void host.track(host.kernel.run(plan)).catch((error: unknown) => {
    host.logger.warn('bridges given up earlier could not be deleted', { error });
  });
}

/** The links that a compute node owns; a CNCI in the same namespace has its own. */
export function isComputeNodeLink(row: LinkRow): boolean {
  const type = parseAlias(row.alias)?.type;
  return type !== 'cnci-bridge' && type !== 'cnci-tunnel' && type !== 'mesh';
}
