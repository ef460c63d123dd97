/** What a compute node does to the kernel. */
import { closeSync } from 'node:fs';
import { openComputeNode } from '#lib/compute-node/index';
import type { ComputeNode } from '#lib/compute-node/index';
import type { HostHooks } from '#lib/host/index';
import type { TunnelKind, VnicConfigInput } from '#lib/model/index';
import type { Capability } from '../../support/reasons';
import { run } from '../../support/run';
import type { Attempt, Operation, Scene } from './operation';

const NODE = { id: '44444444-4444-4444-8444-444444444444', computeNets: ['198.51.100.0/24'] };
// Short: pictures are made of them.
const TENANT = 'tenant';
const SUBNET = 'subnet';
const CONC = 'conc';
const CONC_IP = '198.51.100.9';
const NEW_CONC_IP = '198.51.100.10';
const KEY = 69_804;

/** Of each kind of tunnel: what the kernel must have for it. */
const LINK_KIND = { vxlan: 'vxlan', gre: 'gretap', geneve: 'geneve' } as const;

interface Work {
  readonly node: ComputeNode;
  readonly scene: Scene;
}

interface Row {
  readonly name: string;
  readonly needs?: readonly Capability[];
  /** Default: true. */
  readonly survivesCuts?: false;
  readonly prepare?: (work: Work) => Promise<unknown>;
  readonly act: (work: Work) => Promise<unknown>;
}

/** The n-th VNIC of the subnet. */
export function vnic(n: number, changes: Partial<VnicConfigInput> = {}): VnicConfigInput {
  return {
    role: 'vm',
    tenantId: TENANT,
    subnetId: SUBNET,
    concId: CONC,
    concIp: CONC_IP,
    vnicId: `vnic${String(n)}`,
    vnicIp: `172.16.0.${String(n + 2)}`,
    vnicMac: `02:00:ac:10:00:0${String(n + 2)}`,
    subnet: '172.16.0.0/16',
    subnetKey: KEY,
    ...changes,
  };
}

function attached({ container }: Scene, n = 0): VnicConfigInput {
  return vnic(n, {
    role: 'container',
    altName: `an-other-name-${String(n)}`,
    attach: { netns: container, ifname: `net${String(n)}` },
  });
}

const CNCI_VNIC = { tenantId: TENANT, vnicId: 'cnci', vnicMac: '02:00:ac:10:00:77' };

async function create({ node }: Work, config: VnicConfigInput): Promise<void> {
  const { vnic: made } = await node.createVnic(config);
  for (const fd of made.fds ?? []) closeSync(fd);
}

/** Somebody deletes a link of the subnet, which is then out of order. */
async function lose({ node, scene }: Work, part: 'bridge' | 'tunnel'): Promise<void> {
  const [subnet] = node.topology().subnets;
  const linkName = subnet?.[part]?.linkName ?? '';
  await run(['nsenter', `--net=${scene.node}`, 'ip', 'link', 'delete', linkName]);
  // It is heard of in its own time.
  await node.dbRebuild();
}

const SCOPE = [TENANT, SUBNET, CONC].join('_');
const SUBNET_KEYS = { [`${SCOPE}_${CONC_IP}`]: KEY, [`${SCOPE}_${NEW_CONC_IP}`]: KEY };

