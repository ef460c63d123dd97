/** One connection that never rests: what is said at one end is heard at the other, or no longer. */
import { patience, until } from '../../support/run';
import type { Namespace, Sandbox } from '../../support/sandbox';
import type { Tool } from '../../support/tool';

const SPEAKER = `
const [port] = process.argv.slice(1);
require('node:net').createServer((socket) => {
  const timer = setInterval(() => { socket.write('tick\\n'); console.log('said'); }, 20);
  socket.on('error', () => undefined);
  socket.on('end', () => clearInterval(timer));
}).listen(Number(port), () => console.log('ready'));`;

const LISTENER = `
const [address, port] = process.argv.slice(1);
const socket = require('node:net').connect({ host: address, port: Number(port) });
socket.on('data', () => console.log('heard'));
socket.on('error', () => undefined);`;

/** How often it is spoken until nothing heard means silence. */
const ENOUGH = 25;

export class Flow {
  readonly #speaker: Tool;
  readonly #listener: Tool;

  private constructor(speaker: Tool, listener: Tool) {
    this.#speaker = speaker;
    this.#listener = listener;
  }

  /** From a program that connects to an address where another speaks; begun when it is heard. */
  static async begin(
    box: Sandbox,
    to: readonly [ns: Namespace, address: string, port: number],
    from: Namespace,
  ): Promise<Flow> {
    const [ns, address, port] = to;
    const node = [process.execPath, '-e'];
    const speaker = await box.start(ns, [...node, SPEAKER, String(port)], { ready: /^ready/m });
    const words = [LISTENER, address, String(port)];
    return new Flow(speaker, await box.start(from, [...node, ...words], { ready: /^heard/m }));
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
      await until(() => this.#said >= said + ENOUGH, 10_000 * patience);
      return this.#said >= said + ENOUGH && this.#heard === heard;
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
