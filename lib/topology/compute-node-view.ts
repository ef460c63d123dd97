import type { CnBridgeAlias, Scope } from '../alias';
import type { LinkRow } from '../kernel';
import { SubnetDrafts } from './compute-node-drafts';
import type { SubnetDraft } from './compute-node-drafts';
import type { Finding } from './findings';
import { identityKey } from './identity-key';
import { LinkSorter, inspectBridge, linkOf, ofType, tunnelKindOf } from './inventory';
import type { Inventory, OurLink } from './inventory';
import type { KnownLink, KnownTunnel, KnownVnic } from './known-link';

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
  /** Interface indexes of all links of the namespace. */
  readonly present: ReadonlySet<number>;
}

/** Rebuilds a compute node's topology from one dump of links. Pure. */
export function rebuildComputeNode(rows: readonly LinkRow[]): ComputeNodeView {
  const reader = new ComputeNodeReader();
  reader.add(rows);
  return reader.finish();
}

/** The same while the dump comes: little is left to do when it ends. */
export class ComputeNodeReader {
  readonly #sorter = new LinkSorter();
  #drafts = new SubnetDrafts();

  add(rows: readonly LinkRow[]): void {
    for (const link of this.#sorter.add(rows)) this.#drafts.add(link);
  }

  /** What came so far counts for nothing. */
  restart(): void {
    this.#sorter.restart();
    this.#drafts = new SubnetDrafts();
  }

  finish(): ComputeNodeView {
    const inventory = this.#sorter.finish();
    if (inventory.duplicates.length > 0) {
      // Those were taken for ours, and which of two counts is known only now.
      this.#drafts = new SubnetDrafts();
      for (const link of inventory.ours) this.#drafts.add(link);
    }
    return viewOf(inventory, this.#drafts.finish(inventory.peers));
  }
}

function viewOf(inventory: Inventory, drafts: ReadonlyMap<string, SubnetDraft>): ComputeNodeView {
  const findings: Finding[] = [...inventory.findings];
  const subnets = new Map<string, SubnetView>();
  const strangers = [...inventory.foreign, ...inventory.remnants];
  const visited = new Set(strangers.map((row) => row.master));
  for (const [key, draft] of drafts) {
    subnets.set(key, subnetOf(draft));
    findings.push(...inspect(draft, visited));
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
    present: inventory.present,
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

function subnetOf({ scope, bridge, tunnel, vnics }: SubnetDraft): SubnetView {
  return {
    scope,
    bridge: bridge && toKnownLink(bridge.row),
    tunnel: tunnel && toKnownTunnel(tunnel.row),
    vnics,
  };
}

/** @param visited - Indexes of bridges that a link is attached to which is not ours. */
function inspect(draft: SubnetDraft, visited: ReadonlySet<number>): Finding[] {
  const subnet = draft.scope.text;
  const findings: Finding[] = [];
  const { bridge, tunnel, ports } = draft;
  if (bridge === undefined) {
    for (const { row } of [...ports, ...(tunnel === undefined ? [] : [tunnel])]) {
      findings.push({
        type: 'missing-bridge',
        text: `${row.ifname} belongs to subnet ${subnet}, whose bridge is not there`,
        link: linkOf(row),
        subnet,
        // A workload may be using its VNIC; a tunnel alone is of no use to anybody.
        remedy: ports.length > 0 ? 'remake' : 'remove',
      });
    }
    return findings;
  }
  if (ports.length === 0) {
    const isVisited = visited.has(bridge.row.ifindex);
    const but = isVisited ? ', but a port that is not ours' : '';
    findings.push({
      type: 'orphan',
      text: `bridge ${bridge.row.ifname} of subnet ${subnet} has no VNIC${but}`,
      link: linkOf(bridge.row),
      subnet,
      // That port may be a workload's whose alias somebody took.
      remedy: isVisited ? 'none' : 'remove',
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

function inspectState(draft: SubnetDraft, bridge: OurLink<CnBridgeAlias>): Finding[] {
  const subnet = draft.scope.text;
  const findings: Finding[] = inspectBridge(bridge.row, subnet);
  for (const { row, parsed } of [bridge, ...draft.ports]) {
    if (parsed.scope.concIp === draft.scope.concIp) continue;
    findings.push({
      type: 'half-moved',
      text: `${row.ifname} says that its concentrator is at ${parsed.scope.concIp}, but the tunnel leads to ${draft.scope.concIp}`,
      link: linkOf(row),
      subnet,
      remedy: 'realias',
    });
  }
  for (const { row } of draft.ports) {
    if (row.waitsForPeer !== true) continue;
    findings.push({
      type: 'unfinished',
      text: `the container's end of ${row.ifname} was never brought up`,
      link: linkOf(row),
      subnet,
      remedy: 'remove',
    });
  }
  const ports = [...draft.ports, ...(draft.tunnel === undefined ? [] : [draft.tunnel])];
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
function inspectPorts(inventory: Inventory, drafts: ReadonlyMap<string, SubnetDraft>): Finding[] {
  const bridges = new Map<number, SubnetDraft>();
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
