import { APIError, isLibsnnetError } from '../errors';
import type { Suspect } from './census';
import { within } from './patience';
import type { AuditedVnic, Liveness } from './types';

/** A provider that takes longer says nothing. */
const PATIENCE_MS = 30_000;

/**
 * The keys of those that have a workload. Whatever goes wrong, or comes out that is no answer, fails as a
 * whole: half an answer would make the rest look dead.
 */
export async function livingAmong(
  suspects: readonly Suspect[],
  liveness: Liveness,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const keys = new Map(suspects.map(({ key, vnic }) => [vnic, key]));
  const vnics = Object.freeze([...keys.keys()]);
  const alive = new Set<string>();
  try {
    for (const vnic of await within(PATIENCE_MS, (patience) => liveness(vnics, patience), signal)) {
      const key = keys.get(vnic);
      if (key === undefined) throw new TypeError('it named a VNIC that it was not asked about');
      alive.add(key);
    }
  } catch (error) {
    if (signal.aborted) throw new APIError('SNNET_CALL_ABORTED', { operation: 'audit' });
    if (isLibsnnetError(error)) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new APIError('SNNET_LIVENESS_UNKNOWN', { operation: 'audit', detail, cause: error });
  }
  return alive;
}

/** Alive is what any of the providers calls so; each must be able to tell. */
export function anyAlive(...providers: readonly Liveness[]): Liveness {
  return async (vnics, signal) => {
    const answers = await Promise.all(providers.map(async (provider) => provider(vnics, signal)));
    return new Set<AuditedVnic>(answers.flatMap((answer) => [...answer]));
  };
}
