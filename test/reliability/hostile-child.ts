/** A process of its own in a namespace, under circumstances: what it finds out, it prints as JSON. */
import type { NodeOptionsInput } from '#lib/model/index';
import { PACKAGE_ROOT } from '../support/child';
import { patience, run } from '../support/run';
import type { Namespace } from '../support/sandbox';
import { optionsFor, vnicConfig } from '../kernel/helpers/node';

/** Mounts of its own, so that it can be given a file system that is like none. */
export const OWN_MOUNTS = ['unshare', '--mount', '--propagation', 'private'];

export interface Circumstances {
  readonly ns: Namespace;
  /** What stands before the program: `setpriv …`, `prlimit …`. */
  readonly prefix?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly options?: Partial<NodeOptionsInput>;
  readonly timeoutMs?: number;
}

const PRELUDE = `
  const fs = require('node:fs');
  const { setTimeout: sleep } = require('node:timers/promises');
  const { Cnci, ComputeNode, Firewall, LmdbStore, probe } = require('./dist');
  const [options, base] = JSON.parse(process.argv[1]);
  // As vnicConfig of the tests counts them.
  const vnic = (n, more = {}) => ({ ...base, vnicId: 'vnic' + n, vnicIp: '172.16.0.' + (n + 2),
    vnicMac: '02:00:ac:10:00:' + (n + 2).toString(16).padStart(2, '0'), ...more });
  const codeOf = (promise) => promise.then(() => 'done', (error) => error.code ?? String(error.stack));
  const fds = () => fs.readdirSync('/proc/self/fd').length;
  const tell = (report) => console.log(JSON.stringify(report));
`;

/** Runs the body of an async function to its end; it must end well. */
export async function inChild(
  { ns, prefix = [], env = {}, options = {}, timeoutMs = 60_000 }: Circumstances,
  body: string,
): Promise<Readonly<Record<string, unknown>>> {
  const { netns: _, ...given } = optionsFor(ns, options);
  const code = `${PRELUDE}\n(async () => {${body}\n})().catch((error) => { console.error(error); process.exit(99); });`;
  const node = [process.execPath, '-e', code, '--', JSON.stringify([given, vnicConfig(0)])];
  const argv = ['nsenter', `--net=${ns.path}`, ...prefix, ...node];
  const limits = { cwd: PACKAGE_ROOT, env, timeoutMs: timeoutMs * patience };
  const { stdout } = await run(argv, limits);
  return JSON.parse(stdout) as Record<string, unknown>;
}
