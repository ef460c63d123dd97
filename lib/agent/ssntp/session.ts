import type { APIError } from '../../errors';
import type { Connection } from './connection';
import { unreachable } from './connection';
import { parseMessage } from './message';
import type { SsntpMessage } from './message';
import type { SsntpRole } from './numbers';

/** One client of a server, from CONNECTED until it goes. */
export class SsntpSession {
  readonly uuid: string;
  /** As what it connected; its certificate grants it. */
  readonly roles: readonly SsntpRole[];
  readonly #connection: Connection;
  readonly #sender: string;

  constructor(uuid: string, roles: readonly SsntpRole[], connection: Connection, sender: string) {
    this.uuid = uuid;
    this.roles = roles;
    this.#connection = connection;
    this.#sender = sender;
  }

  get isOver(): boolean {
    return this.#connection.isOver;
  }

  /** Resolves when the frame has been handed to the kernel: nobody tells whether it arrived. */
  async send(message: SsntpMessage): Promise<void> {
    await this.#connection.send(parseMessage(message, this.#sender));
  }

  /** Ends it; the client will dial again. */
  close(reason: APIError = unreachable('the server ended the session')): void {
    this.#connection.finish(reason);
  }
}