const ROWS: readonly Row[] = [
  { name: 'createVnic: a VM, the first of its subnet', act: (work) => create(work, vnic(0)) },
  {
    name: 'createVnic: a VM, the second',
    prepare: (work) => create(work, vnic(0)),
    act: (work) => create(work, vnic(1)),
  },
  {
    name: 'createVnic: a VM with several queues',
    act: (work) => create(work, vnic(0, { queues: 4 })),
  },
  { name: 'createVnic: a container', act: (work) => create(work, vnic(0, { role: 'container' })) },
  {
    name: 'createVnic: a container in its namespace',
    act: (work) => create(work, attached(work.scene)),
  },
  {
    name: 'destroyVnic: a VM, one of two',
    prepare: async (work) => {
      await create(work, vnic(0));
      await create(work, vnic(1));
    },
    act: ({ node }) => node.destroyVnic(vnic(1)),
  },
  {
    name: 'destroyVnic: a VM, the last of its subnet',
    prepare: (work) => create(work, vnic(0)),
    act: ({ node }) => node.destroyVnic(vnic(0)),
  },
  {
    name: 'destroyVnic: a container in its namespace',
    prepare: (work) => create(work, attached(work.scene)),
    act: ({ node, scene }) => node.destroyVnic(attached(scene)),
  },
  {
    name: 'createCnciVnic',
    needs: ['macvtap'],
    act: ({ node }) => node.createCnciVnic(CNCI_VNIC),
  },
  {
    name: 'destroyCnciVnic',
    needs: ['macvtap'],
    prepare: ({ node }) => node.createCnciVnic(CNCI_VNIC),
    act: ({ node }) => node.destroyCnciVnic(CNCI_VNIC),
  },
  {
    name: 'repointConcentrator',
    prepare: async (work) => {
      await create(work, vnic(0));
      await create(work, vnic(1, { role: 'container' }));
    },
    act: ({ node }) => node.repointConcentrator({ from: CONC_IP, to: NEW_CONC_IP }),
  },
  {
    name: 'resetNetwork',
    prepare: async (work) => {
      await create(work, vnic(0));
      await create(work, attached(work.scene, 1));
    },
    act: ({ node }) => node.resetNetwork(),
  },
  ...(['bridge', 'tunnel'] as const).map((part): Row => ({
    name: `repair: somebody deleted the ${part}`,
    survivesCuts: false,
    // Of a VM nobody knows the MAC but who made it.
    prepare: async (work) => {
      await create(work, vnic(0, { role: 'container' }));
      await create(work, vnic(1, { role: 'container' }));
      await lose(work, part);
    },
    act: ({ node }) => node.repair({ subnetKeys: SUBNET_KEYS }),
  })),
];

class NodeAttempt implements Attempt {
  readonly #work: Work;
  readonly #row: Row;

  constructor(work: Work, row: Row) {
    this.#work = work;
    this.#row = row;
  }

  async prepare(): Promise<void> {
    await this.#row.prepare?.(this.#work);
    await this.settle();
  }
  act(): Promise<unknown> {
    return this.#row.act(this.#work);
  }
  async findings(): Promise<readonly string[]> {
    return this.#work.node.topology().findings.map(({ type, text }) => `${type}: ${text}`);
  }
  async repair(): Promise<void> {
    await this.#work.node.repair({ subnetKeys: SUBNET_KEYS });
    await this.settle();
  }
  settle(): Promise<void> {
    return this.#work.node.settle();
  }
  async clear(): Promise<void> {
    await this.#work.node.resetNetwork();
    await this.settle();
  }
  close(): Promise<void> {
    return this.#work.node.close();
  }
}

function open(mode: TunnelKind, scene: Scene, hooks: HostHooks): Promise<ComputeNode> {
  const options = { mode, netns: scene.node, allowVethUplink: true, timeoutMs: 60_000 };
  return openComputeNode({ ...NODE, ...options }, hooks);
}

function operationOf(mode: TunnelKind, row: Row): Operation {
  return {
    name: `${row.name} (${mode})`,
    needs: [LINK_KIND[mode], 'tap', ...(row.needs ?? [])],
    survivesCuts: row.survivesCuts ?? true,
    async open(scene, hooks) {
      const attempt = new NodeAttempt({ node: await open(mode, scene, hooks), scene }, row);
      await attempt.settle();
      return attempt;
    },
  };
}

export const COMPUTE_NODE: readonly Operation[] = (['vxlan', 'gre', 'geneve'] as const).flatMap(
  (mode) => ROWS.map((row) => operationOf(mode, row)),
);
