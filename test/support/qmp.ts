/** QEMU's machine protocol: commands and their answers, and what QEMU tells by itself. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { patience, until } from './run';

const ANSWER_MS = 60_000 * patience;

interface Message {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A connection to a QEMU that was started with `-qmp unix:PATH,server=on,wait=off`. */
export class Qmp implements Disposable {
  readonly #socket: Socket;
  readonly #answers: Message[] = [];
  readonly #events: Message[] = [];
  #rest = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines.filter((one) => one.trim() !== '')) {
        const message = JSON.parse(line) as Message;
        (message.event === undefined ? this.#answers : this.#events).push(message);
      }
    });
  }

  static async connect(path: string): Promise<Qmp> {
    let socket: Socket | undefined;
    const found = await until(async () => {
      socket = await new Promise<Socket | undefined>((resolve) => {
        const attempt = connect(path, () => resolve(attempt));
        attempt.once('error', () => resolve(undefined));
      });
      return socket !== undefined;
    }, ANSWER_MS);
    if (!found || socket === undefined) throw new Error(`nobody listens at ${path}`);
    const qmp = new Qmp(socket);
    await qmp.#next(qmp.#answers, () => true, 'greeting');
    await qmp.execute('qmp_capabilities');
    return qmp;
  }

  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const answer = await this.#next(this.#answers, () => true, command);
    if (answer.error !== undefined) throw new Error(`${command}: ${answer.error.desc}`);
    return answer.return;
  }

  /** Resolves when QEMU has told this, now or before. */
  async event(name: string, data: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const fits = (message: Message): boolean =>
      message.event === name &&
      Object.entries(data).every(([key, value]) => message.data?.[key] === value);
    await this.#next(this.#events, fits, name);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #next(
    queue: Message[],
    fits: (message: Message) => boolean,
    what: string,
  ): Promise<Message> {
    let found = -1;
    await until(() => {
      found = queue.findIndex(fits);
      return found >= 0 || this.#socket.destroyed;
    }, ANSWER_MS);
    const [message] = found < 0 ? [] : queue.splice(found, 1);
    if (message === undefined) throw new Error(`QEMU does not answer: ${what}`);
    return message;
  }
}
