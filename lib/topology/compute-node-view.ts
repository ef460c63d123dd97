import type { CnBridgeAlias, CnTunnelAlias, CnVnicAlias, Scope } from '../alias';
import type { LinkRow } from '../kernel';
import { peerNameOf } from '../model';
import type { Finding } from './findings';
import { identityKey } from './identity-key';
import { inspectBridge, linkOf, ofType, takeInventory, tunnelKindOf } from './inventory';
import type { Inventory, OurLink } from './inventory';
import type { KnownLink, KnownTunnel, KnownVnic } from './known-link';

const NO_NAMES: readonly string[] = Object.freeze([]);

/** What a compute node holds of one tenant subnet. */
export interface SubnetView {
  readonly scope: Scope;
  readonly bridge: KnownLink | undefined;
  readonly tunnel: KnownTunnel | undefined;
  /** By address. */
  readonly vnics: ReadonlyMap<string, KnownVnic>;
}

/** A compute node's topology as one dump of links tells it. */
export interface ComputeNodeView {
  /** By {@link identityKey} of the text of the scope. */
  readonly subnets: ReadonlyMap<string, SubnetView>;
  /** By {@link identityKey} of the alias. */
  readonly cnciVnics: ReadonlyMap<string, KnownLink>;
  readonly anchors: readonly KnownLink[];
  readonly trash: readonly KnownLink[];
  readonly findings: readonly Finding[];
}

interface Draft {
  readonly scope: Scope;
  bridge?: OurLink<CnBridgeAlias>;
  tunnel?: OurLink<CnTunnelAlias>;
  readonly vnics: OurLink<CnVnicAlias>[];
}

/** Rebuilds a compute node's topology from one dump of links. Pure. */
export function rebuildComputeNode(rows: readonly LinkRow[]): ComputeNodeView {
  return viewComputeNode(takeInventory(rows));
}

/** The same from rows that are sorted already. Pure. */
export function viewComputeNode(inventory: Inventory): ComputeNodeView {
  const drafts = draftSubnets(inventory);
  const findings: Finding[] = [...inventory.findings];
  const subnets = new Map<string, SubnetView>();
  for (const [key, draft] of drafts) {
    subnets.set(key, viewOf(draft, inventory));
    findings.push(...inspect(draft));
  }
  findings.push(...inspectPorts(inventory, drafts), ...inspectRemnants(inventory));
  return {
    subnets,
    cnciVnics: new Map(
      ofType(inventory, 'cnci-vnic').map(({ row }) => [identityKey(row.alias), toKnownLink(row)]),
    ),
    anchors: ofType(inventory, 'anchor').map(({ row }) => toKnownLink(row)),
    trash: inventory.trash.map(toKnownLink),
    findings,
  };
}

export function toKnownLink(row: LinkRow): KnownLink {
  return {
    ifIndex: row.ifindex,
    linkName: row.ifname,
    alias: row.alias,
    mtu: row.mtu,
    mac: row.address,
  };
}

export function toKnownTunnel(row: LinkRow): KnownTunnel {
  return {
    ...toKnownLink(row),
    kind: tunnelKindOf(row),
    key: row.data?.key,
    local: row.data?.local,
    remote: row.data?.remote,
  };
}

function draftSubnets(inventory: Inventory): Map<string, Draft> {
  const drafts = new Map<string, Draft>();
  // The links of a subnet follow each other with the same scope most of the time.
  const byScope = new Map<Scope, Draft>();
  const draftOf = (scope: Scope): Draft => {
    const seen = byScope.get(scope);
    if (seen !== undefined) return seen;
    const key = identityKey(scope.text);
    const draft = drafts.get(key) ?? { scope, vnics: [] };
    drafts.set(key, draft);
    byScope.set(scope, draft);
    return draft;
  };
  for (const link of inventory.ours) {
    const { row, parsed } = link;
    if (parsed.type === 'cn-bridge') draftOf(parsed.scope).bridge = { row, parsed };
    if (parsed.type === 'cn-tunnel') draftOf(parsed.scope).tunnel = { row, parsed };
    if (parsed.type === 'cn-vnic') draftOf(parsed.scope).vnics.push({ row, parsed });
  }
  joinHalfMoved(drafts);
  return drafts;
}

/**
 * A tunnel on a bridge of the same subnet, but of another address of the concentrator: a process died
 * while it let the tunnel lead elsewhere. The tunnel goes first, so its identity is the subnet's.
 */
function joinHalfMoved(drafts: Map<string, Draft>): void {
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
    draft.vnics.push(...former.draft.vnics);
    drafts.delete(former.key);
  }
}

/** A scope without the address of the concentrator. */
function ownerOf({ text }: Scope): string {
  return identityKey(text.slice(0, text.lastIndexOf('_')));
}

function viewOf(draft: Draft, inventory: Inventory): SubnetView {
  const vnics = new Map<string, KnownVnic>();
  for (const { row, parsed } of draft.vnics) {
    vnics.set(parsed.vnicIp, toKnownVnic(row, parsed.vnicIp, inventory));
  }
  return {
    scope: draft.scope,
    bridge: draft.bridge && toKnownLink(draft.bridge.row),
    tunnel: draft.tunnel && toKnownTunnel(draft.tunnel.row),
    vnics,
  };
}

