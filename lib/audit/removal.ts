import type { TunnelEvent } from '../compute-node';
import { APIError, isLibsnnetError } from '../errors';
import type { ErrorCode, LibsnnetError } from '../errors';
import type { Logger } from '../model';
import { configOf } from './census';
import type { Suspect } from './census';
import type { AuditOptions } from './options';
import type { AuditedNode, AuditEvent, StaleVnic } from './types';

/** Somebody else has made something of it meanwhile. */
const REFUSALS: readonly ErrorCode[] = ['SNNET_VNIC_CONFLICT', 'SNNET_LINK_FOREIGN'];

interface Due {
  readonly suspect: Suspect;
  readonly vnic: StaleVnic;
}
interface Failed {
  readonly vnic: StaleVnic;
  readonly error: LibsnnetError;
}

/** Removes what is due, all at the same time, and notes what came of it. */
export class Removal {
  readonly removed: StaleVnic[] = [];
  /** Somebody else removed it before us. */
  readonly gone: StaleVnic[] = [];
  readonly refused: Failed[] = [];
  readonly errors: Failed[] = [];
  /** With the identity of the subnet. */
  readonly events: { readonly scope: string; readonly event: AuditEvent }[] = [];
  readonly #node: AuditedNode;
  readonly #logger: Logger;
  readonly #subnetOf: AuditOptions['subnetOf'];

  constructor(node: AuditedNode, { logger, subnetOf }: AuditOptions) {
    this.#node = node;
    this.#logger = logger;
    this.#subnetOf = subnetOf;
  }

  async run(due: readonly Due[]): Promise<void> {
    if (due.length === 0) return;
    // The workloads were asked for meanwhile: it must still be the same link. From here to the calls
    // nothing comes in between, and they compare the name again.
    const { vnics } = this.#node.topology();
    const present = new Map(vnics.map(({ ifIndex, altNames }) => [ifIndex, altNames]));
    await Promise.all(
      due.map(async (one) => {
        const { what, ifIndex, altName } = one.vnic;
        const isThere = what === 'subnet' || present.get(ifIndex)?.includes(altName) === true;
        if (isThere) await this.#remove(one);
        else this.gone.push(one.vnic);
      }),
    );
  }

  async #remove({ suspect, vnic }: Due): Promise<void> {
    try {
      const { named, scope } = suspect;
      const subnet = named.config?.subnet ?? this.#subnetOf?.(suspect.vnic);
      const { destroyed, event } = await this.#node.destroyVnic(configOf(named, subnet));
      if (event !== undefined) this.#note(scope, event, subnet);
      const isDone = destroyed || (vnic.what === 'subnet' && event !== undefined);
      (isDone ? this.removed : this.gone).push(vnic);
      if (isDone) {
        const { linkName, what, tenantId, ip, container } = vnic;
        this.#logger.warn('removed a VNIC without a workload', {
          ...{ linkName, what, tenantId, ip, container },
        });
      }
    } catch (error) {
      const failed = { vnic, error: asOurs(error) };
      (REFUSALS.includes(failed.error.code) ? this.refused : this.errors).push(failed);
      this.#logger.error('a VNIC without a workload could not be removed', {
        linkName: vnic.linkName,
        error: failed.error,
      });
    }
  }

  #note(scope: string, event: TunnelEvent, subnet: string | undefined): void {
    const { subnet: _stopgap, ...rest } = event;
    this.events.push({
      scope,
      event: Object.freeze({ ...rest, ...(subnet !== undefined && { subnet }) }),
    });
  }
}

function asOurs(error: unknown): LibsnnetError {
  if (isLibsnnetError(error)) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new APIError('SNNET_KERNEL_FAILED', { operation: 'audit', detail, cause: error });
}
