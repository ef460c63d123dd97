/** Something about a link that is not as it should be. */
export interface Finding {
  readonly type: FindingType;
  /** The sentence that an operator reads. */
  readonly text: string;
  /** The link it is about; absent where the link is what is missing. */
  readonly link?: { readonly linkName: string; readonly ifIndex: number; readonly alias: string };
  /** The tenant subnet it is about, as `<tenant>_<subnet>_<concentrator>_<concentrator IP>` or CIDR. */
  readonly subnet?: string;
  /** What `repair` does about it; `none`: a person must decide. */
  readonly remedy: 'remove' | 'remake' | 'reattach' | 'realias' | 'close' | 'none';
}

/**
 * - `missing-bridge`: a VNIC or tunnel whose bridge is not there.
 * - `missing-tunnel`: a bridge without its tunnel: its VNICs are cut off from the concentrator. On a
 *   concentrator: a tunnel that somebody deleted while the process lived.
 * - `orphan`: a bridge (with or without tunnel) that no VNIC uses, left by a process that died.
 * - `detached`: a port of ours that is not attached to its bridge.
 * - `down`: a link of ours that is not up.
 * - `wrong-kind`: an alias of ours on another kind of link: not ours, not touched.
 * - `duplicate`: two links with the same identity; one with a name of ours counts, then the one with
 *   the lower index.
 * - `foreign`: a link that is not ours, attached to a bridge of ours.
 * - `half-moved`: a link with the former address of its concentrator, which its tunnel has left.
 * - `no-dhcp`: a subnet of a concentrator whose DHCP server does not run.
 * - `open`: a bridge on which this machine takes router advertisements from a tenant.
 * - `unfinished`: a VNIC whose end in the container's namespace was never brought up.
 * - `remnant`: a link with a name of ours and no alias.
 */
export type FindingType =
  | 'missing-bridge'
  | 'missing-tunnel'
  | 'orphan'
  | 'detached'
  | 'down'
  | 'wrong-kind'
  | 'duplicate'
  | 'foreign'
  | 'half-moved'
  | 'no-dhcp'
  | 'open'
  | 'unfinished'
  | 'remnant';
