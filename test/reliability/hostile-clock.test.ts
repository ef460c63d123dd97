/**
 * The wall clock jumps by years, both ways, while calls are under way: no deadline is missed by it, and
 * none is put off. A library that is loaded before node moves the clock of that process alone.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeHost, namesOf } from '../kernel/helpers/node';
import { StateDir } from '../kernel/helpers/workload';
import { PACKAGE_ROOT } from '../support/child';
import { needs } from '../support/reasons';
import { run, until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import { inChild } from './hostile-child';

const SOURCE = join(PACKAGE_ROOT, 'test', 'reliability', 'hostile-clock.c');

class Clock implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'snnet-clock-'));
  readonly file = join(this.#directory, 'seconds');
  readonly env: Readonly<Record<string, string>>;

  private constructor() {
    writeFileSync(this.file, Buffer.alloc(8));
    this.env = { SNT_CLOCK: this.file, LD_PRELOAD: join(this.#directory, 'clock.so') };
  }

  static async build(): Promise<Clock> {
    const clock = new Clock();
    const flags = ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror'];
    await run(['gcc', ...flags, '-o', clock.env['LD_PRELOAD']!, SOURCE, '-ldl']);
    return clock;
  }

  /** For the child: moves its clock to so many years from now. */
  get script(): string {
    return `const jump = (years) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(years * 31536000));
      fs.writeFileSync(${JSON.stringify(this.file)}, bytes, { flag: 'r+' });
    };`;
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

needs('gcc', 'vxlan')('creations and destructions under a clock that jumps', async () => {
  using clock = await Clock.build();
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const report = await inChild(
    { ns, env: clock.env },
    `${clock.script}
    const node = await ComputeNode.open(options);
    const start = Date.now();
    const seen = [];
    const codes = [];
    for (const years of [1, -1, 30, -30, 0]) {
      const running = Array.from({ length: 8 }, (_, n) => codeOf(node.createVnic(vnic(n), { timeoutMs: 20000 })));
      jump(years);
      seen.push(Math.round((Date.now() - start) / 31536e6));
      codes.push(...await Promise.all(running));
      jump(-years);
      for (let n = 0; n < 8; ++n) codes.push(await codeOf(node.destroyVnic(vnic(n), { timeoutMs: 20000 })));
    }
    await node.settle();
    const watched = node.topology().findings.length;
    tell({ seen, codes: [...new Set(codes)], watched, close: await codeOf(node.close()) });`,
  );
  expect(report).toEqual({ seen: [1, -1, 30, -30, 0], codes: ['done'], watched: 0, close: 'done' });
  expect(await until(async () => (await namesOf(ns)).length === 0, 5000)).toBe(true);
});

needs(
  'gcc',
  'vxlan',
  'dnsmasq',
)('a server that stands still is waited for as long as is said, whatever the clock', async () => {
  using clock = await Clock.build();
  using state = new StateDir();
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const report = await inChild(
    { ns, env: clock.env },
    `${clock.script}
    const cnci = await Cnci.open({ ...options, tenantId: base.tenantId, dhcp: { stateDir: ${JSON.stringify(state.path)} } });
    await cnci.addRemoteSubnet({ subnet: '172.16.1.0/24', subnetKey: 1001, cnIp: '198.51.100.7' });
    const [{ dhcp }] = cnci.topology().subnets;
    process.kill(dhcp.pid, 'SIGSTOP');
    const asked = cnci.leases('172.16.1.0/24', { timeoutMs: 60000 });
    await sleep(100);
    // With the wall clock for a deadline this would take a year.
    jump(-1);
    const leases = await Promise.race([asked, sleep(30000, 'for ever')]);
    jump(0);
    process.kill(dhcp.pid, 'SIGCONT');
    tell({ leases });
    await cnci.shutdown(); await cnci.close(); process.exit(0);`,
  );
  expect(report).toEqual({ leases: [] });
  expect(await until(async () => (await namesOf(ns)).length === 0, 5000)).toBe(true);
});
