/** A node with a thousand VNICs, a concentrator with served subnets, a firewall; and who uses them. */
import { closeSync } from 'node:fs';
import { openCnci } from '#lib/cnci/index';
import type { Cnci } from '#lib/cnci/index';
import type { ComputeNode } from '#lib/compute-node/index';
import { isLibsnnetError } from '#lib/errors/index';
import type { Firewall } from '#lib/firewall/index';
import type { VnicConfigInput } from '#lib/model/index';

import { open as openFirewall, openStage } from '../../kernel/helpers/firewall-bed';
import { linksOf, makeHost, openNode, subnetConfig, vnicConfig } from '../../kernel/helpers/node';
import { StateDir } from '../../kernel/helpers/workload';
import { sleep } from '../../support/run';
import type { Namespace, Sandbox } from '../../support/sandbox';
import { takeSample } from './soak-figures';
import type { Figures, Sample } from './soak-figures';

const RESIDENTS = 1000;
const RESIDENTS_OF_SUBNET = 100;
/** Two subnets of the concentrator are served all the time, a third comes and goes. */
const SERVED = 2;
const PORTS = 50;
const SAMPLES = 60;
/** How long everybody rests between two calls: the load is light, and goes on. */
const REST_MS = 20;
/** Rarer: each reads everything, or starts a program. */
const REBUILD_MS = 4000;
const SERVER_MS = 6000;

/** Somebody who makes one call after the other. */
type Worker = (turn: number) => Promise<void>;

export class SoakWorld implements AsyncDisposable {
  readonly #ns: Namespace;
  readonly #node: ComputeNode;
  readonly #cnci: Cnci;
  readonly #firewall: Firewall;
  readonly #state: StateDir;
  readonly #latencies = new Map<string, number[]>();
  readonly #errors: string[] = [];
  #operations = 0;

  private constructor(
    ns: Namespace,
    parts: { node: ComputeNode; cnci: Cnci; firewall: Firewall; state: StateDir },
  ) {
    this.#ns = ns;
    this.#node = parts.node;
    this.#cnci = parts.cnci;
    this.#firewall = parts.firewall;
    this.#state = parts.state;
  }

  static async open(box: Sandbox): Promise<SoakWorld> {
    const ns = await makeHost(box);
    const node = await openNode(ns);
    const residents = Array.from({ length: RESIDENTS }, (_, n) => residentConfig(n));
    await Promise.all(residents.map((config) => node.createVnic(config)));
    const stage = await openStage(box);
    const state = new StateDir();
    const cnci = await openCnci(
      {
        id: '1f8b0000-0000-4000-8000-0000000000c1',
        tenantId: 'alpha',
        mode: 'vxlan',
        computeNets: ['203.0.113.0/24'],
        netns: stage.cnci.path,
        allowVethUplink: true,
        timeoutMs: 60_000,
        dhcp: { stateDir: state.path },
      },
      {},
    );
    for (let n = 0; n < SERVED; n += 1) await cnci.addRemoteSubnet(remote(n));
    const firewall = await openFirewall(stage, { timeoutMs: 60_000 });
    return new SoakWorld(ns, { node, cnci, firewall, state });
  }

