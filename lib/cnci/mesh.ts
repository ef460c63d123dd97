import { ANCHOR_VNI } from '../device';
import { APIError } from '../errors';
import type { Call, Host } from '../host';
import { addressToNumber, checkKeyFits, networkOf, tellNeighborhood, tryParseIpv4 } from '../model';
import type { Ipv4Cidr, MeshKind, Neighbor, Neighborhood } from '../model';
import type { Plan } from '../plan';
import { readMesh, readMeshOf } from './mesh-state';
import type { MeshState } from './mesh-state';
import { planMesh } from './plan-mesh';
import type { MeshUpdate } from './plan-mesh';
import type { MeshTopology, UpdatedNeighbors } from './results';
import type { CnciTable } from './table';

const OPERATION = 'updateNeighbors';

export interface MeshSettings {
  readonly kind: MeshKind;
  readonly prefixLength: number;
}

/** The tunnel among a tenant's concentrators. Its calls run alone: they read what others change. */
export class Mesh {
  readonly #host: Host;
  readonly #table: CnciTable;
  readonly #settings: MeshSettings;

  constructor(host: Host, table: CnciTable, settings: MeshSettings) {
    this.#host = host;
    this.#table = table;
    this.#settings = settings;
  }

  async update(list: readonly Neighbor[], call: Call): Promise<UpdatedNeighbors> {
    const neighborhood = this.#tell(list, OPERATION);
    const present = await readMesh(this.#host);
    call.check();
    const update = this.#plan(neighborhood, present);
    await this.#run(update, present);
    this.#table.mesh = update.state;
    return reportOf(update, present);
  }

  /** What an update would do to the mesh as it was read last. */
  plan(list: readonly Neighbor[]): Plan {
    return this.#plan(this.#tell(list, 'plan'), this.#table.mesh).plan;
  }

  /** Takes over what a dump of links showed. */
  async adopt(link: MeshState['link'] | undefined): Promise<void> {
    this.#table.mesh = link === undefined ? undefined : await readMeshOf(this.#host, link);
  }

  /** What contradicts itself, or what there is, is refused. */
  #tell(list: readonly Neighbor[], operation: string): Neighborhood {
    const { kind, prefixLength } = this.#settings;
    const neighborhood = tellNeighborhood(list, {
      operation,
      physicalIp: this.#host.computeLink.address,
      prefixLength,
      taken: this.#taken(),
    });
    this.#checkKey(kind, neighborhood, operation);
    return neighborhood;
  }

  #plan(neighborhood: Neighborhood, present: MeshState | undefined): MeshUpdate {
    return planMesh(this.#host, { ...this.#settings, neighborhood }, present);
  }

  async #run({ plan, state, madeLink }: MeshUpdate, present: MeshState | undefined): Promise<void> {
    if (plan.steps.length === 0) return;
    const { links } = this.#table;
    const changing = [present?.link, madeLink ? state.link : undefined];
    links.expect(changing);
    try {
      await this.#host.kernel.run(plan);
    } catch (error) {
      links.release(changing);
      this.#table.mesh = present;
      throw error;
    }
    links.release([present?.link]);
  }

  #taken(): { readonly network: Ipv4Cidr; readonly what: string }[] {
    const { compute, management } = this.#host.physical;
    return [
      ...[...this.#table.all()].map(({ subnet }) => ({
        network: subnet,
        what: 'this concentrator has it itself',
      })),
      ...[...compute, ...management].map(({ address, prefixLength, linkName }) => ({
        network: networkOf(address, prefixLength),
        what: `it is the network of ${linkName}`,
      })),
    ];
  }

  #checkKey(kind: MeshKind, { self: { tunnelId } }: Neighborhood, operation: string): void {
    const field = 'tunnelId';
    try {
      checkKeyFits(kind, tunnelId, operation);
    } catch (error) {
      throw error instanceof APIError ? error.withDetails({ field }) : error;
    }
    if (kind !== 'vxlan') return;
    const isOwn = Number(tunnelId) === ANCHOR_VNI;
    const other = [...this.#table.all()].find(({ vxlan }) => vxlan?.key === tunnelId);
    if (!isOwn && other === undefined) return;
    throw new APIError('SNNET_VNI_TAKEN', {
      operation,
      field,
      value: tunnelId,
      detail: isOwn
        ? 'this VNI is the library’s own; choose another'
        : `subnet ${String(other?.subnet)} uses it`,
    });
  }
}

function reportOf(
  { state, plan, madeLink }: MeshUpdate,
  present: MeshState | undefined,
): UpdatedNeighbors {
  const before = peersOf(present);
  const after = peersOf(state);
  const added: string[] = [];
  const changed: string[] = [];
  for (const [tunnelIp, text] of after) {
    const former = before.get(tunnelIp);
    if (former === undefined) added.push(tunnelIp);
    else if (former !== text) changed.push(tunnelIp);
  }
  const { linkName, kind, key = 0, mtu } = state.link;
  return Object.freeze({
    linkName,
    kind,
    key,
    tunnelIp: state.addresses[0]?.address ?? '',
    mtu,
    created: madeLink,
    isChanged: plan.steps.length > 0,
    added: Object.freeze(added),
    changed: Object.freeze(changed),
    removed: Object.freeze([...before.keys()].filter((address) => !after.has(address))),
  });
}

function peersOf(state: MeshState | undefined): Map<string, string> {
  const peers = state === undefined ? [] : meshView(state).neighbours;
  return new Map(
    peers.map(({ tunnelIp, physicalIp, subnet }) => [
      tunnelIp,
      `${physicalIp ?? ''} ${subnet ?? ''}`,
    ]),
  );
}

/** The mesh as a snapshot shows it. */
export function meshView(state: MeshState): MeshTopology {
  const { link, addresses, neighbours, forwarding, routes } = state;
  const subnets = new Map(
    routes.flatMap(({ destination, via }) => (via === undefined ? [] : [[via, destination]])),
  );
  const peers = [...neighbours].sort(byAddress).map(([tunnelIp, lladdr]) => {
    const physicalIp = link.kind === 'vxlan' ? forwarding.get(lladdr) : lladdr;
    const subnet = subnets.get(tunnelIp);
    return Object.freeze({
      tunnelIp,
      ...(physicalIp !== undefined && { physicalIp }),
      ...(subnet !== undefined && { subnet }),
    });
  });
  const [own] = addresses;
  return Object.freeze({
    linkName: link.linkName,
    ifIndex: link.ifIndex,
    kind: link.kind,
    mtu: link.mtu,
    ...(link.key !== undefined && { key: link.key }),
    ...(own !== undefined && { tunnelIp: own.address, prefixLength: own.prefixLength }),
    neighbours: Object.freeze(peers),
  });
}

// The kernel's order is that of its hashes.
function byAddress([one]: [string, string], [other]: [string, string]): number {
  return numberOf(one) - numberOf(other);
}

function numberOf(address: string): number {
  const parsed = tryParseIpv4(address);
  return parsed === undefined ? -1 : addressToNumber(parsed);
}
