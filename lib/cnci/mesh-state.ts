import { formatAlias } from '../alias';
import { APIError } from '../errors';
import type { Host } from '../host';
import { networkOf, numberToAddress, tryParseIpv4 } from '../model';
import { rebuildCnci } from '../topology';
import type { KnownMesh } from '../topology';

/** Name and alias of the mesh's device are one. */
export const MESH_NAME = formatAlias({ type: 'mesh' });

/** An address of the mesh's device. */
export interface MeshAddress {
  readonly address: string;
  readonly prefixLength: number;
}

export interface MeshRoute {
  /** CIDR. */
  readonly destination: string;
  readonly via?: string;
  /** Chosen when the route is made; not read back. */
  readonly metric?: number;
}

/** What the kernel holds of the mesh: nothing of it is kept elsewhere. */
export interface MeshState {
  readonly link: KnownMesh;
  readonly addresses: readonly MeshAddress[];
  /** Without those that come with an address. */
  readonly routes: readonly MeshRoute[];
  /** Permanent ones, by address: on GRE the outer address, on VXLAN a MAC. */
  readonly neighbours: ReadonlyMap<string, string>;
  /** VXLAN: by MAC, the outer address. */
  readonly forwarding: ReadonlyMap<string, string>;
}

/**
 * Reads the mesh from the kernel; `undefined` where there is none.
 *
 * @throws {@link APIError} `SNNET_LINK_FOREIGN`: somebody else has a link of this name.
 */
export async function readMesh(host: Host): Promise<MeshState | undefined> {
  const links = await host.links();
  const link = rebuildCnci(links).mesh;
  const holder = links.find(({ ifname }) => ifname === MESH_NAME);
  if (holder !== undefined && holder.ifindex !== link?.ifIndex) {
    throw new APIError('SNNET_LINK_FOREIGN', {
      object: { linkName: holder.ifname, ifIndex: holder.ifindex },
      detail: `it has no alias ${MESH_NAME}, or is neither a GRE nor a VXLAN device`,
    });
  }
  return link === undefined ? undefined : await readMeshOf(host, link);
}

/** Reads what is on the mesh's device. */
export async function readMeshOf(host: Host, link: KnownMesh): Promise<MeshState> {
  const isOn = (row: { readonly ifindex: number }): boolean => row.ifindex === link.ifIndex;
  const addresses = (await host.kernel.addresses()).filter(isOn).map(toAddress);
  const routes = (await host.kernel.routes()).filter(isOn);
  const neighbours = (await host.kernel.neighbours()).filter(isOn);
  const entries = link.kind === 'vxlan' ? await host.kernel.forwardingEntries() : [];
  const connected = new Set(addresses.map(connectedNetwork));
  return {
    link,
    addresses,
    routes: routes
      .filter(({ destination, via }) => via !== undefined || !connected.has(destination))
      .map(({ destination, via }) => ({ destination, ...(via !== undefined && { via }) })),
    neighbours: new Map(
      neighbours.flatMap(({ address, lladdr, isPermanent }) =>
        isPermanent && address !== undefined ? [[address, toLinkLayer(lladdr)] as const] : [],
      ),
    ),
    forwarding: new Map(
      entries
        .filter(isOn)
        .flatMap(({ lladdr, address }) => (address === undefined ? [] : [[lladdr, address]])),
    ),
  };
}

function toAddress({ address, prefixLength }: MeshAddress): MeshAddress {
  return { address, prefixLength };
}

function connectedNetwork({ address, prefixLength }: MeshAddress): string {
  const parsed = tryParseIpv4(address);
  return parsed === undefined ? '' : networkOf(parsed, prefixLength);
}

// Four bytes are an IPv4 address.
function toLinkLayer(lladdr: string): string {
  const bytes = lladdr.split(':');
  if (bytes.length !== 4) return lladdr;
  return numberToAddress(Number.parseInt(bytes.join(''), 16));
}
