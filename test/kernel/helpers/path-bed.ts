/**
 * Two tenants with equal subnets on two nodes, behind three concentrators, and the internet:
 *
 *     web      172.16.1.5  cn1 ┐
 *     db       172.16.1.6  cn2 ├ a   203.0.113.1 ┐
 *     far      172.16.2.5  cn1 ┘ (a VM)          │
 *     away     172.16.3.5  cn2 ─ a2  203.0.113.2 ├ internet 203.0.113.254, 192.0.2.80
 *     twinWeb  172.16.1.5  cn1 ┐                 │
 *     twinDb   172.16.1.6  cn2 ┴ b   203.0.113.3 ┘
 *
 * Nobody gives a workload its address: it asks for it.
 */
import { Cnci, ComputeNode, Firewall } from '#lib/index';
import type { NeighborInput, TunnelKind } from '#lib/model/index';

import { patience } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';
import { UNDERLAY, openUnderlay } from '../../support/underlay';
import { ip, linksOf } from './node';
import type { Program } from './path-program';
import { StateDir, takeLease } from './workload';
import type { Lease } from './workload';

/** The internet: its address beside the concentrators', and one that only a default route finds. */
export const PEER = '203.0.113.254';
export const SITE = '192.0.2.80';
export const PUBLIC = '203.0.113.100';
/** A concentrator's link to the internet; the tunnels are on another. */
export const OUTWARD = 'wan0';

const MESH_ID = 5;
const TENANTS = {
  a: '1f8b0000-0000-4000-8000-00000000000a',
  b: '1f8b0000-0000-4000-8000-00000000000b',
} as const;
const CONCENTRATORS = {
  a: { id: '1f8b0000-0000-4000-8000-0000000000c1', tenant: 'a', last: 1 },
  a2: { id: '1f8b0000-0000-4000-8000-0000000000c2', tenant: 'a', last: 2 },
  b: { id: '1f8b0000-0000-4000-8000-0000000000c3', tenant: 'b', last: 3 },
} as const;
const WORKLOADS = {
  web: { role: 'container', behind: 'a', on: 'cn1', third: 1, last: 5, key: 1001 },
  db: { role: 'container', behind: 'a', on: 'cn2', third: 1, last: 6, key: 1001 },
  far: { role: 'vm', behind: 'a', on: 'cn1', third: 2, last: 5, key: 1002 },
  away: { role: 'container', behind: 'a2', on: 'cn2', third: 3, last: 5, key: 1003 },
  twinWeb: { role: 'container', behind: 'b', on: 'cn1', third: 1, last: 5, key: 2001 },
  twinDb: { role: 'container', behind: 'b', on: 'cn2', third: 1, last: 6, key: 2001 },
} as const;

type ConcentratorName = keyof typeof CONCENTRATORS;
type WorkloadName = keyof typeof WORKLOADS;
type NodeName = (typeof WORKLOADS)[WorkloadName]['on'];

interface Concentrator {
  readonly ns: Namespace;
  readonly cnci: Cnci;
  readonly firewall: Firewall;
  /** Its address as the internet sees it. */
  readonly address: string;
  readonly neighbor: NeighborInput;
}

interface Workload {
  readonly ns: Namespace;
  /** Its end of the VNIC, or the VM's card. */
  readonly link: string;
  readonly ip: string;
  /** The concentrator's bridge of its subnet. */
  readonly bridge: string;
  readonly lease: Lease;
}

/** Everything there is for one kind of tunnel. Whoever opens it closes it. */
export class World {
  readonly #mode: TunnelKind;
  readonly #program: Program;
  readonly #state = new StateDir();
  readonly #nodes = {} as Record<NodeName, { readonly ns: Namespace; readonly node: ComputeNode }>;
  #isDown = false;
  readonly box: Sandbox;
  readonly concentrators = {} as Record<ConcentratorName, Concentrator>;
  readonly workloads = {} as Record<WorkloadName, Workload>;
  #internet: Namespace | undefined;

  private constructor(box: Sandbox, mode: TunnelKind, program: Program) {
    this.box = box;
    this.#program = program;
    this.#mode = mode;
  }

  static async open(mode: TunnelKind, program: Program): Promise<World> {
    const world = new World(await Sandbox.open({ scope: 'manual' }), mode, program);
    try {
      const net = await openUnderlay(world.box, ['cn1', 'cn2', 'a', 'a2', 'b']);
      await world.#openInternet();
      for (const name of ['cn1', 'cn2'] as const) await world.#openNode(name, net[name]);
      for (const name of ['a', 'a2', 'b'] as const) await world.#openConcentrator(name, net[name]);
      for (const name of Object.keys(WORKLOADS) as WorkloadName[]) await world.#launch(name);
      return world;
    } catch (error) {
      await world.close().catch(() => undefined);
      throw error;
    }
  }

