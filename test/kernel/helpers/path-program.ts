/** The program at the ends of a path: a VM, a server, a client, a connection that never rests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { PACKAGE_ROOT } from '../../support/child';
import { patience, run, until } from '../../support/run';
import type { Namespace, Sandbox } from '../../support/sandbox';
import type { Tool } from '../../support/tool';
import { NEVER_MS } from './wire';
import type { Protocol } from './wire';

const SOURCE = join(PACKAGE_ROOT, 'test', 'kernel', 'helpers', 'path-program.c');
const CARD = 'eth0';
/** How often it is spoken until nothing heard means silence. */
const ENOUGH = 25;

type Place = readonly [address: string, port: number];

export class Program implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'snnet-path-'));
  readonly #file = join(this.#directory, 'path-program');

  static async build(): Promise<Program> {
    const program = new Program();
    try {
      const flags = ['-O1', '-Wall', '-Wextra', '-Werror', '-o', program.#file, SOURCE];
      await run(['gcc', ...flags], { timeoutMs: 30_000 * patience });
      return program;
    } catch (error) {
      program[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Starts a VM on a host's tap; the name of its card in its own namespace, which is up. */
  async startVm(
    box: Sandbox,
    { host, tap, ns, mac }: { host: Namespace; tap: string; ns: Namespace; mac: string },
  ): Promise<string> {
    await box.start(host, [this.#file, 'vm', tap, ns.path, CARD], { ready: /^ready/m });
    await box.exec(ns, ['ip', 'link', 'set', 'dev', CARD, 'address', mac, 'up']);
    return CARD;
  }

  /** Begins to answer on a port. */
  serve(box: Sandbox, ns: Namespace, protocol: Protocol, port: number): Promise<Tool> {
    return box.start(ns, [this.#file, 'serve', protocol, String(port)], { ready: /^ready/m });
  }

  /** Whom the server saw; `silence`, or `error <code>`. */
  async ask(
    ns: Namespace,
    protocol: Protocol,
    [address, port]: Place,
    waitMs = 5000 * patience,
  ): Promise<string> {
    const words = ['ask', protocol, address, String(port), String(waitMs)];
    const argv = ['nsenter', `--net=${ns.path}`, this.#file, ...words];
    return (await run(argv, { timeoutMs: 30_000 * patience })).stdout.trim();
  }

  /** As {@link ask}, where no answer must come: it doesn't wait long for it. */
  askInVain(ns: Namespace, protocol: Protocol, place: Place): Promise<string> {
    return this.ask(ns, protocol, place, NEVER_MS);
  }

  /** A connection from a namespace to where another speaks; it is heard when it has begun. */
  async beginFlow(
    box: Sandbox,
    from: Namespace,
    to: Namespace,
    [address, port]: Place,
  ): Promise<Flow> {
    const speaker = await box.start(to, [this.#file, 'speak', String(port)], { ready: /^ready/m });
    const argv = [this.#file, 'listen', address, String(port)];
    return new Flow(speaker, await box.start(from, argv, { ready: /^heard/m }));
  }
}

/** What is said at one end of it is heard at the other, or no longer. */
export class Flow {
  readonly #speaker: Tool;
  readonly #listener: Tool;

  constructor(speaker: Tool, listener: Tool) {
    this.#speaker = speaker;
    this.#listener = listener;
  }

  /** Whether it goes on from here. */
  async goesOn(): Promise<boolean> {
    const before = this.#heard;
    return await until(() => this.#heard > before + 1, 10_000 * patience);
  }

  /** Whether there comes a time from which on it is spoken and not heard; what is under way may arrive. */
  async fallsSilent(): Promise<boolean> {
    return await until(async () => {
      const [heard, said] = [this.#heard, this.#said];
      const isEnough = await until(() => this.#said >= said + ENOUGH, 10_000 * patience);
      return isEnough && this.#heard === heard;
    }, 10_000 * patience);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#listener.stop(), this.#speaker.stop()]);
  }

  get #heard(): number {
    return this.#listener.stdout.split('heard').length;
  }
  get #said(): number {
    return this.#speaker.stdout.split('said').length;
  }
}
