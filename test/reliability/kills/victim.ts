/**
 * The process that is killed. It has everything loaded before it is asked to do anything, and does what
 * it is told: to look at what the one before it left, to put it right, and then to go the same way.
 */
import { inspect } from 'node:util';
import { KILLED } from '../operations/index';
import type { Attempt, Scene } from '../operations/index';
import { Instants } from './instants';
import type { Instant } from './instants';

export type Word =
  | { readonly do: 'open'; readonly operation: string; readonly scene: Scene }
  | { readonly do: 'prepare' | 'findings' | 'repair' | 'retry' | 'clear' | 'close' }
  /** `instant`: where it dies; left out, it lives and tells which there are. */
  | { readonly do: 'act'; readonly instant?: number };

export interface Answer {
  readonly error?: string;
  readonly findings?: readonly string[];
  readonly instants?: readonly Instant[];
  /** How long it took. */
  readonly microseconds?: number;
}

const instants = new Instants();
let attempt: Attempt | undefined;

function present(): Attempt {
  if (attempt === undefined) throw new Error('nothing is open');
  return attempt;
}

async function act(instant: number | undefined): Promise<Answer> {
  instants.arm(instant);
  const begin = process.hrtime.bigint();
  await present().act();
  const microseconds = Number((process.hrtime.bigint() - begin) / 1000n);
  // What goes on behind the caller's back can be killed too.
  await present().settle();
  instants.disarm();
  return { instants: [...instants.log], microseconds };
}

async function obey(word: Word): Promise<Answer> {
  switch (word.do) {
    case 'open': {
      const operation = KILLED.find(({ name }) => name === word.operation);
      if (operation === undefined) throw new Error(`no operation ${word.operation}`);
      attempt = await operation.open(word.scene, { fault: instants.fault });
      return {};
    }
    case 'prepare':
      await present().prepare();
      return {};
    case 'findings':
      return { findings: await present().findings() };
    case 'repair':
      await present().repair();
      return {};
    case 'retry':
      await present().act();
      await present().settle();
      return {};
    case 'clear':
      await present().clear();
      return {};
    case 'close':
      await present().close();
      attempt = undefined;
      return {};
    case 'act':
      return act(word.instant);
  }
}

function explain(error: unknown): string {
  return inspect(error, { depth: 3 });
}

process.on('message', (word: Word) => {
  obey(word)
    .catch((error: unknown): Answer => ({ error: explain(error) }))
    .then(
      (answer) => process.send?.(answer),
      () => undefined,
    );
});
process.on('disconnect', () => process.exit());
process.send?.({});
