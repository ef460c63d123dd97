import { APIError } from '../errors';
import { parseInteger } from './refuse';
import type { MeshKind, TunnelKind } from './tunnel-kind';

/** The least that IPv4 allows, in bytes. */
const LEAST_MTU = 68;
const LARGEST_MTU = 65535;

/**
 * What a tunnel puts around an inner IP packet, in bytes: the outer IPv4 header (20), the inner
 * Ethernet header (14), and GRE with its key (8), or UDP with VXLAN or Geneve (8 + 8).
 */
const TUNNEL_OVERHEAD: Readonly<Record<TunnelKind, number>> = { gre: 42, vxlan: 50, geneve: 50 };

/** The same for the mesh: a GRE of layer 3 carries no inner Ethernet header. */
const MESH_OVERHEAD: Readonly<Record<MeshKind, number>> = { gre: 28, vxlan: 50 };

/** Parses an MTU in bytes, 68 to 65535. */
export function parseMtu(value: unknown, field: string): number {
  return parseInteger(value, field, { least: LEAST_MTU, most: LARGEST_MTU, unit: 'bytes' });
}

/** How many bytes a kind of tunnel takes from the MTU of the network beneath. */
export function tunnelOverhead(kind: TunnelKind): number {
  return TUNNEL_OVERHEAD[kind];
}

/** The MTU of a workload whose packets go through such a tunnel over such a link, in bytes. */
export function mtuFor(kind: TunnelKind, underlayMtu: number): number {
  return lessOverhead(kind, underlayMtu, tunnelOverhead(kind));
}

/** What fits through the mesh over such a link, in bytes. */
export function meshMtuFor(kind: MeshKind, underlayMtu: number): number {
  return lessOverhead(kind, underlayMtu, MESH_OVERHEAD[kind]);
}

function lessOverhead(kind: TunnelKind, underlayMtu: number, overhead: number): number {
  const mtu = Math.min(underlayMtu, LARGEST_MTU) - overhead;
  if (mtu >= LEAST_MTU) {
    return mtu;
  }
  throw new APIError('SNNET_INPUT_INVALID', {
    field: 'underlay MTU',
    value: underlayMtu,
    expected: `at least ${String(LEAST_MTU + overhead)} bytes (what ${kind} needs)`,
  });
}
