/** The demonstration is what a newcomer sees first: it has to hold, and to clean up whatever happens. */
import { readFileSync, readdirSync } from 'node:fs';
import { NodeChild, PACKAGE_ROOT } from '../support/child';
import { needs, reasonToSkip } from '../support/reasons';
import { patience, run, sleep, until } from '../support/run';

const FILE = 'dist/cli/main.js';
const TIMEOUT_MS = 60_000 * patience;
const it = needs('dnsmasq', 'busybox', 'nftables');

/** Number and command line of every process, wherever it is. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ')}`];
      } catch {
        return [];
      }
    });
}

/** Processes of this package's demonstration. */
function demoProcesses(): string[] {
  return commandLines().filter(
    (line) => /dist\/cli\/(demo\/|main\.js demo)/.test(line) && line.includes(PACKAGE_ROOT),
  );
}

/** Servers of the demonstration that this process was, or is. */
function servers(pid: number | undefined): string[] {
  return commandLines().filter((line) => line.includes(`/run/snnet-demo-${String(pid)}/`));
}

/** What a demonstration could leave out here: others may have links of their own meanwhile. */
async function traces(pid: number | undefined): Promise<string[]> {
  const { stdout } = await run(['ip', '-json', 'link', 'show']);
  const links = (JSON.parse(stdout) as { ifname: string }[]).map(({ ifname }) => ifname);
  return [
    ...links.filter((name) => /^(port-(cn|cnci)|switch$)/.test(name)),
    ...demoProcesses(),
    ...servers(pid),
  ];
}

it(
  'every claim of the demonstration holds, and nothing is left',
  async () => {
    const child = new NodeChild({ file: FILE }, { args: ['demo'], timeoutMs: TIMEOUT_MS });
    const { status, stdout, stderr } = await child.finished;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).not.toContain('   NO ');
    expect(stdout).toMatch(/^ {3}ok {2}alpha-5 on cn1 → alpha-6 on cn2: 3 of 3 answered/m);
    expect(stdout).toMatch(/alpha-6 heard 3, its twin beta-6 heard 0$/m);
    expect(stdout).toMatch(/beta-5 gets an answer, .* alpha-5 gets no answer$/m);
    expect(stdout).toMatch(/kill -9 \d+/);
    expect(stdout).toMatch(/dnsmasq of each tenant: processes \d+, \d+, the same$/m);
    expect(stdout).toMatch(/links in all 11 namespaces: the same \d+ as before/);
    expect(stdout).toMatch(/dnsmasq, its files, tables of nftables: none$/m);
    expect(stdout).toMatch(/alpha-5 asks 172\.16\.1\.1 for db: 172\.16\.1\.6/);
    expect(stdout).toMatch(/beta-5 asks 172\.16\.1\.1 for db: 172\.16\.1\.7/);
    expect(stdout).toMatch(/alpha-5 → 203\.0\.113\.1: no answer; the internet heard 0$/m);
    expect(stdout).toMatch(/which sees 203\.0\.113\.21, the concentrator$/m);
    expect(stdout).toMatch(/203\.0\.113\.21:33261: alpha-5 answers, port 22$/m);
    expect(stdout).toMatch(/the firewall: 5 lines of state, the same as before$/m);
    expect(stdout).toMatch(/\n23 checks, 0 failed, \d+\.\d s\n$/);
    expect(stdout).toContain(
      reasonToSkip('gretap') === undefined
        ? 'tunnels         GRE'
        : 'tunnels         VXLAN, for this',
    );
    expect(await traces(child.pid)).toEqual([]);
  },
  TIMEOUT_MS,
);

it(
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
    expect(await until(async () => (await traces(child.pid)).length === 0, 2000)).toBe(true);
  },
  TIMEOUT_MS,
);

it(
  'killed as by a power cut, it leaves nothing either',
  async () => {
    const child = new NodeChild({ file: FILE }, { args: ['demo'], timeoutMs: TIMEOUT_MS });
    await until(() => servers(child.pid).length === 2, 20_000 * patience);
    await child.kill();
    expect(await until(async () => (await traces(child.pid)).length === 0, 10_000 * patience)).toBe(
      true,
    );
  },
  TIMEOUT_MS,
);
