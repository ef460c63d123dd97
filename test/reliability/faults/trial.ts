/** One operation in a place of its own, disturbed at one step after the other. */
import { types } from 'node:util';
import { FatalError, isLibsnnetError, KernelError } from '#lib/errors/index';
import type { Sandbox } from '../../support/sandbox';
import { compare, Stage, takePicture } from '../operations/index';
import type { Attempt, Operation, Picture, Scene } from '../operations/index';
import { describeTarget, isInBackground, Saboteur } from './saboteur';
import type { Target } from './saboteur';

/** The same call is made again after so many faults: each time would take half of all time. */
const FAULTS_BEFORE_RETRY = 3;

/** What was wrong, with the step and the error that led to it. */
export interface Trouble {
  readonly target: string;
  readonly problems: readonly string[];
}

export class Trial implements AsyncDisposable {
  readonly #stage: Stage;
  readonly #attempt: Attempt;
  readonly #saboteur: Saboteur;
  #before: Picture = [];
  #after: Picture = [];
  #targets: readonly Target[] = [];

  private constructor(stage: Stage, attempt: Attempt, saboteur: Saboteur) {
    this.#stage = stage;
    this.#attempt = attempt;
    this.#saboteur = saboteur;
  }

  /** Does the operation once, to see what it should come to. */
  static async open(box: Sandbox, operation: Operation): Promise<Trial> {
    const stage = await Stage.open(box);
    const saboteur = new Saboteur();
    const trial = new Trial(stage, await operation.open(stage.scene, saboteur.hooks), saboteur);
    await trial.#rehearse();
    return trial;
  }

  get targets(): readonly Target[] {
    return this.#targets;
  }

  /** Tries these in turn, until one of them shows something wrong. */
  async run(targets: readonly Target[]): Promise<Trouble | undefined> {
    let tried = 0;
    for (const target of targets) {
      tried += 1;
      const isDone = tried % FAULTS_BEFORE_RETRY === 0 || target === targets.at(-1);
      const problems = await this.#try(target, isDone).catch((error: unknown) => [
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      ]);
      if (problems.length > 0) return { target: describeTarget(target), problems };
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#attempt.clear().catch(() => undefined);
    await this.#attempt.close();
    this.#stage[Symbol.dispose]();
  }

  async #rehearse(): Promise<void> {
    await this.#attempt.prepare();
    this.#before = await this.#look();
    this.#targets = await this.#saboteur.listen(() => this.#act());
    this.#after = await this.#look();
    await this.#beginAnew();
  }

  async #try(target: Target, retries: boolean): Promise<readonly string[]> {
    let outcome: unknown;
    const hits = await this.#saboteur.disturb(target, async () => {
      outcome = await this.#attempt.act().catch((error: unknown) => error);
      // What fails behind the caller's back is told there.
      await this.#attempt.settle().catch((error: unknown) => (outcome = error));
    });
    if (hits === 0) return ['it was not tried'];
    const is = await this.#look();
    const failures = failuresIn(outcome);
    const problems = [
      ...failures.flatMap((failure) => inspect(failure, target)),
      ...this.#judge(is, target, failures.length > 0),
    ];
    if (problems.length > 0) return problems;
    const isAsBefore = compare(is, this.#before).length === 0;
    if (isAsBefore && !retries) return [];
    await this.#act();
    const again = withoutBackground(compare(await this.#look(), this.#after), target);
    if (again.length > 0) return ['the same call again:', ...again];
    await this.#beginAnew();
    return [];
  }

  #judge(is: Picture, target: Target, hasFailed: boolean): readonly string[] {
    const { step, fault } = target;
    const toAfter = compare(is, this.#after);
    if (hasFailed) {
      // Links that were deleted do not come back.
      const isGone = fault.done === true && step.op === 'link.delete' && toAfter.length === 0;
      return isGone ? [] : compare(is, this.#before);
    }
    if (isInBackground(target)) return withoutBackground(toAfter, target);
    return fault.done === true ? toAfter : ['it succeeded', ...toAfter];
  }

  async #act(): Promise<void> {
    await this.#attempt.act();
    await this.#attempt.settle();
  }

  async #beginAnew(): Promise<void> {
    await this.#attempt.clear();
    await this.#attempt.prepare();
    const differences = compare(await this.#look(), this.#before);
    if (differences.length > 0) throw new Error(`begun anew:\n${differences.join('\n')}`);
  }

  #look(): Promise<Picture> {
    return takePicture(this.#scene);
  }

  get #scene(): Scene {
    return this.#stage.scene;
  }
}

/** Only speed depends on the anchor: it comes with the next tunnel. */
function withoutBackground(lines: readonly string[], target: Target): readonly string[] {
  return isInBackground(target) ? lines.filter((line) => !line.includes('anchor')) : lines;
}

/** An operation that goes on past errors reports them. */
function failuresIn(outcome: unknown): readonly unknown[] {
  // An error of the addon is of another realm than jest's.
  if (types.isNativeError(outcome)) return [outcome];
  const { failed = [], left = [] } = (outcome ?? {}) as {
    readonly failed?: readonly { readonly error: Error }[];
    readonly left?: readonly { readonly reason: string }[];
  };
  return [...failed.map(({ error }) => error), ...left.map(({ reason }) => reason)];
}

/** An error says which operation, which step, and what the kernel said. */
function inspect(failure: unknown, { fault }: Target): readonly string[] {
  const text = failure instanceof Error ? failure.message : String(failure);
  const isNamed = text.includes(fault.errno) ? [] : [`${fault.errno} is not named: ${text}`];
  if (!isLibsnnetError(failure)) return isNamed;
  const causes = causesOf(failure);
  const isKernels = causes.some((it) => it instanceof KernelError && it.name === fault.errno);
  return [
    ...isNamed,
    ...(failure instanceof FatalError ? [`it is fatal: ${text}`] : []),
    ...(failure.operation === undefined ? [`it names no operation: ${text}`] : []),
    ...(failure.step === undefined ? [`it names no step: ${text}`] : []),
    ...(isKernels ? [] : [`the kernel's word is not among its causes: ${text}`]),
  ];
}

function causesOf(error: Error): readonly unknown[] {
  const causes: unknown[] = [];
  for (let next: unknown = error; next instanceof Error; next = next.cause) causes.push(next);
  return causes;
}
