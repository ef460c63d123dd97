import { inverseOfTransaction } from './inverse-nft';
import type { LinkCreate, LinkSet, Step, TapCreate, TunnelSet } from './step';

/**
 * What undoes a step that was done. Deletions have no inverse: they come last, so nothing after them
 * can fail; nor has what is done in another namespace to a link whose other end is ours.
 */
export function inverseOf(step: Step): Step | undefined {
  if (step.netns !== undefined) return undefined;
  switch (step.op) {
    case 'link.create':
    case 'tap.create':
      return deletionOf(step);
    case 'link.set':
      return restorationOf(step);
    case 'tunnel.set':
      return formerTunnel(step);
    case 'link.delete':
      return undefined;
    case 'address.add':
      return { ...step, op: 'address.delete' };
    case 'address.delete':
      return { ...step, op: 'address.add' };
    case 'route.add':
      return { ...step, op: 'route.delete' };
    case 'route.delete':
      return { ...step, op: 'route.add' };
    case 'neighbour.add':
      return { ...step, op: 'neighbour.delete' };
    case 'neighbour.delete':
      return { ...step, op: 'neighbour.add' };
    case 'fdb.add':
      return { ...step, op: 'fdb.delete' };
    case 'fdb.delete':
      return { ...step, op: 'fdb.add' };
    case 'sysctl.set':
      return step.before === undefined
        ? undefined
        : { op: 'sysctl.set', name: step.name, value: step.before, before: step.value };
    case 'nft':
      return inverseOfTransaction(step);
    case 'conntrack.delete':
      return undefined;
  }
}

function deletionOf(step: LinkCreate | TapCreate): Step {
  const { ifindex, ifname, alias = '' } = step;
  return { op: 'link.delete', links: [{ ifindex, ifname, alias }] };
}

function restorationOf(step: LinkSet): Step | undefined {
  if (step.before === undefined) return undefined;
  const { op, ifindex, before, ...after } = step;
  return { op, ifindex, ...before, before: after };
}

function formerTunnel(step: TunnelSet): Step | undefined {
  if (step.before === undefined) return undefined;
  const { data, alias } = step;
  // What a kind's data is, its `before` is too.
  return {
    ...step,
    ...step.before,
    before: { data, ...(alias !== undefined && { alias }) },
  } as TunnelSet;
}
