/** A concentrator's address changes: the tunnels of a node follow, on the real kernel. */
import { openCnci } from '#lib/cnci/index';

import { runChild } from '../support/child';
import { ipLinks, ping } from '../support/oracle';
import { whereabouts } from '../support/reasons';
import { patience, until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import { openUnderlay, plug, UNDERLAY } from '../support/underlay';
import {
  CONC_IP,
  KINDS,
  OTHER_TENANT,
  errorOf,
  findDisorder,
  makeHost,
  openNode,
  optionsFor,
  subnetConfig,
  vnicConfig,
} from './helpers/node';

const NEW_IP = '198.51.100.10';
const MOVE = { from: CONC_IP, to: NEW_IP };

/** Where each tunnel leads, by what the official tools say, and every alias. */
async function picture(ns: Namespace): Promise<{ remotes: string[]; aliases: string[] }> {
  const links = (await ipLinks(ns)).filter(({ ifalias = '' }) => /^\w+_.+_/.test(ifalias));
  return {
    remotes: links.flatMap(({ linkinfo }) => {
      const remote = linkinfo?.info_data?.['remote'];
      return typeof remote === 'string' ? [remote] : [];
    }),
    aliases: links.map(({ ifalias = '', ifindex }) => `${String(ifindex)} ${ifalias}`).sort(),
  };
}

function moved({ remotes, aliases }: Awaited<ReturnType<typeof picture>>) {
  return {
    remotes: remotes.map(() => NEW_IP),
    aliases: aliases.map((alias) => alias.replace(CONC_IP, NEW_IP)).sort(),
  };
}

// The host has VXLAN only, and runs it; a guest takes long.
const kinds = KINDS.filter(({ mode }) => whereabouts() === 'host' || mode !== 'vxlan');

for (const { mode, test: it } of kinds) {
  describe(`a concentrator that moves, with ${mode}`, () => {
    it('takes its tunnels along: same links, other remote, other identity, events for both', async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      await using node = await openNode(ns, { mode });
      await node.createVnic(vnicConfig(0));
      await node.createVnic(vnicConfig(1, { role: 'container' }));
      await node.createVnic(subnetConfig(1, { tenantId: OTHER_TENANT }));
      const elsewhere = subnetConfig(2, { concIp: '198.51.100.77' });
      await node.createVnic(elsewhere);
      const before = await picture(ns);
      const { text } = node.plan('repointConcentrator', MOVE);
      expect(text).toContain(` remote ${NEW_IP}`);
      expect(await picture(ns)).toEqual(before);

      const { moved: subnets, events } = await node.repointConcentrator(MOVE);
      expect(subnets).toHaveLength(2);
      expect(events).toMatchObject([
        { kind: 'tunnel-add', cnciIp: NEW_IP, subnet: '172.16.0.0/16', subnetKey: 69_804 },
        { kind: 'tunnel-del', cnciIp: CONC_IP, subnet: '172.16.0.0/16', subnetKey: 69_804 },
        { kind: 'tunnel-add', cnciIp: NEW_IP, tenantId: OTHER_TENANT },
        { kind: 'tunnel-del', cnciIp: CONC_IP, tenantId: OTHER_TENANT },
      ]);
      const after = await picture(ns);
      expect(after.aliases).toEqual(moved(before).aliases);
      expect([...after.remotes].sort()).toEqual([NEW_IP, NEW_IP, '198.51.100.77']);
      expect(await findDisorder(ns)).toEqual([]);
      expect(await node.repointConcentrator(MOVE)).toEqual({ moved: [], events: [] });

      // The database knows: VNICs are found, made and destroyed under the new identity.
      expect((await node.audit()).findings).toEqual([]);
      const there = await node.createVnic(vnicConfig(0, { concIp: NEW_IP }));
      expect(there.created).toBe(false);
      const more = await node.createVnic(vnicConfig(5, { concIp: NEW_IP }));
      expect(more.event).toBeUndefined();
      await using other = await openNode(ns, { mode });
      const identities = (topology: ReturnType<typeof other.topology>): string[] =>
        topology.subnets
          .flatMap(({ scope, bridge, tunnel, vnics }) => [
            `${scope} ${String(bridge?.ifIndex)} ${String(tunnel?.ifIndex)} ${String(tunnel?.remote)}`,
            ...vnics.map(({ alias, ifIndex }) => `${alias} ${String(ifIndex)}`),
          ])
          .sort();
      expect(identities(other.topology())).toEqual(identities(node.topology()));
      await node.destroyVnic(vnicConfig(0, { concIp: NEW_IP }));
      await node.destroyVnic(vnicConfig(1, { concIp: NEW_IP, role: 'container' }));
      const last = await node.destroyVnic(vnicConfig(5, { concIp: NEW_IP }));
      expect(last.event).toMatchObject({ kind: 'tunnel-del', cnciIp: NEW_IP });
      await node.resetNetwork();
      await node.settle();
    });

    it('moves only one tenant’s or one concentrator’s tunnels where told so', async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      await using node = await openNode(ns, { mode });
      await node.createVnic(subnetConfig(1));
      await node.createVnic(subnetConfig(2, { tenantId: OTHER_TENANT }));
      await node.createVnic(subnetConfig(3, { concId: 'another' }));
      const one = await node.repointConcentrator({ ...MOVE, tenantId: OTHER_TENANT });
      expect(one.moved).toHaveLength(1);
      const two = await node.repointConcentrator({ ...MOVE, concId: 'another' });
      expect(two.moved).toMatchObject([{ subnet: expect.stringContaining('another') as string }]);
      expect((await picture(ns)).remotes.sort()).toEqual([NEW_IP, NEW_IP, CONC_IP]);
      await node.resetNetwork();
      await node.settle();
    });

    it('is rolled back whole at whatever step it fails', async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      let failAt = -1;
      const fault = (plan: { operation: string }) =>
        plan.operation === 'repointConcentrator' && failAt >= 0
          ? { step: failAt, errno: 'ENOBUFS' }
          : undefined;
      await using node = await openNode(ns, { mode }, { fault });
      await node.createVnic(vnicConfig(0));
      await node.createVnic(vnicConfig(1));
      await node.createVnic(subnetConfig(1));
      const before = await picture(ns);
      const topology = node.topology();
      const { steps } = node.plan('repointConcentrator', MOVE).plan;
      expect(steps).toHaveLength(7);
      for (failAt = 0; failAt < steps.length; failAt += 1) {
        const error = await errorOf(node.repointConcentrator(MOVE));
        expect(error).toMatchObject({ code: 'SNNET_KERNEL_FAILED', step: { index: failAt } });
        expect(await picture(ns)).toEqual(before);
        expect(node.topology()).toEqual(topology);
      }
      failAt = -1;
      expect((await node.repointConcentrator(MOVE)).moved).toHaveLength(2);
      expect(await picture(ns)).toEqual(moved(before));
      await node.resetNetwork();
      await node.settle();
    });

    it(
      'killed at any step, the next call or a repair completes it',
      async () => {
        const script = `
        const { openComputeNode } = require('./dist/compute-node');
        const [options, move, step, kill] = JSON.parse(process.argv[1]);
        (async () => {
          const fault = (plan) =>
            plan.operation === 'repointConcentrator' ? { step, kill } : undefined;
          const node = await openComputeNode(options, { fault });
          await node.repointConcentrator(move);
          process.send('survived');
        })();`;
        // A child costs a guest seconds.
        const cases = patience === 1 ? [0, 1, 2, 3] : [1];
        for (const step of cases) {
          for (const heal of ['repoint', 'repair'] as const) {
            await using box = await Sandbox.open();
            const ns = await makeHost(box);
            const options = optionsFor(ns, { mode });
            await using node = await openNode(ns, { mode });
            await node.createVnic(vnicConfig(0));
            await node.createVnic(vnicConfig(1));
            const before = await picture(ns);
            const args = [JSON.stringify([options, MOVE, step, 'after'])];
            const { signal, messages } = await runChild({ code: script }, { args });
            expect([step, signal, messages]).toEqual([step, 'SIGKILL', []]);

            await using next = await openNode(ns, { mode });
            const { findings, subnets } = next.topology();
            expect(subnets).toHaveLength(1);
            expect(subnets[0]).toMatchObject({ concIp: NEW_IP, vnics: [{}, {}] });
            // Two VNICs and the bridge follow the tunnel.
            expect(findings.map(({ type }) => type)).toEqual(Array(3 - step).fill('half-moved'));
            if (heal === 'repair') {
              const { left, repaired } = await next.repair();
              expect([left, repaired.length]).toEqual([[], 3 - step]);
            } else {
              const { events } = await next.repointConcentrator(MOVE);
              expect(events.map(({ kind, cnciIp }) => [kind, cnciIp])).toEqual(
                step === 3
                  ? []
                  : [
                      ['tunnel-add', NEW_IP],
                      ['tunnel-del', CONC_IP],
                    ],
              );
            }
            expect(await picture(ns)).toEqual(moved(before));
            expect((await next.audit()).findings).toEqual([]);
            await next.resetNetwork();
            await next.settle();
          }
        }
      },
      120_000 * patience,
    );

    it('refuses to move onto another subnet’s place, and bad input, and touches nothing', async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      await using node = await openNode(ns, { mode });
      await node.createVnic(vnicConfig(0));
      const key = mode === 'vxlan' ? { subnetKey: 5 } : {};
      const taken = { concIp: NEW_IP, ...(mode === 'vxlan' ? key : { subnetKey: 6 }) };
      await node.createVnic(vnicConfig(1, taken));
      const before = await picture(ns);
      expect(await errorOf(node.repointConcentrator(MOVE))).toMatchObject({
        code: 'SNNET_TUNNEL_TAKEN',
        field: 'to',
      });
      for (const [input, field] of [
        [{ from: CONC_IP }, 'to'],
        [{ from: 'fd00::1', to: NEW_IP }, 'from'],
        [{ from: CONC_IP, to: CONC_IP }, 'to'],
        [{ from: CONC_IP, to: '224.0.0.1' }, 'to'],
        [{ ...MOVE, concID: 'x' }, 'concID'],
        [{ ...MOVE, concId: 'a_b' }, 'concId'],
      ] as const) {
        const call = node.repointConcentrator(input as unknown as typeof MOVE);
        expect(await errorOf(call)).toMatchObject({ name: 'APIError', field });
      }
      expect(await picture(ns)).toEqual(before);
      await node.resetNetwork();
      await node.settle();
    });

    it(
      'moves all tunnels in one call while a workload goes on talking',
      async () => {
        await using box = await Sandbox.open();
        const net = await openUnderlay(box, ['cn', 'old', 'fresh']);
        const base = { mode, computeNets: [UNDERLAY], allowVethUplink: true, timeoutMs: 60_000 };
        const plans: string[] = [];
        await using node = await openNode(
          net.cn,
          { mode },
          {
            fault: ({ operation }) => void plans.push(operation),
          },
        );
        const concIp = net.old.address;
        const first = vnicConfig(3, { role: 'container', subnet: '172.16.0.0/24', concIp });
        const { vnic } = await node.createVnic(first);
        // A guest is slow.
        const tunnels = whereabouts() === 'host' ? 100 : 8;
        for (let n = 1; n < tunnels; n += 1) await node.createVnic(subnetConfig(n, { concIp }));
        // Both concentrators have the gateway, and its MAC: a workload remembers it.
        const ends = [];
        for (const ns of [net.old, net.fresh]) {
          const cnci = await openCnci(
            { ...base, id: 'c', tenantId: 't', netns: ns.path, dhcp: false } as const,
            {},
          );
          const { bridge } = await cnci.addRemoteSubnet({
            subnet: '172.16.0.0/24',
            subnetKey: first.subnetKey,
            cnIp: net.cn.address,
          });
          await box.exec(ns, ['ip', 'link', 'set', 'dev', bridge, 'address', '02:00:00:00:00:fe']);
          ends.push(cnci);
        }
        const workload = await box.netns('workload', { leaves: 'anything' });
        const address = `${first.vnicIp}/24`;
        await plug(box, net.cn, workload, { interfaceName: vnic.interfaceName, address });
        expect(await ping(workload, '172.16.0.1', { count: 3 })).toEqual({ sent: 3, received: 3 });
        const everyMs = 5;
        const every = ['-i', String(everyMs / 1000), '-c', '400', '-W', '5'];
        const argv = ['ping', '-n', ...every, '172.16.0.1'];
        const talk = await box.start(workload, argv, { ready: /icmp_seq=20 / });
        const move = { from: concIp, to: net.fresh.address };
        const report = await node.repointConcentrator(move);
        expect(report.moved).toHaveLength(tunnels);
        expect(plans.filter((name) => name === 'repointConcentrator')).toHaveLength(1);
        // Nobody may be left behind at the former address.
        await ends[0]?.shutdown();
        const end = /(\d+) packets transmitted, (\d+) received/;
        expect(await until(() => end.test(talk.stdout), 30_000 * patience)).toBe(true);
        const [, sent, received] = end.exec(talk.stdout) ?? [];
        // On VXLAN an answer of the former address still counts; GRE and Geneve know one remote only,
        // so that what is on its way at that instant is lost.
        expect((Number(sent) - Number(received)) * everyMs).toBeLessThan(1000);
        expect(await ping(workload, '172.16.0.1', { count: 3 })).toEqual({ sent: 3, received: 3 });
        for (const cnci of ends) {
          await cnci.shutdown();
          await cnci.close();
        }
        await node.resetNetwork();
        await node.settle();
      },
      120_000 * patience,
    );
  });
}
