/**
 * A peer at work: a child process inside a namespace that answers one line per command.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';

import { parseAnswer, type Answer, type Command } from './protocol';

const CALL_TIMEOUT_MS = 180_000;

export class Peer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  #complaints = '';

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    child.stderr.on('data', (chunk: Buffer) => {
      this.#complaints = (this.#complaints + chunk.toString()).slice(-2000);
    });
    child.stdin.on('error', () => undefined); // a peer that died is reported by its exit
  }

  /** Starts a peer and waits until it is ready. */
  static async start(
    namespace: string,
    argv: readonly string[],
    keepsMounts = false,
  ): Promise<Peer> {
    // What `ip netns exec` mounts over /sys hides the control groups that a dockerd needs.
    const enter = keepsMounts
      ? ['nsenter', `--net=/run/netns/${namespace}`]
      : ['ip', 'netns', 'exec', namespace];
    const [command = '', ...args] = [...enter, ...argv];
    const child = spawn(command, args, { stdio: 'pipe' });
    const peer = new Peer(child);
    if ((await peer.#nextLine()) !== 'ready')
      throw new Error('the peer did not say that it is ready');
    return peer;
  }

  async run(command: Command): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const answer = await this.#nextLine();
    if (answer === 'ready') throw new Error('the peer started anew');
    return answer;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(timer);
  }

  async #nextLine(): Promise<Answer | 'ready'> {
    const waiting = new AbortController();
    const { signal } = waiting;
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CALL_TIMEOUT_MS);
    try {
      const line = await Promise.race([
        once(this.#lines, 'line', { signal }).then(([text]) => String(text)),
        once(this.#child, 'exit', { signal }).then(([code]) => {
          throw new Error(`the peer ended (${String(code)}): ${this.#complaints.trim()}`);
        }),
      ]);
      return parseAnswer(line);
    } finally {
      clearTimeout(timer);
      waiting.abort();
    }
  }
}
