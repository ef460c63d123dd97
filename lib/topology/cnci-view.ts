import type { CnciBridgeAlias, CnciTunnelAlias } from '../alias';
import type { LinkRow } from '../kernel';
import type { MeshKind } from '../model';
import type { Finding } from './findings';
import { inspectBridge, linkOf, ofType, takeInventory } from './inventory';
import type { OurLink } from './inventory';
import type { KnownLink, KnownTunnel } from './known-link';
import { toKnownLink, toKnownTunnel } from './compute-node-view';

/** What a CNCI holds of one tenant subnet. */
export interface CnciSubnetView {
  /** CIDR. */
  readonly subnet: string;
  readonly bridge: KnownLink | undefined;
  /** GRE and Geneve: one for each compute node, by its address. */
  readonly tunnels: ReadonlyMap<string, KnownTunnel>;
  /** VXLAN: one device for all compute nodes of the subnet. */
  readonly vxlan: KnownTunnel | undefined;
}

/** The device of the mesh among a tenant's CNCIs. */
export interface KnownMesh extends KnownTunnel {
  readonly kind: MeshKind;
  /** UDP port, on VXLAN. */
  readonly port: number | undefined;
  readonly isUp: boolean;
}

/** A CNCI's topology as one dump of links tells it. */
export interface CnciView {
  /** By CIDR. */
  readonly subnets: ReadonlyMap<string, CnciSubnetView>;
  readonly mesh: KnownMesh | undefined;
  readonly anchors: readonly KnownLink[];
  readonly trash: readonly KnownLink[];
  readonly findings: readonly Finding[];
}

interface Draft {
  readonly subnet: string;
  bridge?: OurLink<CnciBridgeAlias>;
  readonly tunnels: OurLink<CnciTunnelAlias>[];
}

/** Rebuilds a CNCI's topology from one dump of links. Pure. */
export function rebuildCnci(rows: readonly LinkRow[]): CnciView {
  const inventory = takeInventory(rows);
  const drafts = new Map<string, Draft>();
  const draftOf = (subnet: string): Draft => {
    const known = drafts.get(subnet);
    if (known !== undefined) return known;
    const draft: Draft = { subnet, tunnels: [] };
    drafts.set(subnet, draft);
    return draft;
  };
  for (const link of ofType(inventory, 'cnci-bridge')) draftOf(link.parsed.subnet).bridge = link;
  for (const link of ofType(inventory, 'cnci-tunnel')) {
    draftOf(link.parsed.subnet).tunnels.push(link);
  }
  const findings: Finding[] = [...inventory.findings];
  const subnets = new Map<string, CnciSubnetView>();
  for (const [subnet, draft] of drafts) {
    subnets.set(subnet, viewOf(draft));
    findings.push(...inspect(draft));
  }
  const mesh = ofType(inventory, 'mesh')[0];
  if (mesh?.row.isUp === false) {
    findings.push({
      type: 'down',
      text: `the mesh ${mesh.row.ifname} is down; updateNeighbors brings it up`,
      link: linkOf(mesh.row),
      remedy: 'none',
    });
  }
  return {
    subnets,
    mesh: mesh && toKnownMesh(mesh.row),
    anchors: ofType(inventory, 'anchor').map(({ row }) => toKnownLink(row)),
    trash: inventory.trash.map(toKnownLink),
    findings,
  };
}

function toKnownMesh(row: LinkRow): KnownMesh {
  return {
    ...toKnownTunnel(row),
    kind: row.kind === 'vxlan' ? 'vxlan' : 'gre',
    port: row.data?.port,
    isUp: row.isUp,
  };
}

function viewOf(draft: Draft): CnciSubnetView {
  const tunnels = new Map<string, KnownTunnel>();
  let vxlan: KnownTunnel | undefined;
  for (const { row, parsed } of draft.tunnels) {
    const known = toKnownTunnel(row);
    if (parsed.tunnel === 'vxlan') vxlan = known;
    else tunnels.set(parsed.cnIp, known);
  }
  return {
    subnet: draft.subnet,
    bridge: draft.bridge && toKnownLink(draft.bridge.row),
    tunnels,
    vxlan,
  };
}

function inspect(draft: Draft): Finding[] {
  const { bridge, subnet, tunnels } = draft;
  if (bridge === undefined) {
    return tunnels.map(({ row }) => ({
      type: 'missing-bridge',
      text: `tunnel ${row.ifname} belongs to subnet ${subnet}, whose bridge is not there`,
      link: linkOf(row),
      subnet,
      // Its alias has all that it takes.
      remedy: 'remake',
    }));
  }
  const findings: Finding[] = inspectBridge(bridge.row, subnet);
  for (const { row } of [bridge, ...tunnels]) {
    if (row !== bridge.row && row.master !== bridge.row.ifindex) {
      findings.push({
        type: 'detached',
        text: `tunnel ${row.ifname} is not attached to its bridge ${bridge.row.ifname}`,
        link: linkOf(row),
        subnet,
        remedy: 'reattach',
      });
    }
    if (!row.isUp) {
      const text = `${row.ifname} is down`;
      findings.push({ type: 'down', text, link: linkOf(row), subnet, remedy: 'reattach' });
    }
  }
  return findings;
}
