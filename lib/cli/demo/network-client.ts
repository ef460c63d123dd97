import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Calls, Method, Reply, Request } from './protocol';

export interface Timed<T> {
  readonly result: T;
  /** Milliseconds that the call took, without the way between the processes. */
  readonly ms: number;
}

interface Waiting {
  readonly resolve: (timed: Timed<unknown>) => void;
  readonly reject: (error: Error) => void;
}

/** The parent's end of a network process. */
export class NetworkClient {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor() {
    this.#child = fork(join(__dirname, 'network-process.js'), { stdio: ['ignore', 2, 2, 'ipc'] });
    this.#child.on('message', (reply: Reply) => {
      this.#settle(reply);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', (status, signal) => {
        const why = new Error(`the network process ended (${signal ?? String(status)})`);
        for (const { reject } of this.#waiting.values()) reject(why);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call<M extends Method>(method: M, args: Calls[M]['args']): Promise<Timed<Calls[M]['result']>> {
    const id = ++this.#lastId;
    const request: Request = { id, method, args };
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject } as Waiting;
      this.#waiting.set(id, waiting);
      this.#child.send(request, (error) => {
        if (error === null) return;
        this.#waiting.delete(id);
        reject(error);
      });
    });
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('error' in reply) {
      const remedy = 'remedy' in reply.error ? `\n  what to do: ${reply.error.remedy}` : '';
      waiting?.reject(new Error(`${reply.error.message}${remedy}`));
    } else {
      waiting?.resolve({ result: reply.result, ms: reply.ms });
    }
  }
}
