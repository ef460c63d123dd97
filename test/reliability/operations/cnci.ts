/** What a concentrator does to the kernel, to its DHCP servers and to their files. */
import { openCnci } from '#lib/cnci/index';
import type { Cnci } from '#lib/cnci/index';
import type { HostHooks } from '#lib/host/index';
import type { NeighborInput, TunnelKind } from '#lib/model/index';
import type { Capability } from '../../support/reasons';
import type { Attempt, Operation, Scene } from './operation';

interface Row {
  readonly name: string;
  readonly dhcp?: true;
  readonly prepare?: (cnci: Cnci) => Promise<unknown>;
  readonly act: (cnci: Cnci) => Promise<unknown>;
}

const LINK_KIND = { vxlan: ['vxlan'], gre: ['gretap'], geneve: ['geneve'] } as const;

function remote(n: number, cn = 1) {
  return {
    subnet: `172.16.${String(n)}.0/24`,
    subnetKey: 100 + n,
    cnIp: `198.51.100.${String(20 + cn)}`,
  };
}

/** The n-th concentrator of the tenant; the first is this one. */
function neighbor(n: number): NeighborInput {
  return {
    physicalIp: `198.51.100.${String(n)}`,
    subnet: `172.16.${String(100 + n)}.0/24`,
    tunnelIp: `192.168.64.${String(n)}`,
    tunnelId: 5,
  };
}

function neighbors(...numbers: readonly number[]): readonly NeighborInput[] {
  return numbers.map(neighbor);
}

async function add(cnci: Cnci, ...numbers: readonly number[]): Promise<void> {
  for (const n of numbers) await cnci.addRemoteSubnet(remote(n));
}

const ROWS: readonly Row[] = [
  { name: 'addRemoteSubnet: the first node', act: (cnci) => cnci.addRemoteSubnet(remote(1)) },
  {
    name: 'addRemoteSubnet: another node',
    prepare: (cnci) => add(cnci, 1),
    act: (cnci) => cnci.addRemoteSubnet(remote(1, 2)),
  },
  {
    name: 'delRemoteSubnet: the last node',
    prepare: (cnci) => add(cnci, 1),
    act: (cnci) => cnci.delRemoteSubnet(remote(1)),
  },
  {
    name: 'delRemoteSubnet: one of two nodes',
    prepare: async (cnci) => {
      await add(cnci, 1);
      await cnci.addRemoteSubnet(remote(1, 2));
    },
    act: (cnci) => cnci.delRemoteSubnet(remote(1, 2)),
  },
  { name: 'updateNeighbors: the first', act: (cnci) => cnci.updateNeighbors(neighbors(1, 2, 3)) },
  {
    name: 'updateNeighbors: others',
    prepare: (cnci) => cnci.updateNeighbors(neighbors(1, 2, 3)),
    act: (cnci) => cnci.updateNeighbors(neighbors(1, 3, 4)),
  },
  {
    name: 'rebuildTopology',
    prepare: (cnci) => add(cnci, 1, 2),
    act: (cnci) => cnci.rebuildTopology(),
  },
  {
    name: 'shutdown',
    prepare: async (cnci) => {
      await add(cnci, 1, 2);
      await cnci.updateNeighbors(neighbors(1, 2));
    },
    act: (cnci) => cnci.shutdown(),
  },
  {
    name: 'addRemoteSubnet: served',
    dhcp: true,
    act: (cnci) => cnci.addRemoteSubnet(remote(1)),
  },
  {
    name: 'setHosts',
    dhcp: true,
    prepare: (cnci) => add(cnci, 1),
    act: (cnci) => cnci.setHosts([{ ip: '172.16.1.5', name: 'web' }]),
  },
  {
    name: 'shutdown: served',
    dhcp: true,
    prepare: (cnci) => add(cnci, 1),
    act: (cnci) => cnci.shutdown(),
  },
];

class CnciAttempt implements Attempt {
  readonly #cnci: Cnci;
  readonly #row: Row;

  constructor(cnci: Cnci, row: Row) {
    this.#cnci = cnci;
    this.#row = row;
  }

  async prepare(): Promise<void> {
    await this.#row.prepare?.(this.#cnci);
    await this.settle();
  }
  act(): Promise<unknown> {
    return this.#row.act(this.#cnci);
  }
  async findings(): Promise<readonly string[]> {
    return this.#cnci.topology().findings.map(({ type, text }) => `${type}: ${text}`);
  }
  async repair(): Promise<void> {
    await this.#cnci.rebuildTopology();
    await this.settle();
  }
  settle(): Promise<void> {
    return this.#cnci.settle();
  }
  async clear(): Promise<void> {
    const { dhcpError, failed } = await this.#cnci.shutdown();
    if (dhcpError !== undefined) throw dhcpError;
    if (failed.length > 0) throw failed[0]?.error ?? new Error('unreachable');
    await this.settle();
  }
  close(): Promise<void> {
    return this.#cnci.close();
  }
}

function operationOf(mode: TunnelKind, row: Row): Operation {
  const needs: Capability[] = [...LINK_KIND[mode], ...(row.dhcp ? (['dnsmasq'] as const) : [])];
  return {
    name: `${row.name} (${mode})`,
    needs,
    survivesCuts: false,
    async open(scene: Scene, hooks: HostHooks) {
      const options = {
        id: 'cnci',
        tenantId: '1f8b0000-0000-4000-8000-00000000000a',
        mode,
        // A mesh among concentrators is GRE or VXLAN.
        meshMode: mode === 'geneve' ? ('vxlan' as const) : mode,
        computeNets: ['198.51.100.0/24'],
        netns: scene.node,
        allowVethUplink: true,
        timeoutMs: 60_000,
        dhcp: row.dhcp ? { stateDir: scene.directory } : (false as const),
      };
      const attempt = new CnciAttempt(await openCnci(options, hooks), row);
      await attempt.settle();
      return attempt;
    },
  };
}

export const CNCI: readonly Operation[] = (['vxlan', 'gre', 'geneve'] as const).flatMap((mode) =>
  ROWS.filter(({ dhcp }) => dhcp === undefined || mode === 'vxlan').map((row) =>
    operationOf(mode, row),
  ),
);
