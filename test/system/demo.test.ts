/** The demonstration is what a newcomer sees first: it has to hold, and to clean up whatever happens. */
import { readFileSync, readdirSync } from 'node:fs';
import { NodeChild, PACKAGE_ROOT, runChild } from '../support/child';
import { reasonToSkip } from '../support/reasons';
import { patience, run, sleep, until } from '../support/run';

const FILE = 'dist/cli/main.js';
const TIMEOUT_MS = 30_000 * patience;

/** Processes of this package's demonstration, wherever they are. */
function demoProcesses(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ');
        const isDemo = /dist\/cli\/(demo\/|main\.js demo)/.test(words);
        return isDemo && words.includes(PACKAGE_ROOT) ? [`${pid} ${words}`] : [];
      } catch {
        return [];
      }
    });
}

/** What a demonstration could leave out here: others may have links of their own meanwhile. */
async function traces(): Promise<string[]> {
  const { stdout } = await run(['ip', '-json', 'link', 'show']);
  const links = (JSON.parse(stdout) as { ifname: string }[]).map(({ ifname }) => ifname);
  return [...links.filter((name) => /^(port-(cn|cnci)|switch$)/.test(name)), ...demoProcesses()];
}

test(
  'every claim of the demonstration holds, and nothing is left',
  async () => {
    const { status, stdout, stderr } = await runChild(
      { file: FILE },
      { args: ['demo'], timeoutMs: TIMEOUT_MS },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).not.toContain('   NO ');
    expect(stdout).toMatch(/^ {3}ok {2}alpha-5 on cn1 → alpha-6 on cn2: 3 of 3 answered/m);
    expect(stdout).toMatch(/alpha-6 heard 3, its twin beta-6 heard 0$/m);
    expect(stdout).toMatch(/beta-5 gets an answer, .* alpha-5 gets no answer$/m);
    expect(stdout).toMatch(/kill -9 \d+/);
    expect(stdout).toMatch(/links in all 10 namespaces: the same \d+ as before/);
    expect(stdout).toMatch(/\n11 checks, 0 failed, \d+\.\d s\n$/);
    expect(stdout).toContain(
      reasonToSkip('gretap') === undefined
        ? 'tunnels         GRE'
        : 'tunnels         VXLAN, for this',
    );
    expect(await traces()).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  'interrupted, it cleans up and says so by its status',
  async () => {
    const child = new NodeChild(
      { file: FILE },
      { args: ['demo', '--json'], timeoutMs: TIMEOUT_MS },
    );
    await until(() => demoProcesses().some((line) => line.includes('network-process')), 10_000);
    // Somewhere in the middle: each run finds another place.
    await sleep(300 + Math.random() * 2000);
    process.kill(child.pid ?? 0, 'SIGTERM');
    const { status, stdout, stderr } = await child.finished;
    expect({ status, stdout }).toEqual({ status: 143, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ error: { name: 'CommandFailure' } });
    expect(await until(async () => (await traces()).length === 0, 2000)).toBe(true);
  },
  TIMEOUT_MS,
);
