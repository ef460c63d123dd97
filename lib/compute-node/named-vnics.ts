import type { VnicConfig } from '../model';
import type { SubnetTable } from './subnet';
import { Vnic, idsOf } from './vnic';

/** A VNIC found by one of its alternative names, with what it takes to destroy it. */
export interface NamedVnic {
  readonly vnic: Vnic;
  /** The name that was looked for. */
  readonly altName: string;
  readonly concIp: string;
  /** Link name of the bridge; absent where somebody took it. */
  readonly bridge?: string;
  /** Absent where no tunnel says it. */
  readonly subnetKey?: number;
  /** As this process was told; absent where it found the VNIC after a restart. */
  readonly config?: VnicConfig;
}

/** Finds VNICs by their alternative names; cheap however many others there are. */
export function findNamedVnics(
  subnets: SubnetTable,
  matches: (altName: string) => boolean,
): NamedVnic[] {
  const found: NamedVnic[] = [];
  for (const { scope, bridge, key, vnics } of subnets.all()) {
    // An ambiguous identity is none of ours.
    if (scope.ids === undefined) continue;
    for (const { known, config, status } of vnics.values()) {
      if (known === undefined || status !== 'ready' || known.altNames.length === 0) continue;
      const altName = known.altNames.find(matches);
      if (altName === undefined) continue;
      const ids = config === undefined ? scope.ids : idsOf(config);
      found.push({
        vnic: new Vnic(known, ids, undefined),
        altName,
        concIp: scope.concIp,
        ...(bridge !== undefined && { bridge: bridge.linkName }),
        ...(key !== undefined && { subnetKey: key }),
        ...(config !== undefined && { config }),
      });
    }
  }
  return found;
}
