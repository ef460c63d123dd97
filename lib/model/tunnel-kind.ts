import { parseChoice } from './refuse';

/** How tunnels are made: an Ethernet frame in GRE, VXLAN or Geneve. */
export type TunnelKind = 'gre' | 'vxlan' | 'geneve';
/** A kind, or what the kernel has, in the order of {@link TUNNEL_KINDS}. */
export type TunnelMode = TunnelKind | 'auto';

/** What concentrators can reach each other by: Geneve knows one remote for each device. */
export type MeshKind = Exclude<TunnelKind, 'geneve'>;
/** A kind, or: the concentrator's mode; with Geneve what the kernel has, GRE first. */
export type MeshMode = MeshKind | 'auto';

/** All kinds, the preferred first. */
export const TUNNEL_KINDS: readonly TunnelKind[] = Object.freeze([
  'gre',
  'vxlan',
  'geneve',
] as const);
const TUNNEL_MODES: readonly TunnelMode[] = [...TUNNEL_KINDS, 'auto'];

export function parseTunnelKind(value: unknown, field: string): TunnelKind {
  return parseChoice(value, field, TUNNEL_KINDS);
}

export function parseTunnelMode(value: unknown, field: string): TunnelMode {
  return parseChoice(value, field, TUNNEL_MODES);
}

export function parseMeshMode(value: unknown, field: string): MeshMode {
  return parseChoice(value, field, ['auto', 'gre', 'vxlan'] as const);
}
