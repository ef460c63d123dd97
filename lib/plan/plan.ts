import type { Step } from './step';
import { inverseOf } from './inverse';

/** A step with what undoes it; `undefined` where nothing does. */
export interface PlannedStep {
  readonly step: Step;
  readonly undo: Step | undefined;
}

/**
 * What an operation will do to the kernel: ordered, frozen, complete. It can be printed, compared,
 * run, or made to fail at any step. A deletion stands only at the end: it runs on threads of its own.
 */
export interface Plan {
  /** What it is for, in the words of the API: `createVnic`. */
  readonly operation: string;
  readonly steps: readonly PlannedStep[];
}

export function makePlan(operation: string, steps: readonly Step[]): Plan {
  return freezeAll({ operation, steps: steps.map((step) => ({ step, undo: inverseOf(step) })) });
}

/**
 * Plain data only; what is frozen already was frozen through and through. Bytes stay as they are, since
 * JS cannot freeze them: whoever hands them over leaves them alone.
 */
function freezeAll<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (ArrayBuffer.isView(value)) return value;
  for (const part of Object.values(value)) freezeAll(part);
  return Object.freeze(value);
}
