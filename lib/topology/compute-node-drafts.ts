import type { CnBridgeAlias, CnTunnelAlias, CnVnicAlias, Scope } from '../alias';
import type { LinkRow } from '../kernel';
import { peerNameOf } from '../model';
import { identityKey } from './identity-key';
import { isOfType } from './inventory';
import type { OurLink } from './inventory';
import type { KnownVnic } from './known-link';

const NO_NAMES: readonly string[] = Object.freeze([]);

/** A subnet on a compute node while its links are being gathered. */
export interface SubnetDraft {
  readonly scope: Scope;
  bridge?: OurLink<CnBridgeAlias>;
  tunnel?: OurLink<CnTunnelAlias>;
  readonly ports: OurLink<CnVnicAlias>[];
  /** By address. */
  readonly vnics: Map<string, KnownVnic>;
}

/** The subnets of a compute node, gathered link by link. */
export class SubnetDrafts {
  readonly #drafts = new Map<string, SubnetDraft>();
  // The links of a subnet follow each other with the same scope most of the time.
  readonly #byScope = new Map<Scope, SubnetDraft>();
  // Their other ends may come later in the dump.
  readonly #containers: { readonly draft: SubnetDraft; readonly port: OurLink<CnVnicAlias> }[] = [];

  add(link: OurLink): void {
    if (isOfType(link, 'cn-vnic')) this.#addPort(this.#draftOf(link.parsed.scope), link);
    else if (isOfType(link, 'cn-bridge')) this.#draftOf(link.parsed.scope).bridge = link;
    else if (isOfType(link, 'cn-tunnel')) this.#draftOf(link.parsed.scope).tunnel = link;
  }

  /**
   * All of them, by {@link identityKey} of the text of their scope.
   *
   * @param peers - Ends of containers in the same namespace, by interface index.
   */
  finish(peers: ReadonlyMap<number, LinkRow>): ReadonlyMap<string, SubnetDraft> {
    for (const { draft, port } of this.#containers) {
      draft.vnics.set(port.parsed.vnicIp, containerOf(port, peers.get(port.row.link)));
    }
    joinHalfMoved(this.#drafts);
    return this.#drafts;
  }

  #addPort(draft: SubnetDraft, port: OurLink<CnVnicAlias>): void {
    draft.ports.push(port);
    if (port.row.kind === 'veth') this.#containers.push({ draft, port });
    else draft.vnics.set(port.parsed.vnicIp, vmOf(port));
  }

  #draftOf(scope: Scope): SubnetDraft {
    const seen = this.#byScope.get(scope);
    if (seen !== undefined) return seen;
    const key = identityKey(scope.text);
    const draft = this.#drafts.get(key) ?? { scope, ports: [], vnics: new Map() };
    this.#drafts.set(key, draft);
    this.#byScope.set(scope, draft);
    return draft;
  }
}

/**
 * A tunnel on a bridge of the same subnet, but of another address of the concentrator: a process died
 * while it let the tunnel lead elsewhere. The tunnel goes first, so its identity is the subnet's.
 */
function joinHalfMoved(drafts: Map<string, SubnetDraft>): void {
  const homeless = [...drafts.values()].filter(
    ({ bridge, tunnel }) => bridge === undefined && tunnel !== undefined,
  );
  if (homeless.length === 0) return;
  const byBridge = new Map(
    [...drafts].flatMap(([key, draft]) =>
      draft.bridge === undefined ? [] : [[draft.bridge.row.ifindex, { key, draft }] as const],
    ),
  );
  for (const draft of homeless) {
    const former = byBridge.get(draft.tunnel?.row.master ?? 0);
    const bridge = former?.draft.bridge;
    if (former === undefined || bridge === undefined) continue;
    if (former.draft.tunnel !== undefined) continue;
    if (ownerOf(former.draft.scope) !== ownerOf(draft.scope)) continue;
    draft.bridge = bridge;
    draft.ports.push(...former.draft.ports);
    for (const [ip, vnic] of former.draft.vnics) draft.vnics.set(ip, vnic);
    drafts.delete(former.key);
  }
}

/** A scope without the address of the concentrator. */
function ownerOf({ text }: Scope): string {
  return identityKey(text.slice(0, text.lastIndexOf('_')));
}

// Written out, both: with a spread, thousands of these cost more than all else of a rebuild.
function vmOf({ row, parsed }: OurLink<CnVnicAlias>): KnownVnic {
  return {
    ifIndex: row.ifindex,
    linkName: row.ifname,
    alias: row.alias,
    mtu: row.mtu,
    mac: row.address,
    role: 'vm',
    ip: parsed.vnicIp,
    multiQueue: row.data?.multiQueue ?? false,
    peerName: undefined,
    peerMac: undefined,
    altNames: row.altNames ?? NO_NAMES,
  };
}

// The container end is named after its host end; while the runtime has not taken it, the dump shows it.
function containerOf({ row, parsed }: OurLink<CnVnicAlias>, peer: LinkRow | undefined): KnownVnic {
  const peerName = peerNameOf(row.ifname);
  const known: { -readonly [Key in keyof KnownVnic]: KnownVnic[Key] } = {
    ifIndex: row.ifindex,
    linkName: row.ifname,
    alias: row.alias,
    mtu: row.mtu,
    mac: row.address,
    role: 'container',
    ip: parsed.vnicIp,
    multiQueue: false,
    peerName,
    peerMac: peer?.ifname === peerName ? peer.address : undefined,
    altNames: row.altNames ?? NO_NAMES,
  };
  if (row.waitsForPeer === true) known.waitingPeer = row.link;
  return known;
}
