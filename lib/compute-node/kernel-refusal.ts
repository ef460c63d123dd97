import { APIError, KernelError } from '../errors';
import type { Host } from '../host';
import type { LinkKind, Plan, Step } from '../plan';
import type { KnownTunnel } from '../topology';
import type { VnicCreation } from './plan-vnic';
import type { Subnet, SubnetTable } from './subnet';

/** What a plan was built on has gone: the database knows by now, so the call starts again. */
export class StaleDatabaseError extends Error {
  declare readonly cause: APIError;

  constructor(cause: APIError) {
    super('the database was out of date', { cause });
  }
}

/** Names and indexes are random: twice in a row the same bad luck is something else. */
export const COLLISION_TRIES = 3;

export function isCollision(error: unknown): error is APIError {
  // Geneve answers EBUSY for a tunnel that is there, and so does a tap whose index is taken.
  return isRefusal(error) && ['EEXIST', 'EBUSY'].includes(errnoOf(error));
}

/** Says in our words what the kernel said in its own. */
export function explainRefusal(error: unknown, operation: string, creation: VnicCreation): unknown {
  if (!(error instanceof APIError)) return error;
  const failed = stepOf(error, creation.plan);
  if (error.code === 'SNNET_KIND_UNSUPPORTED' && failed?.op === 'link.create') {
    return new APIError('SNNET_KIND_UNSUPPORTED', {
      operation,
      object: { kind: failed.kind },
      detail: `this kernel has no ${failed.kind}: ${REMEDIES[failed.kind] ?? `load ${failed.kind}`}`,
      step: error.step,
      cause: error.cause,
    });
  }
  if (!isCollision(error)) return error;
  return (
    explainTakenName(error, operation, failed) ??
    explainTakenTunnel(error, operation, creation.tunnel, failed) ??
    error
  );
}

function explainTakenTunnel(
  error: APIError,
  operation: string,
  tunnel: KnownTunnel,
  step: Step | undefined,
): APIError | undefined {
  if (step?.op !== 'link.create' || step.ifname !== tunnel.linkName) return undefined;
  return new APIError('SNNET_TUNNEL_TAKEN', {
    operation,
    object: { key: tunnel.key ?? 0, remote: tunnel.remote ?? '' },
    detail: 'a link that is not ours has the same ends and key',
    step: error.step,
    cause: error.cause,
  });
}

/** Names of ours are random; those that the caller chose may be taken. */
function explainTakenName(
  error: APIError,
  operation: string,
  step: Step | undefined,
): APIError | undefined {
  const isPort = step?.op === 'tap.create' || (step?.op === 'link.create' && step.kind === 'veth');
  if (!isPort || !(error.cause instanceof KernelError)) return undefined;
  const peer = step.op === 'link.create' ? step.peer : undefined;
  const details = { operation, step: error.step, cause: error.cause };
  if (error.cause.request.includes('altname')) {
    const detail = 'another link has this name';
    return new APIError('SNNET_NAME_TAKEN', {
      ...details,
      field: 'altName',
      value: step.altName,
      detail,
    });
  }
  if (peer?.netns === undefined) return undefined;
  const detail = `${peer.netns} has an interface of this name`;
  const field = 'attach.ifname';
  return new APIError('SNNET_NAME_TAKEN', { ...details, field, value: peer.ifname, detail });
}

const REMEDIES: Partial<Record<LinkKind, string>> = {
  gretap: 'use mode vxlan, or load ip_gre',
  geneve: 'use mode vxlan, or load geneve',
  vxlan: 'use mode gre or geneve, or load vxlan',
};

/**
 * Looks whether a plan failed because something it was built on has gone, which the node may not have
 * heard of yet; notes what has.
 */
export async function findStale(
  host: Host,
  subnets: SubnetTable,
  subnet: Subnet,
  error: unknown,
): Promise<unknown> {
  const isSuspect = isRefusal(error) && ['ENODEV', 'EINVAL', 'ENOENT'].includes(errnoOf(error));
  if (!isSuspect) return error;
  const there = new Set((await host.links()).map((row) => row.ifindex));
  const vnics = [...subnet.vnics.values()].flatMap(({ status, known }) =>
    status === 'ready' ? [known] : [],
  );
  const gone = [subnet.bridge, subnet.tunnel, ...vnics].filter(
    (link) => link !== undefined && !there.has(link.ifIndex),
  );
  for (const link of gone) if (link !== undefined) subnets.links.noteGone(link.ifIndex);
  return gone.length === 0 ? error : new StaleDatabaseError(error);
}

function isRefusal(error: unknown): error is APIError {
  return error instanceof APIError && error.code === 'SNNET_KERNEL_FAILED';
}

function errnoOf(error: APIError): string {
  return error.cause instanceof KernelError ? error.cause.name : '';
}

function stepOf(error: APIError, plan: Plan): Step | undefined {
  return error.step === undefined ? undefined : plan.steps[error.step.index]?.step;
}
