/** What the names of our links begin with, by what they are. */
export const LINK_PREFIX = Object.freeze({
  bridge: 'sbr_',
  tunnel: 'sgt_',
  /** A VM's tap, or the host's end of a container's veth pair. */
  vnic: 'svn_',
  /** The container's end of a veth pair. */
  peer: 'svp_',
  /** A concentrator's macvtap. */
  cnci: 'svc_',
} as const);

/** What a link of ours is for. */
export type LinkRole = keyof typeof LINK_PREFIX;
export type LinkPrefix = (typeof LINK_PREFIX)[LinkRole];

const LINK_NAME = /^(sbr|sgt|svn|svp|svc)_(0|[1-9a-f][0-9a-f]{0,7})$/;

const ROLE_OF_PREFIX: Readonly<Record<string, LinkRole>> = {
  sbr: 'bridge',
  sgt: 'tunnel',
  svn: 'vnic',
  svp: 'peer',
  svc: 'cnci',
};

/** A link name: the prefix and an unsigned 32-bit number in hexadecimal, without leading zeros. */
export function randomLinkName(prefix: LinkPrefix, random32: number): string {
  return prefix + (random32 >>> 0).toString(16);
}

/** What a name of our pattern stands for, or nothing. A name proves nothing: only the alias makes a link ours. */
export function parseLinkName(
  name: string,
): { readonly role: LinkRole; readonly random32: number } | undefined {
  const [, prefix = '', hex = ''] = LINK_NAME.exec(name) ?? [];
  const role = ROLE_OF_PREFIX[prefix];
  return role === undefined ? undefined : { role, random32: Number.parseInt(hex, 16) };
}

/** The name of the container's end of the veth pair whose host end has this name. */
export function peerNameOf(vnicName: string): string {
  return LINK_PREFIX.peer + vnicName.slice(LINK_PREFIX.vnic.length);
}
