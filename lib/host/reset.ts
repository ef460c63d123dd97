import { toDelete } from '../device';
import { isLibsnnetError } from '../errors';
import type { LibsnnetError } from '../errors';
import type { LinkRow } from '../kernel';
import { makePlan } from '../plan';
import type { LinkToDelete } from '../plan';
import { toKnownLink } from '../topology';
import type { Host } from './host';

/** What `resetNetwork` or `shutdown` did. */
export interface ResetReport {
  /** Names of the links that are gone. */
  readonly removed: readonly string[];
  /** Links that could not be deleted, and why. */
  readonly failed: readonly { readonly linkName: string; readonly error: LibsnnetError }[];
}

/**
 * Deletes everything ours: by alias, then what carries a name of ours and no alias. One group takes it
 * all; if that fails, each link is tried by itself.
 */
export async function resetLinks(
  host: Host,
  operation: string,
  isOurs: (row: LinkRow) => boolean,
): Promise<ResetReport> {
  const inventory = await host.inventory();
  const rows = [
    ...[...inventory.ours.map(({ row }) => row), ...inventory.duplicates].filter(isOurs),
    ...inventory.trash,
    ...inventory.remnants,
  ];
  const links = rows.map((row) => toDelete(toKnownLink(row)));
  if (links.length === 0) return Object.freeze({ removed: [], failed: [] });
  try {
    await deleteLinks(host, operation, links);
    return Object.freeze({ removed: links.map((link) => link.ifname), failed: [] });
  } catch (error) {
    host.logger.warn(`${operation}: not all at once; one by one`, { error });
    return await deleteEach(host, operation, links);
  }
}

async function deleteEach(
  host: Host,
  operation: string,
  links: readonly LinkToDelete[],
): Promise<ResetReport> {
  const outcomes = await Promise.all(
    links.map(async (link) => {
      try {
        await deleteLinks(host, operation, [link]);
        return undefined;
      } catch (error) {
        if (!isLibsnnetError(error)) throw error;
        return { linkName: link.ifname, error };
      }
    }),
  );
  const failed = outcomes.filter((outcome) => outcome !== undefined);
  const left = new Set(failed.map((failure) => failure.linkName));
  const removed = links.map((link) => link.ifname).filter((name) => !left.has(name));
  return Object.freeze({ removed: Object.freeze(removed), failed: Object.freeze(failed) });
}

async function deleteLinks(
  host: Host,
  operation: string,
  links: readonly LinkToDelete[],
): Promise<void> {
  await host.kernel.run(makePlan(operation, [{ op: 'link.delete', links }]));
}
