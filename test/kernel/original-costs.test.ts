/**
 * What the Go library's way of working cost: counted as requests to the kernel, which no machine's speed
 * changes. A process of its own does the work under strace; the numbers in the titles are the bugs'.
 */
import { PACKAGE_ROOT } from '../support/child';
import { needs } from '../support/reasons';
import { run } from '../support/run';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import { ip, makeHost, optionsFor, vnicConfig } from './helpers/node';

const LIMIT_MS = 120_000;
const CALLS = 'trace=sendmsg,sendto,socket,execve,access';
/** Looking for this file, which is nowhere, begins the next phase. */
const MARK = '/snnet-phase';

const test = needs('strace', 'vxlan', 'tap');

/** Lines of strace, by the phases that the script says with `phase()`. */
async function trace(ns: Namespace, script: string): Promise<string[][]> {
  const code = `
    const { accessSync } = require('node:fs');
    const { Cnci, ComputeNode, Firewall } = require('./dist/index');
    const phase = () => { try { accessSync('${MARK}'); } catch {} };
    const options = ${JSON.stringify(optionsFor(ns))};
    const vnic = ${JSON.stringify(vnicConfig())};
    const nth = (n) => ({ ...vnic, vnicId: 'vnic' + n, vnicIp: '172.16.1.' + (n + 2), vnicMac: '02:00:ac:10:01:' + (n + 2).toString(16).padStart(2, '0') });
    (async () => { ${script} })().catch((error) => { console.error(error); process.exitCode = 1; });`;
  // Inside the namespace: strace asks there which protocol a socket speaks.
  const strace = ['strace', '-f', '-qq', '-e', 'signal=none', '-s', '64', '-e', CALLS];
  const argv = ['nsenter', `--net=${ns.path}`, ...strace, process.execPath, '-e', code];
  const { stderr } = await run(argv, { cwd: PACKAGE_ROOT, timeoutMs: LIMIT_MS });
  const phases: string[][] = [[]];
  for (const line of stderr.split('\n')) {
    if (line.includes(MARK)) phases.push([]);
    else phases.at(-1)?.push(line);
  }
  return phases;
}

/** How many of the messages in these lines match, several in one send included. */
function count(lines: readonly string[] | undefined, pattern: RegExp): number {
  const all = new RegExp(pattern.source, 'g');
  return (lines ?? []).reduce((sum, line) => sum + (line.match(all)?.length ?? 0), 0);
}

async function strangers(box: Sandbox, ns: Namespace, links: number): Promise<void> {
  box.allow(ns, ['eth0', 'eth0peer', /^other/]);
  const numbers = Array.from({ length: links }, (_, n) => String(n));
  await ip(
    ns,
    ...numbers.flatMap((n) => [
      `link add other${n} type bridge`,
      `link set other${n} alias somebody-elses-${n}`,
    ]),
  );
}

test(
  'no link is looked up by dumping all, and none that was made is read back (35, 36)',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await strangers(box, ns, 100);
    const [opening, first, second, again, last] = await trace(
      ns,
      `
      const node = await ComputeNode.open(options);
      await node.audit();
      phase();
      await node.createVnic(nth(0));
      phase();
      await node.createVnic(nth(1));
      phase();
      await node.createVnic(nth(1));
      phase();
      await node.destroyVnic(nth(1));
      phase();
      await node.resetNetwork();
      await node.settle();
      await node.close();`,
    );
    expect(count(opening, /NLM_F_DUMP/)).toBeGreaterThan(0);
    for (const lines of [first, second, again]) {
      expect(count(lines, /RTM_GETLINK/)).toBe(0);
      expect(count(lines, /socket\(AF_NETLINK/)).toBe(0);
    }
    expect(count(second, /RTM_NEWLINK|RTM_SETLINK/)).toBeGreaterThan(0);
    // Whose link it is that goes is asked, of that link.
    expect([count(last, /RTM_GETLINK/), count(last, /NLM_F_DUMP/)]).toEqual([1, 0]);
    expect(count(last, /RTM_DELLINK/)).toBe(1);
  },
  LIMIT_MS,
);

test(
  'links that go together go in one message (37)',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const [, lines] = await trace(
      ns,
      `
      const node = await ComputeNode.open(options);
      await Promise.all(Array.from({ length: 30 }, (_, n) => node.createVnic(nth(n))));
      phase();
      await node.resetNetwork();
      await node.settle();
      phase();
      await node.close();`,
    );
    // Thirty taps and a tunnel; the bridge; the device that keeps the tunnels' socket.
    expect(count(lines, /RTM_DELLINK/)).toBeLessThanOrEqual(3);
    expect(count(lines, /RTM_DELLINK/)).toBeGreaterThan(0);
  },
  LIMIT_MS,
);

needs('strace', 'nftables')(
  'five hundred port mappings are one transaction, and no program is run for them (38)',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const [, on, off] = await trace(
      ns,
      `
      const firewall = await Firewall.open({ externalDevices: ['eth0'], netns: options.netns });
      const rules = Array.from({ length: 500 }, (_, n) => ({
        protocol: 'tcp', externalDevice: 'eth0', externalPort: 2000 + n,
        internalIp: '172.16.1.5', internalPort: 22,
      }));
      phase();
      await firewall.extPortAccess('enable', rules);
      phase();
      await firewall.extPortAccess('disable', rules);
      phase();
      await firewall.shutdown();
      await firewall.close();`,
    );
    for (const lines of [on, off]) {
      expect(count(lines, /execve\(/)).toBe(0);
      expect(count(lines, /NFNL_MSG_BATCH_BEGIN/)).toBe(1);
    }
  },
  LIMIT_MS,
);

test(
  'a node that opens asks for links and addresses as often, however many there are (39)',
  async () => {
    const counts: number[][] = [];
    for (const links of [0, 100]) {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      await strangers(box, ns, links);
      const [lines] = await trace(
        ns,
        `
        const node = await ComputeNode.open(options);
        phase();
        await node.close();`,
      );
      counts.push([count(lines, /RTM_GETADDR/), count(lines, /RTM_GETLINK/)]);
    }
    expect(counts[0]?.every((number) => number > 0)).toBe(true);
    expect(counts[1]).toEqual(counts[0]);
  },
  LIMIT_MS,
);
