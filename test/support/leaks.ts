import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { ipLinks, nftTables } from './oracle';
import { identityOf, processesByNamespace, threadsByNamespace } from './namespaces';
import type { Namespace } from './namespaces';
import { until } from './run';

/** What a test may leave in a namespace: nothing, links with these names, or anything at all. */
export type Leavings = readonly (string | RegExp)[] | 'anything';

/** Something was there after a test that was not there before. */
export class LeakError extends Error {
  readonly leaks: readonly string[];

  constructor(leaks: readonly string[]) {
    super(`the test left behind:\n${leaks.map((leak) => `  ${leak}`).join('\n')}`);
    this.name = 'LeakError';
    this.leaks = leaks;
  }
}

/** Made by the kernel itself in every namespace once a tunnel module is loaded; not removable. */
const FALLBACK_LINKS = new Set([
  'gre0',
  'gretap0',
  'erspan0',
  'tunl0',
  'sit0',
  'ip_vti0',
  'ip6tnl0',
  'ip6gre0',
  'ip6_vti0',
]);

export function isFallbackLink(ifname: string): boolean {
  return FALLBACK_LINKS.has(ifname);
}

/** The open descriptors of this process: number and what it refers to. */
export function readDescriptors(): Map<number, string> {
  const descriptors = new Map<number, string>();
  for (const entry of readdirSync('/proc/self/fd')) {
    try {
      descriptors.set(Number(entry), readlinkSync(`/proc/self/fd/${entry}`));
    } catch {
      // The descriptor of the directory listing itself.
    }
  }
  return descriptors;
}

/** Sockets and pipes close a turn or two after their owner says so: they are given a moment. */
export async function findDescriptorLeaks(before: ReadonlyMap<number, string>): Promise<string[]> {
  let extra: [number, string][] = [];
  await until(() => {
    extra = [...readDescriptors()].filter(([fd, target]) => before.get(fd) !== target);
    return extra.length === 0;
  }, 1000);
  return extra.map(([fd, target]) => `descriptor ${fd} -> ${target}`);
}

/** Processes inside, and threads of our own: both may need a moment to end. */
export async function findProcessLeaks(namespaces: readonly Namespace[]): Promise<string[]> {
  let found: string[] = [];
  await until(() => {
    const processes = processesByNamespace();
    const threads = threadsByNamespace();
    found = namespaces.flatMap((ns) => {
      const identity = identityOf(ns);
      return [
        ...(processes.get(identity) ?? []).map(
          (pid) => `process ${pid} in ${ns.name} (${programOf(pid)})`,
        ),
        ...(threads.get(identity) ?? []).map(
          (tid) => `thread ${tid} of this process in ${ns.name}`,
        ),
      ];
    });
    return found.length === 0;
  }, 1000);
  return found;
}

/** A daemon's number says little by itself. */
function programOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'gone meanwhile';
  }
}

/** Links, and the tables of the packet filter, which no link's end takes along. */
export async function findKernelLeaks(ns: Namespace, allowed: Leavings): Promise<string[]> {
  if (allowed === 'anything') return [];
  const [links, tables] = await Promise.all([ipLinks(ns), nftTables(ns)]);
  const isAllowed = (ifname: string): boolean =>
    ifname === 'lo' ||
    isFallbackLink(ifname) ||
    allowed.some((name) => (typeof name === 'string' ? name === ifname : name.test(ifname)));
  return [
    ...links
      .filter((link) => !isAllowed(link.ifname))
      .map(
        (link) => `link ${link.ifname} (${link.linkinfo?.info_kind ?? 'physical'}) in ${ns.name}`,
      ),
    ...tables
      .filter((table) => !isAllowed(`nft:${table}`))
      .map((table) => `nft table ${table} in ${ns.name}`),
  ];
}
