import { constants } from 'node:os';

import type { APIError } from '../errors';
import type { NativeError, NativeHandle } from './native';

/** A program to run. */
export interface Program {
  /** A path: nothing is searched. */
  readonly file: string;
  /** What follows the program's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where it runs. Default: `/`. */
  readonly directory?: string;
  /** Killed after this many milliseconds. */
  readonly timeoutMs: number;
}

export interface ProgramResult {
  /** Absent where a signal ended it. */
  readonly status?: number;
  readonly signal?: number;
  /** The first 16 KiB of what it wrote to standard error. */
  readonly errorOutput: string;
  readonly hasTimedOut: boolean;
}

const ERROR_BYTES = 16 * 1024;

/** How a refusal of the addon becomes an error of ours. */
type ToApiError = (operation: string, error: NativeError) => APIError;

/** What a {@link Kernel} can do with processes; for a program's start the namespace is the handle's. */
export class Processes {
  readonly #handle: NativeHandle;
  readonly #toApiError: ToApiError;
  readonly #watched = new Map<number, () => void>();

  constructor(handle: NativeHandle, toError: ToApiError) {
    this.#handle = handle;
    this.#toApiError = toError;
    // Watched processes do not keep the event loop alive, nor does this.
    handle.onProcessEnd = (token) => this.#watched.get(token)?.();
  }

  /**
   * Runs a program to its end. A daemon ends at once and leaves a process behind, whose parent is then
   * not us. It gets no descriptor of ours, no terminal, and standard input and output lead nowhere.
   */
  async run(program: Program): Promise<ProgramResult> {
    const name = program.file.slice(program.file.lastIndexOf('/') + 1);
    const reply = await this.#handle.runProgram(
      JSON.stringify({
        file: program.file,
        arguments: [name, ...program.args],
        environment: Object.entries(program.env).map(([key, value]) => `${key}=${value}`),
        directory: program.directory ?? '/',
        timeoutMs: program.timeoutMs,
        errorBytes: ERROR_BYTES,
      }),
    );
    if ('error' in reply) throw this.#toApiError('start', reply.error);
    return reply;
  }

  /** Refers to a process from now on, so that nothing hits another with the same number; none: it is gone. */
  watch(pid: number): WatchedProcess | undefined {
    const reply = this.#handle.adoptProcess(pid);
    if ('token' in reply) {
      const { token } = reply;
      return new WatchedProcess(pid, {
        signal: (number) => this.#signal(token, number),
        onEnd: (ended) => this.#watched.set(token, ended),
        forget: () => {
          if (this.#watched.delete(token)) this.#handle.forgetProcess(token);
        },
      });
    }
    // EINVAL: the number of a thread.
    if (['ESRCH', 'EINVAL'].includes(reply.error.name)) return undefined;
    throw this.#toApiError('watch', reply.error);
  }

  #signal(token: number, number: number): boolean {
    const reply = this.#handle.signalProcess(token, number);
    if (!('error' in reply)) return true;
    if (reply.error.name === 'ESRCH') return false;
    throw this.#toApiError('signal', reply.error);
  }

  /** The namespace of the handle, as links `/proc/<pid>/ns/net` name it. */
  async netnsName(): Promise<string> {
    const reply = await this.#handle.nameNetns();
    if ('error' in reply) throw this.#toApiError('open', reply.error);
    return reply.value;
  }

  /** Sends one UDP packet from within the namespace. */
  async send(address: string, port: number, bytes: Buffer): Promise<void> {
    const reply = await this.#handle.sendDatagram(JSON.stringify({ address, port }), bytes);
    if ('error' in reply) throw this.#toApiError('send', reply.error);
  }
}

/** What a {@link WatchedProcess} asks of the handle. */
interface Watch {
  signal(number: number): boolean;
  onEnd(ended: () => void): void;
  forget(): void;
}

/** A process that need not be our child. */
export class WatchedProcess {
  readonly pid: number;
  /** Fulfilled when it has ended; never, once forgotten. Does not keep the event loop alive. */
  readonly ended: Promise<void>;
  readonly #watch: Watch;
  #hasEnded = false;

  /** @internal */
  constructor(pid: number, watch: Watch) {
    this.pid = pid;
    this.#watch = watch;
    this.ended = new Promise((resolve) => {
      watch.onEnd(() => {
        this.#hasEnded = true;
        watch.forget();
        resolve();
      });
    });
  }

  /** Its end has been heard of. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Its number cannot have gone to another process: it lives, or nobody has taken its end yet. */
  get ownsPid(): boolean {
    return !this.#hasEnded && this.#watch.signal(0);
  }

  /** Sends a signal; false: the process is gone. */
  signal(name: 'SIGHUP' | 'SIGTERM' | 'SIGKILL'): boolean {
    return !this.#hasEnded && this.#watch.signal(constants.signals[name]);
  }

  /** Lets go of it; it lives on. */
  forget(): void {
    this.#watch.forget();
  }
}
