import { LINK_PREFIX } from '../model';

/** Our table; nothing outside of it is ever flushed. */
export const FAMILY = 'inet';
export const TABLE = 'libsnnet';

/** What bridges of tenants begin with: they are closed before the first of them is there. */
export const BRIDGE_PREFIX = LINK_PREFIX.bridge;
/** The mesh between the concentrators of one tenant. */
export const MESH = 'cncitun';

/** Sets and maps, by what they hold. */
export const SET = Object.freeze({
  /** Links that lead outside. */
  external: 'external',
  /** Links of tenants with names that are not our bridges'. */
  inside: 'inside',
  /** External link -> the chain with its port mappings. */
  arrivals: 'arrivals',
  /** Tenant's link . external link -> accept. */
  pairs: 'pairs',
  /** Public address -> workload. */
  published: 'published',
  /** Workload . external link -> public address. */
  sources: 'sources',
});

export const CHAIN = Object.freeze({
  /** Never called: says whose table this is and what it found. */
  about: 'about',
  prerouting: 'prerouting',
  hairpin: 'hairpin',
  postrouting: 'postrouting',
  returning: 'returning',
  escape: 'escape',
  forward: 'forward',
  fromInside: 'from_inside',
  toInside: 'to_inside',
  input: 'input',
});

/** The map with an external link's port mappings. */
export function portsOf(device: string): string {
  return `ports_${escaped(device)}`;
}

/** The chain that looks it up. */
export function arrivalOf(device: string): string {
  return `arrive_${escaped(device)}`;
}

// Links may have names that the language of nft has no words for; its listing must load again.
function escaped(device: string): string {
  if (/^[A-Za-z0-9.-]*$/.test(device)) return device;
  return [...new TextEncoder().encode(device)]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[A-Za-z0-9.-]/.test(letter) ? letter : `_${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}
