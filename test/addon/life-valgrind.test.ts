/**
 * Where the sanitizers cannot look: memory that is read before it was written, in the addon and in what
 * it calls (libnl, the system's library). One plan, the dumps, the monitors and the end, under valgrind.
 */
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../support/child';
import { needs } from '../support/reasons';
import { patience, run } from '../support/run';

const SUPPRESSIONS = join(PACKAGE_ROOT, 'test', 'addon', 'valgrind.supp');
const OURS = 'snnet.node';

const PROGRAM = `
  const { Kernel } = require('./dist/kernel');
  const { makePlan } = require('./dist/plan');
  const alias = 'x';
  const table = (op) => ({ op, family: 'inet', table: 'x' });
  (async () => {
    const kernel = await Kernel.open({ fresh: true });
    let heard = 0;
    const stop = await kernel.watch('all', (events) => { heard += events.length; });
    const stopNft = await kernel.watchNft(() => {});
    const run = (...steps) => kernel.run(makePlan('test', steps));
    await run(
      { op: 'link.create', kind: 'bridge', ifname: 'b', ifindex: 100, alias, up: true, ipv6LinkLocal: false },
      { op: 'tap.create', ifname: 't', ifindex: 101, master: 100, alias, queues: 2, handOut: false, up: true },
      { op: 'address.add', ifindex: 100, address: '172.16.1.1', prefixLength: 24 },
      { op: 'sysctl.set', name: 'net/ipv4/ip_forward', value: '1', before: '0' },
      { op: 'nft', commands: [table('table.add')] },
    );
    const refused = await run({ op: 'link.set', ifindex: 100, mtu: 1, before: { mtu: 1500 } }).catch(({ code }) => code);
    const [links] = await Promise.all([kernel.links(), kernel.addresses(), kernel.routes(), kernel.neighbours(),
      kernel.forwardingEntries(), kernel.conntrack(), kernel.nft('inet', 'x'), kernel.nftTables()]);
    await run({ op: 'link.delete', links: [{ ifindex: 101, ifname: 't', alias }],
      retire: [{ ifindex: 100, ifname: 'b', alias, trashName: 'gone' }] });
    await kernel.settle();
    await stop(); await stopNft(); await kernel.close();
    console.log(JSON.stringify({ refused, links: links.length >= 3, heard: heard > 0 }));
  })();`;

needs('valgrind', 'tap', 'nftables')(
  'under valgrind a handle’s life is clean',
  async () => {
    const valgrind = [
      'valgrind',
      '--error-exitcode=0',
      '--leak-check=full',
      '--show-leak-kinds=definite',
      '--track-fds=no',
      '--num-callers=30',
      `--suppressions=${SUPPRESSIONS}`,
    ];
    // Without code made at run time: nobody can tell what that reads.
    const argv = [...valgrind, process.execPath, '--jitless', '-e', PROGRAM];
    const { stdout, stderr } = await run(argv, {
      cwd: PACKAGE_ROOT,
      timeoutMs: 120_000 * patience,
    });
    expect(JSON.parse(stdout)).toEqual({
      refused: 'SNNET_KERNEL_FAILED',
      links: true,
      heard: true,
    });
    const reports = stderr.replaceAll(/^==\d+== ?/gm, '').split(/\n\n+/);
    expect(reports.filter((report) => report.includes(OURS))).toEqual([]);
    expect(stderr).toContain('ERROR SUMMARY');
  },
  130_000,
);