  get internet(): Namespace {
    if (this.#internet === undefined) throw new Error('there is no internet yet');
    return this.#internet;
  }

  /** Shuts everything down, once; what failed, and what is left of ours, by namespace. */
  async tearDown(): Promise<string[]> {
    if (this.#isDown) return [];
    this.#isDown = true;
    const left: string[] = [];
    const nodes = Object.values(this.#nodes);
    const concentrators = Object.values(this.concentrators);
    for (const { cnci, firewall } of concentrators) {
      await firewall.shutdown();
      await firewall.close();
      const { failed, dhcpError } = await cnci.shutdown();
      left.push(...failed.map((link) => JSON.stringify(link)));
      if (dhcpError !== undefined) left.push(dhcpError.message);
      await cnci.settle();
      await cnci.close();
    }
    for (const { node } of nodes) {
      await node.resetNetwork();
      await node.settle();
      await node.close();
    }
    for (const { ns } of [...nodes, ...concentrators]) {
      const names = (await linksOf(ns)).map(({ ifname }) => ifname);
      left.push(...names.filter((name) => name !== OUTWARD).map((name) => `${ns.name} ${name}`));
    }
    return left;
  }

  async close(): Promise<void> {
    try {
      await this.tearDown();
    } finally {
      await this.box.close().finally(() => this.#state[Symbol.dispose]());
    }
  }

  async #openInternet(): Promise<void> {
    const ns = await this.box.netns('internet', { leaves: 'anything' });
    await ip(
      ns,
      'link add wan type bridge',
      'link set wan up',
      `address add ${PEER}/24 dev wan`,
      `address add ${SITE}/32 dev lo`,
      // Whoever is outside and knows the way tries to get in.
      'route add 172.16.1.0/24 via 203.0.113.1',
    );
    this.#internet = ns;
  }

  async #openNode(name: NodeName, ns: Namespace): Promise<void> {
    const node = await ComputeNode.open({ ...this.#base(), id: name, netns: ns.path });
    this.#nodes[name] = { ns, node };
  }

  async #openConcentrator(
    name: ConcentratorName,
    ns: Namespace & { readonly address: string },
  ): Promise<void> {
    const { id, tenant, last } = CONCENTRATORS[name];
    const address = `203.0.113.${String(last)}`;
    const peer = `to-${name}`;
    const inner = { ns, name: OUTWARD, address: `${address}/24` };
    await this.box.link(inner, { ns: this.internet, name: peer });
    await ip(this.internet, `link set ${peer} master wan`);
    await ip(ns, `route add default via ${PEER}`);
    const cnci = await Cnci.open({
      ...this.#base(),
      id,
      tenantId: TENANTS[tenant],
      netns: ns.path,
      dhcp: { stateDir: this.#state.path, domain: `${tenant}.example` },
    });
    const { timeoutMs } = this.#base();
    const firewall = await Firewall.open({
      externalDevices: [OUTWARD],
      netns: ns.path,
      timeoutMs,
    }).catch(async (error: unknown) => {
      await cnci.close();
      throw error;
    });
    const neighbor = {
      physicalIp: ns.address,
      subnet: name === 'a2' ? '172.16.3.0/24' : '172.16.1.0/24',
      tunnelIp: `192.168.64.${String(last)}`,
      tunnelId: MESH_ID,
    };
    this.concentrators[name] = { ns, cnci, firewall, address, neighbor };
  }

  /** As a launcher would: a VNIC, the event to the concentrator, a namespace that asks for its address. */
  async #launch(name: WorkloadName): Promise<void> {
    const { role, behind, on, third, last, key } = WORKLOADS[name];
    const { cnci, neighbor } = this.concentrators[behind];
    const { ns: host, node } = this.#nodes[on];
    const subnet = `172.16.${String(third)}.0/24`;
    const mac = `02:00:ac:10:0${String(third)}:0${String(last)}`;
    const { vnic, event } = await node.createVnic({
      role,
      tenantId: TENANTS[CONCENTRATORS[behind].tenant],
      subnetId: `subnet-${String(key)}`,
      concId: CONCENTRATORS[behind].id,
      concIp: neighbor.physicalIp,
      vnicId: name,
      vnicIp: `172.16.${String(third)}.${String(last)}`,
      vnicMac: mac,
      subnet,
      subnetKey: key,
    });
    if (event === undefined) throw new Error('the first VNIC of a subnet gives no event');
    const { subnetKey, cnIp, tunnel } = event;
    const { bridge } = await cnci.addRemoteSubnet({ subnet, subnetKey, cnIp, mode: tunnel });
    const ns = await this.box.netns(name, { leaves: 'anything' });
    const end = { host, tap: vnic.linkName, ns, mac };
    const link =
      role === 'vm'
        ? await this.#program.startVm(this.box, end)
        : await this.#plug(host, vnic.interfaceName, ns);
    const lease = await takeLease(this.box, ns, link);
    this.workloads[name] = { ns, link, ip: vnic.ip, bridge, lease };
  }

  async #plug(host: Namespace, link: string, ns: Namespace): Promise<string> {
    await ip(host, `link set ${link} netns ${ns.name}`);
    await ip(ns, `link set ${link} up`);
    return link;
  }

  #base() {
    return {
      mode: this.#mode,
      computeNets: [UNDERLAY],
      allowVethUplink: true,
      timeoutMs: 20_000 * patience,
    };
  }
}
