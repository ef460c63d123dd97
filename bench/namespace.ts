/**
 * Fresh network namespaces with an underlay, and waiting until the kernel has done away with them:
 * the kernel cleans up behind one's back, holding the lock that the next trial wants to measure.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
const MOST_POLLS = 3000;

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export interface BenchNamespace {
  readonly name: string;
  readonly farEnd: string;
}

/** The namespaces of one run: one that holds the far ends of all underlays, and one per trial. */
export class Namespaces {
  readonly #base = `bench-${randomBytes(4).toString('hex')}`;
  readonly #open = new Set<string>();

  constructor() {
    ip('netns', 'add', this.#base);
  }

  /** A namespace that holds 198.51.100.1/24 on a link that is up. */
  create(): BenchNamespace {
    const tag = randomBytes(4).toString('hex');
    const name = `bench-${tag}`;
    const farEnd = `far${tag}`;
    ip('netns', 'add', name);
    this.#open.add(name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
    ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', farEnd, 'netns', this.#base);
    ip('-n', name, 'addr', 'add', '198.51.100.1/24', 'dev', 'eth0');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
    ip('-n', this.#base, 'link', 'set', farEnd, 'up');
    return { name, farEnd };
  }

  /** Resolves when the kernel has cleaned up: the underlay's far end goes with the namespace. */
  async remove({ name, farEnd }: BenchNamespace): Promise<void> {
    ip('netns', 'del', name);
    this.#open.delete(name);
    for (let poll = 0; poll < MOST_POLLS; poll++) {
      const links = ip('-n', this.#base, '-br', 'link', 'show');
      if (!links.includes(farEnd)) return sleep(POLL_MS * 2);
      await sleep(POLL_MS);
    }
    throw new Error(`the kernel does not finish cleaning up ${name}`);
  }

  close(): void {
    for (const name of [...this.#open, this.#base]) ip('netns', 'del', name);
    this.#open.clear();
  }
}
