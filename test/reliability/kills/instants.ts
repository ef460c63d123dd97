/**
 * The instants at which an operation can be killed on purpose: before and after each step of each plan,
 * each change of a file, each start of a program and each signal. They are counted in the process that
 * does the operation, so that the same number is the same instant again.
 */
import files from 'node:fs/promises';
import { Processes, WatchedProcess } from '#lib/kernel/index';
import { describeStep } from '#lib/plan/index';
import type { Fault, Plan, Step } from '#lib/plan/index';

const CHANGES = ['chmod', 'chown', 'mkdir', 'open', 'rename', 'rmdir', 'unlink', 'writeFile'];

/** Steps that are no messages of rtnetlink, or none that go along with others. */
const ALONE: readonly string[] = ['sysctl.set', 'nft', 'conntrack.delete', 'link.delete'];

function goTogether(one: Step, next: Step): boolean {
  return one.netns === next.netns && !ALONE.includes(one.op) && !ALONE.includes(next.op);
}

type Changing = (...words: readonly unknown[]) => Promise<unknown>;

/** One of them. */
export interface Instant {
  readonly label: string;
  /**
   * `cut`: between messages of one send, which only the library's own facility can cut. `piece`: the same
   * in another namespace; what is there cannot be seen from here.
   */
  readonly kind: 'whole' | 'cut' | 'piece';
}

export class Instants {
  /** In order. */
  readonly log: Instant[] = [];
  #target: number | undefined;
  #isArmed = false;

  constructor() {
    this.#watchFiles();
    this.#watchProcesses();
  }

  /** Counts from now on. */
  arm(target: number | undefined): void {
    this.log.length = 0;
    this.#target = target;
    this.#isArmed = true;
  }
  disarm(): void {
    this.#isArmed = false;
  }

  /** For the library's own facility: it dies between the messages of one send too. */
  readonly fault = (plan: Plan): Fault | undefined => {
    if (!this.#isArmed) return undefined;
    const first = this.log.length;
    this.log.push({ label: `before ${plan.operation}`, kind: 'whole' });
    for (const [index, { step }] of plan.steps.entries()) {
      const next = plan.steps[index + 1]?.step;
      const isWhole = next === undefined || !goTogether(step, next);
      const kind = isWhole ? 'whole' : step.netns === undefined ? 'cut' : 'piece';
      this.log.push({ label: `after ${describeStep(step)}`, kind });
    }
    const at = (this.#target ?? -1) - first;
    if (at < 0 || at > plan.steps.length) return undefined;
    return at === 0 ? { step: 0, kill: 'before' } : { step: at - 1, kill: 'after' };
  };

  #pass(label: string): void {
    if (!this.#isArmed) return;
    if (this.log.length === this.#target) process.kill(process.pid, 'SIGKILL');
    this.log.push({ label, kind: 'whole' });
  }

  async #around<T>(label: string, work: () => Promise<T>): Promise<T> {
    this.#pass(`before ${label}`);
    const result = await work();
    this.#pass(`after ${label}`);
    return result;
  }

  #watchFiles(): void {
    const functions = files as unknown as Record<string, Changing>;
    for (const name of CHANGES) {
      const original = functions[name]!;
      functions[name] = (...words) => {
        const isReading = name === 'open' && (Number(words[1]) & 3) === 0;
        const work = () => original(...words);
        return isReading ? work() : this.#around(`${name} ${String(words[0])}`, work);
      };
    }
  }

  #watchProcesses(): void {
    const around = <T>(label: string, work: () => Promise<T>): Promise<T> =>
      this.#around(label, work);
    const { run } = Processes.prototype;
    Processes.prototype.run = function (program) {
      return around(`run ${program.file}`, () => run.call(this, program));
    };
    const pass = (label: string): void => {
      this.#pass(label);
    };
    const { signal } = WatchedProcess.prototype;
    WatchedProcess.prototype.signal = function (name) {
      pass(`before ${name}`);
      const isThere = signal.call(this, name);
      pass(`after ${name}`);
      return isThere;
    };
  }
}
