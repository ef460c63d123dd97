/**
 * A place where one kill follows the other. A process that has looked at what the one before it left, and
 * has put it right, is the next to be killed: so each is new, and costs one start.
 */
import type { Sandbox } from '../../support/sandbox';
import { compare, Stage, takePicture } from '../operations/index';
import type { Operation, Picture, Scene } from '../operations/index';
import { VictimProcess } from './process';
import type { Instant } from './instants';
import type { Moment } from './process';

/** What an operation makes of the kernel where nothing comes in between. */
export interface Reference {
  readonly before: Picture;
  readonly after: Picture;
  readonly instants: readonly Instant[];
  readonly microseconds: number;
}

export interface Kill {
  readonly operation: Operation;
  readonly reference: Reference;
  readonly moment: Moment;
}

/** How it ended. `finished`: it was killed when it had done everything. */
export type Outcome = 'before' | 'after' | 'repaired' | 'finished';

/** What a kill left that no rebuild and no repair put right, or that stayed at the end. */
export class KillFailure extends Error {}

export class Slot implements AsyncDisposable {
  readonly #stage: Stage;
  readonly #empty: Picture;
  #process: VictimProcess;
  #next: VictimProcess;

  private constructor(stage: Stage, empty: Picture) {
    this.#stage = stage;
    this.#empty = empty;
    this.#process = new VictimProcess();
    this.#next = new VictimProcess();
  }

  static async open(box: Sandbox): Promise<Slot> {
    const stage = await Stage.open(box);
    const slot = new Slot(stage, await takePicture(stage.scene));
    await slot.#process.ready();
    return slot;
  }

  /** Does an operation undisturbed. */
  async refer({ name }: Operation): Promise<Reference> {
    const { scene } = this.#stage;
    const { ask } = this.#words();
    await ask({ do: 'open', operation: name, scene });
    await ask({ do: 'prepare' });
    const before = await takePicture(scene);
    const { instants = [], microseconds = 0 } = await ask({ do: 'act' });
    const after = await takePicture(scene);
    await ask({ do: 'retry' });
    this.#expect('a second call', await takePicture(scene), after);
    await this.#clear();
    return { before, after, instants, microseconds };
  }

  async kill({ operation, reference, moment }: Kill): Promise<Outcome> {
    const { scene } = this.#stage;
    const open = { do: 'open', operation: operation.name, scene } as const;
    await this.#process.ask(open);
    await this.#process.ask({ do: 'prepare' });
    const isKilled = await this.#process.killWhileActing(moment);
    await this.#replace();
    const { ask } = this.#words();
    await ask(open);
    const outcome = await this.#judge(seenAfter(reference, moment));
    if (!isKilled && outcome !== 'after') throw new KillFailure(`it had ended, but: ${outcome}`);
    await ask({ do: 'retry' });
    this.#expect('the same call again', await takePicture(scene), reference.after);
    await this.#clear();
    return isKilled ? outcome : 'finished';
  }

  /** A place that a failure left as nobody knows it is of no use. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.kill();
    await this.#next.kill();
    this.#stage[Symbol.dispose]();
  }

  async #judge({ before, after, look }: Sight): Promise<Outcome> {
    const state = async (): Promise<Outcome | undefined> => {
      const is = await look(this.#stage.scene);
      if (compare(is, after).length === 0) return 'after';
      return compare(is, before).length === 0 ? 'before' : undefined;
    };
    const found = await state();
    if (found !== undefined) return found;
    const { findings = [] } = await this.#process.ask({ do: 'findings' });
    const left = nearest(await look(this.#stage.scene), before, after);
    const words = [...findings.map((text) => `finding: ${text}`), ...left].join('\n');
    if (findings.length === 0)
      throw new KillFailure(`neither before nor after, no finding:\n${words}`);
    await this.#process.ask({ do: 'repair' });
    if ((await state()) !== undefined) return 'repaired';
    const is = nearest(await look(this.#stage.scene), before, after).join('\n');
    throw new KillFailure(`a repair did not help:\n${words}\nafter the repair:\n${is}`);
  }

  async #clear(): Promise<void> {
    await this.#process.ask({ do: 'clear' });
    await this.#process.ask({ do: 'close' });
    this.#expect('everything taken away', await takePicture(this.#stage.scene), this.#empty);
  }

  #expect(what: string, is: Picture, wanted: Picture): void {
    const differences = compare(is, wanted);
    if (differences.length > 0) throw new KillFailure(`${what}:\n${differences.join('\n')}`);
  }

  async #replace(): Promise<void> {
    this.#process = this.#next;
    this.#next = new VictimProcess();
    await this.#process.ready();
  }

  #words(): Pick<VictimProcess, 'ask'> {
    const victim = this.#process;
    return { ask: (word) => victim.ask(word) };
  }
}

/** What a kill is judged by. */
interface Sight extends Pick<Reference, 'before' | 'after'> {
  readonly look: (scene: Scene) => Promise<Picture>;
}

/**
 * Where the MAC of a VM is pinned only its configuration says: who cuts a send in two cannot expect it of
 * a repair. The next call does it.
 */
function seenAfter({ before, after, instants }: Reference, moment: Moment): Sight {
  const isCut = 'instant' in moment && instants[moment.instant]?.kind === 'cut';
  if (!isCut) return { before, after, look: takePicture };
  const withoutPins = (picture: Picture): Picture =>
    picture.filter((line) => !line.endsWith(' pinned'));
  return {
    before: withoutPins(before),
    after: withoutPins(after),
    look: async (scene) => withoutPins(await takePicture(scene)),
  };
}

function nearest(is: Picture, before: Picture, after: Picture): readonly string[] {
  const [toBefore, toAfter] = [compare(is, before), compare(is, after)];
  return toBefore.length <= toAfter.length
    ? ['against before:', ...toBefore]
    : ['against after:', ...toAfter];
}