// The container end is named after its host end; while the runtime has not taken it, the dump shows it.
function toKnownVnic(row: LinkRow, ip: string, inventory: Inventory): KnownVnic {
  const isContainer = row.kind === 'veth';
  const peerName = isContainer ? peerNameOf(row.ifname) : undefined;
  const peer = isContainer ? inventory.byIndex.get(row.link) : undefined;
  // Written out: with a spread, thousands of these cost more than all else of a rebuild.
  const known: { -readonly [Key in keyof KnownVnic]: KnownVnic[Key] } = {
    ifIndex: row.ifindex,
    linkName: row.ifname,
    alias: row.alias,
    mtu: row.mtu,
    mac: row.address,
    role: isContainer ? 'container' : 'vm',
    ip,
    multiQueue: row.data?.multiQueue ?? false,
    peerName,
    peerMac: peer?.ifname === peerName ? peer?.address : undefined,
    altNames: row.altNames ?? NO_NAMES,
  };
  if (row.waitsForPeer === true) known.waitingPeer = row.link;
  return known;
}

function inspect(draft: Draft): Finding[] {
  const subnet = draft.scope.text;
  const findings: Finding[] = [];
  const { bridge, tunnel, vnics } = draft;
  if (bridge === undefined) {
    for (const { row } of [...vnics, ...(tunnel === undefined ? [] : [tunnel])]) {
      findings.push({
        type: 'missing-bridge',
        text: `${row.ifname} belongs to subnet ${subnet}, whose bridge is not there`,
        link: linkOf(row),
        subnet,
        // A workload may be using its VNIC; a tunnel alone is of no use to anybody.
        remedy: vnics.length > 0 ? 'remake' : 'remove',
      });
    }
    return findings;
  }
  if (vnics.length === 0) {
    findings.push({
      type: 'orphan',
      text: `bridge ${bridge.row.ifname} of subnet ${subnet} has no VNIC`,
      link: linkOf(bridge.row),
      subnet,
      remedy: 'remove',
    });
  } else if (tunnel === undefined) {
    findings.push({
      type: 'missing-tunnel',
      text: `bridge ${bridge.row.ifname} of subnet ${subnet} has no tunnel: its VNICs are cut off`,
      link: linkOf(bridge.row),
      subnet,
      remedy: 'remake',
    });
  }
  findings.push(...inspectState(draft, bridge));
  return findings;
}

function inspectState(draft: Draft, bridge: OurLink<CnBridgeAlias>): Finding[] {
  const subnet = draft.scope.text;
  const findings: Finding[] = inspectBridge(bridge.row, subnet);
  for (const { row, parsed } of [bridge, ...draft.vnics]) {
    if (parsed.scope.concIp === draft.scope.concIp) continue;
    findings.push({
      type: 'half-moved',
      text: `${row.ifname} says that its concentrator is at ${parsed.scope.concIp}, but the tunnel leads to ${draft.scope.concIp}`,
      link: linkOf(row),
      subnet,
      remedy: 'realias',
    });
  }
  for (const { row } of draft.vnics) {
    if (row.waitsForPeer !== true) continue;
    findings.push({
      type: 'unfinished',
      text: `the container's end of ${row.ifname} was never brought up`,
      link: linkOf(row),
      subnet,
      remedy: 'remove',
    });
  }
  const ports = [...draft.vnics, ...(draft.tunnel === undefined ? [] : [draft.tunnel])];
  for (const { row } of ports) {
    if (row.master === bridge.row.ifindex) continue;
    findings.push({
      type: 'detached',
      text: `${row.ifname} is not attached to its bridge ${bridge.row.ifname}`,
      link: linkOf(row),
      subnet,
      remedy: 'reattach',
    });
  }
  for (const { row } of [bridge, ...ports]) {
    if (row.isUp) continue;
    findings.push({
      type: 'down',
      text: `${row.ifname} is down`,
      link: linkOf(row),
      subnet,
      remedy: 'reattach',
    });
  }
  return findings;
}

// One pass over all links: which of those that are not ours sit on a bridge of ours.
function inspectPorts(inventory: Inventory, drafts: ReadonlyMap<string, Draft>): Finding[] {
  const bridges = new Map<number, Draft>();
  for (const draft of drafts.values()) {
    if (draft.bridge !== undefined) bridges.set(draft.bridge.row.ifindex, draft);
  }
  return inventory.foreign.flatMap((row) => {
    const draft = row.master === 0 ? undefined : bridges.get(row.master);
    if (draft?.bridge === undefined) return [];
    return [
      {
        type: 'foreign' as const,
        text: `${row.ifname} is not ours, but attached to bridge ${draft.bridge.row.ifname}`,
        link: linkOf(row),
        subnet: draft.scope.text,
        remedy: 'none' as const,
      },
    ];
  });
}

function inspectRemnants(inventory: Inventory): Finding[] {
  return inventory.remnants.map((row) => ({
    type: 'remnant',
    text: `${row.ifname} has a name of ours and no alias; resetNetwork removes it`,
    link: linkOf(row),
    remedy: 'none',
  }));
}
