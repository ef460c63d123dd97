/** A process to be killed, as its killer sees it. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { patience } from '../../support/run';
import type { Answer, Word } from './victim';

const PATIENCE_MS = 60_000 * patience;

/** When to kill: at an instant that the process counts itself, or so many microseconds after the word. */
export type Moment = { readonly instant: number } | { readonly microseconds: number };

export class VictimProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #stderr: string[] = [];
  #answers: Answer[] = [];
  #heard: (() => void) | undefined;
  #isOver = false;

  /** Begins to load; the first word waits until it has. */
  constructor() {
    this.#child = fork(join(__dirname, 'victim.js'), [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.on('data', (part: Buffer) => this.#stderr.push(part.toString()));
    this.#child.on('message', (answer: Answer) => {
      this.#answers.push(answer);
      this.#heard?.();
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', () => {
        this.#isOver = true;
        this.#heard?.();
        resolve();
      });
    });
  }

  /** Has it loaded everything? */
  async ready(): Promise<void> {
    const first = await this.#answer();
    if (first === undefined) throw new Error(`it died while it loaded: ${this.#stderr.join('')}`);
  }

  async ask(word: Word): Promise<Answer> {
    this.#child.send(word);
    const answer = await this.#answer();
    if (answer === undefined)
      throw new Error(`it died while it was to ${word.do}: ${this.#stderr.join('')}`);
    if (answer.error !== undefined) throw new Error(`${word.do}: ${answer.error}`);
    return answer;
  }

  /** Has it act, and kills it; false: it had done everything by then. */
  async killWhileActing(moment: Moment): Promise<boolean> {
    if ('instant' in moment) {
      this.#child.send({ do: 'act', instant: moment.instant } satisfies Word);
    } else {
      const begin = process.hrtime.bigint();
      this.#child.send({ do: 'act' } satisfies Word);
      // Timers count in milliseconds.
      while (Number(process.hrtime.bigint() - begin) < moment.microseconds * 1000) await breathe();
      this.#child.kill('SIGKILL');
    }
    const answer = await this.#answer();
    if (answer?.error !== undefined) throw new Error(`act: ${answer.error}`);
    await this.kill();
    return answer === undefined;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async #answer(): Promise<Answer | undefined> {
    if (this.#answers.length === 0 && !this.#isOver) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve, reject) => {
        this.#heard = resolve;
        timer = setTimeout(() => {
          reject(new Error('it does not answer'));
        }, PATIENCE_MS);
      });
      clearTimeout(timer);
    }
    const [answer, ...rest] = this.#answers;
    this.#answers = rest;
    return answer;
  }
}