  /** Works for so long, and tells what was seen. */
  async run(durationMs: number): Promise<Figures> {
    const began = performance.now();
    const end = began + durationMs;
    const cpuBefore = process.cpuUsage();
    const samples: Sample[] = [];
    const sampling = (async () => {
      for (let n = 0; n < SAMPLES && performance.now() < end; n += 1) {
        await sleep(Math.max(0, Math.min(durationMs / SAMPLES, end - performance.now())));
        samples.push(takeSample(began, this.#linksThatStay()));
      }
    })();
    await Promise.all([
      sampling,
      this.#work(end, REST_MS, this.#guest('vm')),
      this.#work(end, REST_MS, this.#guest('container')),
      this.#work(end, REST_MS, (turn) => this.#subnetComesAndGoes(turn)),
      this.#work(end, REST_MS, (turn) => this.#giveUp(turn)),
      this.#work(end, REST_MS, (turn) => this.#changePorts(turn)),
      this.#work(end, REBUILD_MS, (turn) => this.#readAgain(turn)),
      this.#work(end, SERVER_MS, (turn) => this.#killServer(turn)),
      this.#work(end, SERVER_MS, (turn) => this.#serveAnother(turn)),
    ]);
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      samples,
      latencies: this.#latencies,
      operations: this.#operations,
      errors: this.#errors,
      cpu: (user + system) / 1e6,
      seconds: (performance.now() - began) / 1000,
    };
  }

  /** Takes everything away; what is left then is a leak. */
  async clear(): Promise<void> {
    await this.#node.settle();
    const { findings } = await this.#node.audit();
    expect(findings).toEqual([]);
    expect(this.#node.topology().vnics).toHaveLength(RESIDENTS);
    expect((await this.#node.resetNetwork()).failed).toEqual([]);
    await this.#node.settle();
    expect(await linksOf(this.#ns)).toEqual([]);
    expect(await this.#cnci.shutdown()).toMatchObject({ failed: [] });
    await this.#cnci.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#firewall.shutdown();
    await this.#firewall.close();
    await this.#cnci.shutdown();
    await this.#cnci.close();
    await this.#node.close();
    this.#state[Symbol.dispose]();
  }

  async #work(end: number, restMs: number, worker: Worker): Promise<void> {
    for (let turn = 0; performance.now() < end; turn += 1) {
      try {
        await worker(turn);
      } catch (error) {
        this.#errors.push(error instanceof Error ? error.message : String(error));
        if (this.#errors.length > 10) return;
      }
      await sleep(restMs);
    }
  }

  async #timed<T>(name: string, call: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const result = await call();
    const known = this.#latencies.get(name) ?? [];
    known.push(performance.now() - began);
    this.#latencies.set(name, known);
    this.#operations += 1;
    return result;
  }

  // ------------------------------------------------------------------ who uses it

  /** A workload of a subnet that is there. */
  #guest(role: 'vm' | 'container'): Worker {
    return async (turn) => {
      const n = 10 + (turn % RESIDENTS_OF_SUBNET) + (role === 'vm' ? 0 : 300);
      const config = residentSubnet(turn % (RESIDENTS / RESIDENTS_OF_SUBNET), 200 + n, { role });
      const options = turn % 10 === 0 && role === 'vm' ? { ...config, queues: 2 } : config;
      const { vnic } = await this.#timed(`create ${role}`, () => this.#node.createVnic(options));
      for (const fd of vnic.fds ?? []) closeSync(fd);
      await this.#timed(`destroy ${role}`, () => this.#node.destroyVnic(config));
    };
  }

  async #subnetComesAndGoes(turn: number): Promise<void> {
    const config = subnetConfig(turn % 7, { subnetId: `guest${String(turn % 7)}` });
    await this.#timed('create subnet', () => this.#node.createVnic(config));
    await this.#timed('destroy subnet', () => this.#node.destroyVnic(config));
  }

  /** Creates, and gives up at some moment; then makes sure that it is gone. */
  async #giveUp(turn: number): Promise<void> {
    const config = residentSubnet(turn % (RESIDENTS / RESIDENTS_OF_SUBNET), 800 + (turn % 50));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), turn % 6);
    try {
      await this.#node.createVnic(config, { signal: controller.signal });
    } catch (error) {
      if (!isLibsnnetError(error, 'SNNET_CALL_ABORTED')) throw error;
    }
    this.#operations += 1;
    await this.#node.destroyVnic(config);
  }

  async #changePorts(turn: number): Promise<void> {
    const mapping = {
      protocol: 'tcp' as const,
      externalDevice: 'eth0',
      externalPort: 20_000 + (turn % PORTS),
      internalIp: '172.16.1.5',
      internalPort: 22,
    };
    await this.#timed('map port', () => this.#firewall.extPortAccess('enable', mapping));
    await this.#timed('unmap port', () => this.#firewall.extPortAccess('disable', mapping));
  }

  async #readAgain(turn: number): Promise<void> {
    const names = ['rebuild', 'audit'] as const;
    const name = names[turn % 2] ?? 'audit';
    await this.#timed(name, () =>
      name === 'rebuild' ? this.#node.dbRebuild() : this.#node.audit(),
    );
  }

  /** Kills a subnet's server, and waits until it serves again. */
  async #killServer(turn: number): Promise<void> {
    const subnet = remote(turn % SERVED).subnet;
    const pidOf = (): number | undefined =>
      this.#cnci.topology().subnets.find((one) => one.subnet === subnet)?.dhcp?.pid;
    const pid = pidOf();
    if (pid === undefined) return;
    process.kill(pid, 'SIGKILL');
    await this.#timed('server again', async () => {
      for (let n = 0; n < 3000 && (pidOf() ?? pid) === pid; n += 1) await sleep(10);
    });
    if ((pidOf() ?? pid) === pid) throw new Error(`${subnet} is not served any more`);
  }

  async #serveAnother(turn: number): Promise<void> {
    const cnIp = `203.0.113.${String(30 + (turn % 5))}`;
    const config = { ...remote(0), cnIp };
    await this.#timed('add node', () => this.#cnci.addRemoteSubnet(config));
    await this.#timed('remove node', () => this.#cnci.delRemoteSubnet(config));
  }

  /** Of the residents: those that come and go are not counted. */
  #linksThatStay(): number {
    const { vnics } = this.#node.topology();
    return vnics.filter(({ instanceId }) => instanceId === 'resident').length;
  }
}

function residentSubnet(
  subnet: number,
  n: number,
  changes: Partial<VnicConfigInput> = {},
): VnicConfigInput {
  const id = `s${String(subnet)}`;
  return vnicConfig(n, { subnetId: id, subnetKey: 2000 + subnet, ...changes });
}

function residentConfig(n: number): VnicConfigInput {
  return residentSubnet(Math.floor(n / RESIDENTS_OF_SUBNET), n % RESIDENTS_OF_SUBNET, {
    role: n % 2 === 0 ? 'vm' : 'container',
    instanceId: 'resident',
  });
}

// Other subnets than those of the firewall's stage.
function remote(n: number) {
  return { subnet: `172.20.${String(n)}.0/24`, subnetKey: 3000 + n, cnIp: '203.0.113.20' };
}
