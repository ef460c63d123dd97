import type { Host } from '../host';
import { makePlan } from '../plan';
import { rebuildCnci } from '../topology';
import type { CnciView } from '../topology';
import { refuseAdvertisements } from './plan-subnet';

const ANY_MAC = '00:00:00:00:00:00';

/** What the kernel shows of a concentrator. A process may have died before it had closed a bridge. */
export async function surveyLinks(host: Host): Promise<CnciView> {
  const view = rebuildCnci(await host.links());
  const open = view.findings.flatMap(({ remedy, link }) =>
    remedy === 'close' && link !== undefined ? [refuseAdvertisements(link.linkName)] : [],
  );
  if (open.length === 0) return view;
  await host.kernel.run(makePlan('rebuildTopology', open));
  return rebuildCnci(await host.links());
}

/** The all-zero entries of VXLAN devices, by interface index: one for each compute node. */
export async function surveyRemotes(host: Host): Promise<ReadonlyMap<number, readonly string[]>> {
  const remotes = new Map<number, string[]>();
  for (const { ifindex, lladdr, address } of await host.kernel.forwardingEntries()) {
    if (lladdr !== ANY_MAC || address === undefined) continue;
    remotes.set(ifindex, [...(remotes.get(ifindex) ?? []), address]);
  }
  return remotes;
}
