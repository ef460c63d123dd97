/**
 * The whole path of a tenant's packet, by each kind of tunnel: workload, node, tunnel, concentrator,
 * and the world outside. One world for each kind; each test leaves it as it was.
 */
import { debugSshPortForIp } from '#lib/index';
import type { TunnelKind } from '#lib/model/index';

import { capture, ping } from '../support/oracle';
import { needs, whereabouts } from '../support/reasons';
import { patience, until } from '../support/run';
import { lookUp } from './helpers/workload';
import { KINDS } from './helpers/node';
import { OUTWARD, PEER, PUBLIC, SITE, World } from './helpers/path-bed';
import { Program } from './helpers/path-program';

const ALL = { sent: 3, received: 3 };
const GATEWAY = '172.16.1.1';
// The first test of a world also opens it: a hundred programs, which a guest starts slowly.
const LIMIT_MS = 120_000 * patience;

const mtuOf = (mode: TunnelKind): number => (mode === 'gre' ? 1458 : 1450);

// Built once, for all worlds.
let built: Promise<Program> | undefined;
afterAll(async () => {
  (await built?.catch(() => undefined))?.[Symbol.dispose]();
});

// VXLAN is walked on the host: a guest takes a minute for a world, and is there for the other kinds.
const kinds = KINDS.filter(({ mode }) => mode !== 'vxlan' || whereabouts() === 'host');
for (const { mode, link } of kinds) {
  const defineTest = needs(link, 'nftables', 'dnsmasq', 'busybox', 'capture', 'tap', 'gcc');

  describe(`by ${mode}`, () => {
    let opened: Promise<World> | undefined;
    const it = (title: string, body: (world: World, program: Program) => Promise<void>): void => {
      const test = async (): Promise<void> => {
        const program = await (built ??= Program.build());
        await body(await (opened ??= World.open(mode, program)), program);
      };
      defineTest(title, test, LIMIT_MS);
    };
    afterAll(async () => {
      await (await opened?.catch(() => undefined))?.close();
    }, LIMIT_MS);

    it('workloads get their addresses from their own tenant’s server, and find each other by name', async ({
      box,
      concentrators: { a, b },
      workloads,
    }) => {
      const mtu = String(mtuOf(mode));
      const leases = Object.values(workloads).map(({ ip, lease }) => [lease['ip'], ip]);
      for (const [given, wanted] of leases) expect(given).toBe(wanted);
      const { web, db, twinWeb, far } = workloads;
      const lease = { router: GATEWAY, dns: GATEWAY, mtu };
      expect(web.lease).toMatchObject({ ...lease, domain: 'a.example' });
      expect(twinWeb.lease).toMatchObject({ ...lease, domain: 'b.example' });
      await a.cnci.setHosts([
        { ip: db.ip, name: 'db' },
        { ip: far.ip, name: 'far' },
      ]);
      await b.cnci.setHosts([{ ip: db.ip, name: 'other' }]);
      const resolve = (from: typeof web, name: string) =>
        lookUp(box, from.ns, { name, server: GATEWAY });
      for (const [from, name, ip] of [
        [web, 'db', db.ip],
        [web, 'far.a.example', far.ip],
        [twinWeb, 'other', db.ip],
      ] as const) {
        await until(async () => (await resolve(from, name)).length > 0, 10_000 * patience);
        expect(await resolve(from, name)).toEqual([ip]);
      }
      expect(await resolve(web, 'other')).toEqual([]);
      expect(await resolve(twinWeb, 'db')).toEqual([]);
    });

    it('a subnet reaches over two nodes, and another subnet through the concentrator', async ({
      box,
      workloads: { web, db, far },
    }) => {
      const full = { size: mtuOf(mode) - 28, dontFragment: true };
      expect(await ping(web.ns, db.ip, full)).toEqual(ALL);
      expect(await ping(web.ns, far.ip, full)).toEqual(ALL);
      expect(await ping(far.ns, db.ip)).toEqual(ALL);
      const short = ['ping', '-n', '-c', '1', '-t', '1', far.ip];
      const { stdout } = await box.exec(web.ns, short, { check: false });
      expect(stdout).toContain(`From ${GATEWAY}`);
    });

    it('outside is closed, then open behind the concentrator’s address, then closed for all', async ({
      box,
      internet,
      concentrators: { a },
      workloads: { web, far },
    }, program) => {
      const pair = { externalDevice: OUTWARD, internalDevice: web.bridge };
      await using seen = await capture(internet, 'wan', 'ip and tcp');
      await program.serve(box, internet, 'tcp', 80);
      await program.serve(box, internet, 'tcp', 81);
      expect(await program.askInVain(web.ns, 'tcp', [SITE, 81])).toBe('silence');
      await a.firewall.extFwding('enable', pair);
      expect(await program.ask(web.ns, 'tcp', [SITE, 80])).toBe(a.address);
      // Another subnet of the tenant is another pair.
      expect(await program.askInVain(far.ns, 'tcp', [SITE, 81])).toBe('silence');
      expect(await program.askInVain(internet, 'tcp', [web.ip, 22])).toBe('silence');
      const flow = await program.beginFlow(box, web.ns, internet, [SITE, 82]);
      expect(await flow.goesOn()).toBe(true);
      await a.firewall.extFwding('disable', pair);
      expect(await flow.fallsSilent()).toBe(true);
      await flow.stop();
      expect(await program.askInVain(web.ns, 'tcp', [SITE, 80])).toBe('silence');
      // What came before this has been seen when this is.
      await program.ask(a.ns, 'tcp', [PEER, 80]);
      await until(() => seen.lines.some((line) => line.includes(`> ${PEER}.80:`)), 5000 * patience);
      const lines = await seen.stop();
      expect(lines.filter((line) => line.includes(`> ${SITE}.80:`)).length).toBeGreaterThan(0);
      expect(lines.filter((line) => line.includes(`> ${SITE}.81:`))).toEqual([]);
      expect(lines.filter((line) => / 172\.16\.\d+\.\d+\.\d+ > /.test(line))).toEqual([]);
    });

    it('outside gets in by a mapped port and by a public address, and by nothing else', async ({
      box,
      internet,
      concentrators: { a, b },
      workloads: { web, db },
    }, program) => {
      await program.serve(box, web.ns, 'tcp', 22);
      await program.serve(box, internet, 'tcp', 83);
      const externalPort = debugSshPortForIp(web.ip);
      expect(externalPort).toBe(33_261);
      const tcp = { protocol: 'tcp', externalDevice: OUTWARD } as const;
      const port = { ...tcp, externalPort, internalIp: web.ip, internalPort: 22 };
      const refused = 'error ECONNREFUSED';
      const knock = (address: string) => program.ask(internet, 'tcp', [address, externalPort]);
      expect(await knock(a.address)).toBe(refused);
      await a.firewall.extPortAccess('enable', port);
      expect(await knock(a.address)).toBe(PEER);
      expect(await knock(b.address)).toBe(refused);
      expect(await program.askInVain(internet, 'tcp', [web.ip, 22])).toBe('silence');
      await a.firewall.extPortAccess('disable', port);
      expect(await knock(a.address)).toBe(refused);

      const own = { internalIp: web.ip, publicIp: PUBLIC, externalDevice: OUTWARD };
      const pair = { externalDevice: OUTWARD, internalDevice: web.bridge };
      await a.firewall.publicIpAccess('enable', own);
      await a.firewall.extFwding('enable', pair);
      expect(await program.ask(internet, 'tcp', [PUBLIC, 22])).toBe(PEER);
      expect(await program.ask(web.ns, 'tcp', [SITE, 83])).toBe(PUBLIC);
      expect(await program.ask(db.ns, 'tcp', [SITE, 83])).toBe(a.address);
      await a.firewall.extFwding('disable', pair);
      await a.firewall.publicIpAccess('disable', own);
      expect(await program.askInVain(internet, 'tcp', [PUBLIC, 22])).not.toBe(PEER);
    });

    it('two tenants with equal addresses never see a frame of each other', async ({
      box,
      concentrators: { a, b },
      workloads: { web, db, twinWeb, twinDb },
    }, program) => {
      const sides = [
        { from: web, to: db, cnci: a, port: 7001, absent: '172.16.1.98' },
        { from: twinWeb, to: twinDb, cnci: b, port: 7002, absent: '172.16.1.99' },
      ] as const;
      const captures = [];
      for (const { to, cnci, port, absent } of sides) {
        const ends = [await capture(to.ns, to.link), await capture(cnci.ns, to.bridge)];
        captures.push({ ends, marks: [`${to.ip}.${String(port)}: `, `who-has ${absent} `] });
        await program.serve(box, to.ns, 'udp', port);
      }
      for (const { from, to, port, absent } of sides) {
        expect(await program.ask(from.ns, 'udp', [to.ip, port])).toBe(from.ip);
        expect(await program.askInVain(from.ns, 'udp', [absent, 9])).toBe('silence');
      }
      const [first, second] = captures;
      if (first === undefined || second === undefined) throw new Error('unreachable');
      const having = (lines: readonly string[], marks: readonly string[]) =>
        marks.filter((mark) => lines.some((line) => line.includes(mark)));
      for (const [{ ends, marks }, foreign] of [
        [first, second.marks],
        [second, first.marks],
      ] as const) {
        for (const end of ends) {
          await until(() => having(end.lines, marks).length === marks.length, 5000 * patience);
          const lines = await end.stop();
          expect(having(lines, marks)).toEqual(marks);
          expect(having(lines, foreign)).toEqual([]);
        }
      }
    });

    it('two concentrators of a tenant carry its subnets to each other, as they are', async ({
      box,
      concentrators: { a, a2 },
      workloads: { web, away, twinWeb },
    }, program) => {
      await program.serve(box, away.ns, 'udp', 7003);
      await program.serve(box, web.ns, 'udp', 7003);
      const reach = (from: typeof web, to: typeof web) =>
        program.ask(from.ns, 'udp', [to.ip, 7003]);
      const reachInVain = (from: typeof web, to: typeof web) =>
        program.askInVain(from.ns, 'udp', [to.ip, 7003]);
      expect(await reachInVain(web, away)).toBe('silence');
      const both = [a.neighbor, a2.neighbor];
      for (const { cnci } of [a, a2]) await cnci.updateNeighbors(both);
      expect(await reach(web, away)).toBe(web.ip);
      expect(await reach(away, web)).toBe(away.ip);
      expect(await reachInVain(twinWeb, away)).toBe('silence');
      for (const { cnci, neighbor } of [a, a2]) await cnci.updateNeighbors([neighbor]);
      expect(await reachInVain(web, away)).toBe('silence');
    });

    it('nothing is left when all is shut down', async (world) => {
      expect(await world.tearDown()).toEqual([]);
    });
  });
}
