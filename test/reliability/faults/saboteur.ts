/** Makes one step of one plan of an operation fail, whenever it is tried. */
import type { HostHooks } from '#lib/host/index';
import type { Fault, Plan, Step } from '#lib/plan/index';
import { errnosOf } from './errnos';

/** Goes on behind the caller's back: the call succeeds, whatever becomes of it. */
const IN_BACKGROUND = ['anchor', 'emptyTrash'];

/** A step that is to fail. */
export interface Target {
  /** Tells its plan from the others of the operation. */
  readonly plan: string;
  readonly operation: string;
  readonly step: Step;
  readonly fault: Extract<Fault, { readonly errno: string }>;
}

export class Saboteur {
  readonly #seen = new Map<string, Plan>();
  #target: Target | undefined;
  #isListening = false;
  #hits = 0;

  readonly hooks: HostHooks = {
    fault: (plan) => {
      const name = signatureOf(plan);
      if (this.#isListening) this.#seen.set(name, plan);
      if (this.#target?.plan !== name) return undefined;
      this.#hits += 1;
      return this.#target.fault;
    },
  };

  /** The steps of what is done in between can fail. */
  async listen(work: () => Promise<unknown>): Promise<readonly Target[]> {
    this.#seen.clear();
    this.#isListening = true;
    await work();
    this.#isListening = false;
    return [...this.#seen].flatMap(([name, plan]) => targetsIn(name, plan));
  }

  /** How often it was made to fail. */
  async disturb(target: Target, work: () => Promise<unknown>): Promise<number> {
    this.#target = target;
    this.#hits = 0;
    try {
      await work();
    } finally {
      this.#target = undefined;
    }
    return this.#hits;
  }
}

export function isInBackground({ operation }: Target): boolean {
  return IN_BACKGROUND.includes(operation);
}

export function describeTarget({ operation, step, fault }: Target): string {
  const how = fault.done === true ? 'is done, its answer lost' : 'fails';
  return `step ${fault.step} of ${operation} (${step.op}) ${how} with ${fault.errno}`;
}

function targetsIn(name: string, plan: Plan): Target[] {
  return plan.steps.flatMap(({ step }, index) => {
    // What a step tolerates is no fault.
    const errnos = errnosOf(step.op).filter((errno) => step.tolerate?.includes(errno) !== true);
    const faults = errnos.map((errno) => ({ step: index, errno }));
    // The kernel's answer did not fit the receive buffer any more.
    const lost = { step: index, errno: 'ENOBUFS', done: true };
    return [...faults, lost].map((fault): Target => ({
      plan: name,
      operation: plan.operation,
      step,
      fault,
    }));
  });
}

// Chance gives names; the second attempt of an operation is the same plan again.
function signatureOf({ operation, steps }: Plan): string {
  return `${operation}: ${steps.map(({ step }) => step.op).join(' ')}`;
}
