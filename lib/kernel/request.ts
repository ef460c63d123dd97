import type { Fault, NftCommand, Plan, Step } from '../plan';

/** A plan as the addon reads it. */
export interface PlanRequest {
  readonly text: string;
  /** Bytes cross by themselves: the text has their numbers in their places. */
  readonly buffers: readonly Uint8Array[];
}

export function toRequest(plan: Plan, fault: Fault | undefined): PlanRequest {
  const buffers: Uint8Array[] = [];
  const steps = plan.steps.map(({ step, undo }) => ({
    step: separate(step, buffers),
    undo: undo && separate(undo, buffers),
  }));
  return { text: JSON.stringify({ steps, fault }), buffers };
}

// What undoes a transaction stands in the plan by itself.
function separate(step: Step, buffers: Uint8Array[]): object {
  if (step.op !== 'nft') return step;
  const { before: _, ...rest } = step;
  return { ...rest, commands: step.commands.map((command) => numbered(command, buffers)) };
}

/** A step and its inverse have the same bytes: they cross once. */
function numbered(command: NftCommand, buffers: Uint8Array[]): object {
  if (!('packed' in command)) return command;
  const known = buffers.indexOf(command.packed);
  const packed = known < 0 ? buffers.push(command.packed) - 1 : known;
  return { ...command, packed };
}
