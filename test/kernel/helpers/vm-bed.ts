/**
 * A tenant with virtual machines, each box a namespace on one network of 198.51.100.0/24:
 *
 *     VMs  172.16.1.x on cn1 ┐
 *     db   172.16.1.6 on cn2 ┴ cnci 172.16.1.1, which gives addresses and knows names
 */
import { Cnci, ComputeNode } from '#lib/index';
import type { TunnelEvent, Vnic } from '#lib/index';
import type { VnicConfigInput } from '#lib/model/index';

import { ipLink } from '../../support/oracle';
import { patience, until } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';
import { UNDERLAY, openUnderlay } from '../../support/underlay';
import { Vm, VmImage } from '../../support/vm';
import type { VmOptions } from '../../support/vm';
import { ip, linksOf } from './node';
import { StateDir, takeLease } from './workload';

export const TENANT = '1f8b0000-0000-4000-8000-00000000000a';
const CONC = '1f8b0000-0000-4000-8000-0000000000c1';
export const GATEWAY = '172.16.1.1';
export const DB = '172.16.1.6';
/** What VXLAN leaves of 1500 bytes. */
export const MTU = 1450;

type Host = Namespace & { readonly address: string };
type NodeName = 'cn1' | 'cn2';

/** The VNIC of the VM with this last number in its address. */
export function vmConfig(last: number, changes: Partial<VnicConfigInput> = {}): VnicConfigInput {
  return {
    role: 'vm',
    tenantId: TENANT,
    subnetId: 'subnet-1',
    concId: CONC,
    concIp: '198.51.100.3',
    vnicId: `vnic-${String(last)}`,
    vnicIp: `172.16.1.${String(last)}`,
    vnicMac: `02:00:ac:10:01:${last.toString(16).padStart(2, '0')}`,
    subnet: '172.16.1.0/24',
    subnetKey: 1001,
    ...changes,
  };
}

export class VmBed {
  readonly box: Sandbox;
  readonly image: VmImage;
  readonly #state = new StateDir();
  readonly #hosts: Record<NodeName | 'cnci', Host>;
  readonly nodes = {} as Record<NodeName, ComputeNode>;
  #cnci: Cnci | undefined;
  #db: Namespace | undefined;

  private constructor(box: Sandbox, image: VmImage, hosts: Record<NodeName | 'cnci', Host>) {
    this.box = box;
    this.image = image;
    this.#hosts = hosts;
  }

  static async open(): Promise<VmBed> {
    const image = await VmImage.make();
    const box = await Sandbox.open({ scope: 'manual' });
    const hosts = await openUnderlay(box, ['cn1', 'cn2', 'cnci']);
    const bed = new VmBed(box, image, hosts);
    try {
      for (const name of ['cn1', 'cn2'] as const) bed.nodes[name] = await bed.openNode(name);
      bed.#cnci = await Cnci.open({
        ...bed.#options('cnci'),
        id: CONC,
        tenantId: TENANT,
        dhcp: { stateDir: bed.#state.path, domain: 'a.example' },
      });
      await bed.#startDb();
      return bed;
    } catch (error) {
      await bed.close().catch(() => undefined);
      throw error;
    }
  }

  host(name: NodeName | 'cnci'): Host {
    return this.#hosts[name];
  }

  /** The container on the other node. */
  get db(): Namespace {
    if (this.#db === undefined) throw new Error('the container is not there yet');
    return this.#db;
  }

  /** As a new process of the launcher would. Whoever opens it closes it. */
  openNode(name: NodeName): Promise<ComputeNode> {
    return ComputeNode.open({ ...this.#options(name), id: name });
  }

  async create(
    config: VnicConfigInput,
    on: NodeName = 'cn1',
  ): Promise<{ readonly vnic: Vnic; readonly created: boolean }> {
    const { vnic, created, event } = await this.nodes[on].createVnic(config);
    await this.#deliver(event);
    return { vnic, created };
  }

  async destroy(config: VnicConfigInput, on: NodeName = 'cn1'): Promise<boolean> {
    const { destroyed, event } = await this.nodes[on].destroyVnic(config);
    await this.#deliver(event);
    return destroyed;
  }

  boot(options: VmOptions, on: NodeName = 'cn1'): Promise<Vm> {
    return Vm.boot(this.image, this.host(on), options);
  }

  /** How many queues of a tap are open. */
  async openQueues(vnic: Vnic): Promise<number> {
    const { linkinfo } = await ipLink(this.host('cn1'), vnic.linkName);
    const { numqueues, numdisabled } = linkinfo?.info_data ?? {};
    return Number(numqueues ?? 0) + Number(numdisabled ?? 0);
  }

  /** Links of ours that are left on the node, once it has settled. */
  async left(on: NodeName = 'cn1'): Promise<string[]> {
    await this.nodes[on].settle();
    return (await linksOf(this.host(on))).map(({ ifname }) => ifname);
  }

  async close(): Promise<void> {
    try {
      for (const node of Object.values(this.nodes)) {
        await node.resetNetwork();
        await node.settle();
        await node.close();
      }
      await this.#cnci?.shutdown();
      await this.#cnci?.settle();
      await this.#cnci?.close();
    } finally {
      await this.box.close().finally(() => {
        this.image[Symbol.dispose]();
        this.#state[Symbol.dispose]();
      });
    }
  }

  async #startDb(): Promise<void> {
    const { vnic } = await this.create(vmConfig(6, { role: 'container' }), 'cn2');
    const ns = await this.box.netns('db', { leaves: 'anything' });
    await ip(this.host('cn2'), `link set ${vnic.interfaceName} netns ${ns.name}`);
    await ip(ns, `link set ${vnic.interfaceName} up`);
    await takeLease(this.box, ns, vnic.interfaceName);
    await this.#cnci?.setHosts([{ ip: DB, name: 'db' }]);
    this.#db = ns;
  }

  async #deliver(event: TunnelEvent | undefined): Promise<void> {
    if (event === undefined || this.#cnci === undefined) return;
    const { subnet, subnetKey, cnIp, tunnel } = event;
    const config = { subnet, subnetKey, cnIp, mode: tunnel };
    if (event.kind === 'tunnel-add') await this.#cnci.addRemoteSubnet(config);
    else await this.#cnci.delRemoteSubnet(config);
  }

  #options(name: NodeName | 'cnci') {
    return {
      mode: 'vxlan' as const,
      computeNets: [UNDERLAY],
      allowVethUplink: true,
      netns: this.#hosts[name].path,
      timeoutMs: 20_000 * patience,
    };
  }
}

/** What a name server of the subnet answers inside of a machine. The server reads its names in its own time. */
export async function resolveIn(vm: Vm, name: string): Promise<string[]> {
  let found: string[] = [];
  await until(async () => {
    const { output } = await vm.try(`nslookup ${name} ${GATEWAY}`);
    const [, ...answer] = output.split(/^Address:.*:53$/m);
    found = [...answer.join('').matchAll(/^Address: (.+)$/gm)].map(([, address = '']) => address);
    return found.length > 0;
  }, 10_000 * patience);
  return found;
}
