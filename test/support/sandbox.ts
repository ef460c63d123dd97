import { findDescriptorLeaks, findKernelLeaks, findProcessLeaks, LeakError } from './leaks';
import { readDescriptors } from './leaks';
import type { Leavings } from './leaks';
import { createNamespace, identityOf, inventName } from './namespaces';
import { killProcessesIn, removeNamespaces } from './namespaces';
import type { Namespace } from './namespaces';
import { run } from './run';
import type { RunOptions, RunResult } from './run';
import { Tool } from './tool';
import type { ToolOptions } from './tool';

export type { Namespace } from './namespaces';

export interface SandboxOptions {
  /**
   * `test` (default): closed after the test at the latest. `manual`: for a sandbox that several
   * tests share; the file closes it itself, by `close()` in `afterAll`.
   */
  readonly scope?: 'test' | 'manual';
}

export interface NamespaceOptions {
  /** Links (or `nft:<family> <table>`) that may be there at the end. Default: none. */
  readonly leaves?: Leavings;
}

/** One end of a veth pair. */
export interface LinkEnd {
  readonly ns: Namespace;
  readonly name: string;
  /** With prefix length: `192.168.0.1/24`. */
  readonly address?: string;
  readonly mtu?: number;
}

const open = new Set<Sandbox>();
const leaksOfDisposed: string[] = [];
let settler = false;
let firstChild: Promise<RunResult> | undefined;

/**
 * Throwaway network namespaces for one test. Whatever happens in the test, they are removed; and
 * what the test left in them, or in this process, is an error.
 */
export class Sandbox implements AsyncDisposable {
  readonly #namespaces = new Map<string, { ns: Namespace; leaves: Leavings }>();
  readonly #tools = new Set<Tool>();
  readonly #madeLinks: string[] = [];
  readonly #descriptors: ReadonlyMap<number, string>;
  readonly scope: 'test' | 'manual';
  #closing: Promise<void> | undefined;

  private constructor(descriptors: ReadonlyMap<number, string>, scope: 'test' | 'manual') {
    this.#descriptors = descriptors;
    this.scope = scope;
  }

  static async open(options: SandboxOptions = {}): Promise<Sandbox> {
    // The first child of a process makes libuv open a pipe for signals that stays: have it first.
    firstChild ??= run(['true']);
    await firstChild;
    const box = new Sandbox(readDescriptors(), options.scope ?? 'test');
    open.add(box);
    return box;
  }

  /** Makes a namespace; `label` is only for the reader of error messages. Its `lo` is up. */
  async netns(label: string, options: NamespaceOptions = {}): Promise<Namespace> {
    if (this.#closing !== undefined) throw new Error('the sandbox is closed');
    const name = inventName(label);
    const ns = await createNamespace(name);
    this.#namespaces.set(name, { ns, leaves: options.leaves ?? [] });
    return ns;
  }

  /** Says late what may be left in a namespace at the end. */
  allow(ns: Namespace, leaves: Leavings): void {
    this.#namespaces.set(ns.name, { ns, leaves });
  }

  /** Connects two namespaces by a veth pair, up at both ends. */
  async link(a: LinkEnd, b: LinkEnd): Promise<void> {
    await run(
      ['ip', 'link', 'add', 'name', a.name, 'netns', a.ns.name, 'type', 'veth'].concat([
        'peer',
        'name',
        b.name,
        'netns',
        b.ns.name,
      ]),
    );
    this.#madeLinks.push(`${a.ns.name} ${a.name}`, `${b.ns.name} ${b.name}`);
    await Promise.all([a, b].map(configure));
  }

  /** Runs a program in the namespace to its end; rejects if it fails, unless `check: false`. */
  exec(ns: Namespace, argv: readonly string[], options?: RunOptions): Promise<RunResult> {
    return run(['ip', 'netns', 'exec', ns.name, ...argv], options);
  }

  /** Starts a program that stays: a server, a capture. It is stopped with the sandbox at the latest. */
  async start(ns: Namespace, argv: readonly string[], options?: ToolOptions): Promise<Tool> {
    const tool = await Tool.start(['ip', 'netns', 'exec', ns.name, ...argv], options);
    this.#tools.add(tool);
    return tool;
  }

  /** Removes everything, then rejects with a {@link LeakError} if the test left anything. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * As `close`, but under jest a leak is not thrown here: it would hide the error of the test
   * itself. It is thrown after the test, see {@link settleSandboxes}.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing !== undefined) return;
    await this.close().catch((error: unknown) => {
      if (!settler || !(error instanceof LeakError)) throw error;
      leaksOfDisposed.push(...error.leaks);
    });
  }

  async #close(): Promise<void> {
    open.delete(this);
    await Promise.all([...this.#tools].map((tool) => tool.stop()));
    const entries = [...this.#namespaces.values()];
    const namespaces = entries.map(({ ns }) => ns);
    const leaks: string[] = [];
    try {
      leaks.push(...(await findProcessLeaks(namespaces)));
      const found = entries.map(({ ns, leaves }) =>
        findKernelLeaks(ns, this.#withMade(ns, leaves)),
      );
      leaks.push(...(await Promise.all(found)).flat());
    } finally {
      killProcessesIn(new Set(namespaces.map(identityOf)));
      await removeNamespaces(namespaces.map(({ name }) => name));
    }
    leaks.push(...(await findDescriptorLeaks(this.#descriptors)));
    if (leaks.length > 0) throw new LeakError(leaks);
  }

  #withMade(ns: Namespace, leaves: Leavings): Leavings {
    if (leaves === 'anything') return leaves;
    const prefix = `${ns.name} `;
    const made = this.#madeLinks.filter((link) => link.startsWith(prefix));
    return [...leaves, ...made.map((link) => link.slice(prefix.length))];
  }
}

/** From now on leaks found by `await using` wait for {@link settleSandboxes}. */
export function deferLeaks(): void {
  settler = true;
}

/** After a test: closes what it did not close (it timed out, or forgot `await using`), reports leaks. */
export async function settleSandboxes(): Promise<void> {
  const leaks: string[] = [];
  for (const box of [...open].filter(({ scope }) => scope === 'test')) {
    leaks.push('a sandbox that was not closed');
    await box.close().catch((error: unknown) => {
      leaks.push(...(error instanceof LeakError ? error.leaks : [String(error)]));
    });
  }
  leaks.push(...leaksOfDisposed.splice(0));
  if (leaks.length > 0) throw new LeakError(leaks);
}

async function configure(end: LinkEnd): Promise<void> {
  const lines = [`link set ${end.name} ${end.mtu === undefined ? '' : `mtu ${end.mtu}`} up`];
  if (end.address !== undefined) lines.push(`address add ${end.address} dev ${end.name}`);
  await run(['ip', '-n', end.ns.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}
