/** A namespace with a kernel handle in it: what most tests of the executor begin with. */
import { types } from 'node:util';
import { Kernel } from '#lib/kernel/index';
import type { KernelOptions, LinkRow, RunResult } from '#lib/kernel/index';
import { makePlan } from '#lib/plan/index';
import type { LinkToDelete, Step } from '#lib/plan/index';
import { isFallbackLink } from '../../support/leaks';
import { run } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';

export class Bed implements AsyncDisposable {
  readonly box: Sandbox;
  readonly ns: Namespace;
  readonly kernel: Kernel;

  private constructor(box: Sandbox, ns: Namespace, kernel: Kernel) {
    this.box = box;
    this.ns = ns;
    this.kernel = kernel;
  }

  /** `shared`: several tests use it; the file closes it in `afterAll`. Links may stay in it. */
  static async open(
    options: { readonly shared?: boolean; readonly fault?: KernelOptions['fault'] } = {},
  ): Promise<Bed> {
    const box = await Sandbox.open({ scope: options.shared === true ? 'manual' : 'test' });
    const ns = await box.netns('kernel', { leaves: 'anything' });
    return new Bed(box, ns, await Kernel.open({ netns: ns.name, fault: options.fault }));
  }

  run(steps: readonly Step[]): Promise<RunResult> {
    return this.kernel.run(makePlan('test', steps));
  }

  /** `ip` in the namespace, its words in one string; none of them may hold a blank. */
  async ip(words: string): Promise<string> {
    return (await run(['ip', '-n', this.ns.name, ...words.split(' ')])).stdout;
  }

  async ipBatch(lines: readonly string[]): Promise<void> {
    const input = `${lines.join('\n')}\n`;
    await run(['ip', '-n', this.ns.name, '-batch', '-'], { input, timeoutMs: 60_000 });
  }

  async row(ifname: string): Promise<LinkRow> {
    const row = (await this.kernel.links()).find((link) => link.ifname === ifname);
    if (row === undefined) throw new Error(`no link ${ifname} in the dump`);
    return row;
  }

  /** Names of the links, without those that the kernel puts into every namespace. */
  async names(): Promise<string[]> {
    const links = await this.kernel.links();
    return links.map(({ ifname }) => ifname).filter((name) => !isFallbackLink(name));
  }

  /** Everything that a rollback could leave, in the words of the tools. Indexes and states included. */
  async picture(): Promise<string> {
    const show = [
      ['ip', '-n', this.ns.name, '-d', 'link', 'show'],
      ['ip', '-n', this.ns.name, 'address', 'show'],
      ['ip', '-n', this.ns.name, 'route', 'show', 'table', 'all'],
      ['ip', '-n', this.ns.name, 'neighbour', 'show'],
      ['bridge', '-n', this.ns.name, 'fdb', 'show'],
    ];
    const shown = await Promise.all(show.map((argv) => run(argv)));
    // A port's timers and its carrier change by themselves.
    return shown
      .map(({ stdout }) =>
        stdout
          .replaceAll(/(timer|_timer|linger|age|ageing) +[\d.]+/g, '')
          .replaceAll(/state \w+|qdisc \w+|NO-CARRIER,|LOWER_UP/g, ''),
      )
      .join('\n');
  }

  async close(): Promise<void> {
    await this.kernel.close();
    await this.box.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kernel.close();
    await this.box[Symbol.asyncDispose]();
  }
}

export function doomed(ifindex: number, ifname: string, alias = ''): LinkToDelete {
  return { ifindex, ifname, alias };
}

/** What a promise was rejected with; fails where it was not. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { cause?: unknown }> {
  try {
    await promise;
  } catch (error) {
    // An error of the addon is of another realm than jest's.
    if (types.isNativeError(error)) return error;
    throw error;
  }
  throw new Error('it was not rejected');
}
