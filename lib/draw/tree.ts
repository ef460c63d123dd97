import { formatBranch } from './branch';
import type { Branch } from './branch';
import type {
  Drawable,
  DrawableCnci,
  DrawableCnciSubnet,
  DrawableFinding,
  DrawableMesh,
  DrawableNode,
  DrawableNodeSubnet,
  DrawableUplink,
  DrawableVnic,
} from './shape';
import { Findings, groupByTenant, titleOf, tunnelWords } from './words';

export interface TreeOptions {
  /** Only characters of ASCII. Default: false. */
  readonly ascii?: boolean;
}

/**
 * Draws topologies as trees of text, one after the other: each with its tenants, bridges, tunnels and
 * VNICs. What is out of order stands under what it is about, marked by `!`.
 */
export function drawTree(
  topologies: Drawable | readonly Drawable[],
  options: TreeOptions = {},
): string {
  const ascii = options.ascii ?? false;
  const list = 'type' in topologies ? [topologies] : topologies;
  const pen = ascii ? ASCII_PEN : UNICODE_PEN;
  return list.map((one) => formatBranch(branchOf(one, pen), { ascii })).join('\n');
}

interface Pen {
  readonly dot: string;
  readonly arrow: string;
}

const UNICODE_PEN: Pen = { dot: ' · ', arrow: '→' };
const ASCII_PEN: Pen = { dot: ', ', arrow: '->' };

function branchOf(drawable: Drawable, pen: Pen): Branch {
  return drawable.type === 'cnci' ? cnciBranch(drawable, pen) : nodeBranch(drawable, pen);
}

function nodeBranch(node: DrawableNode, pen: Pen): Branch {
  const findings = new Findings(node.findings);
  const tenants = [...groupByTenant(node.subnets)].map(([tenant, subnets]) => ({
    text:
      tenant === undefined ? 'tenant unknown: the ids cannot be told apart' : `tenant ${tenant}`,
    children: subnets.map((subnet) => nodeSubnetBranch(subnet, findings, pen)),
  }));
  const cnciVnics = node.cnciVnics.map((vnic) => ({
    text: [`CNCI VNIC ${vnic.linkName}`, vnic.mac, `tenant ${vnic.tenantId}`].join(pen.dot),
    children: marks(findings.ofLink(vnic)),
  }));
  const children = [...tenants, ...cnciVnics, ...marks(findings.rest())];
  return { text: headline(node, node.computeLink, pen), children: orNothing(children) };
}

function nodeSubnetBranch(subnet: DrawableNodeSubnet, findings: Findings, pen: Pen): Branch {
  const { bridge, tunnel, ids, scope, concIp } = subnet;
  const name = ids === undefined ? scope : `subnet ${ids.subnetId}`;
  const parts: Branch[] = bridge === undefined ? [] : marks(findings.ofLink(bridge));
  if (tunnel !== undefined) {
    const far = `${pen.arrow} ${ids === undefined ? '' : `CNCI ${ids.concId} at `}${concIp}`;
    parts.push({
      text: `tunnel ${tunnel.linkName}${pen.dot}${tunnelWords(tunnel)} ${far}`,
      children: marks(findings.ofLink(tunnel)),
    });
  }
  for (const vnic of subnet.vnics) parts.push(vnicBranch(vnic, findings, pen));
  return {
    text: [name, bridgeWords(bridge, pen)].join(pen.dot),
    children: [...parts, ...marks(findings.ofSubnet(scope))],
  };
}

function vnicBranch(vnic: DrawableVnic, findings: Findings, pen: Pen): Branch {
  const inside = vnic.interfaceName === vnic.linkName ? '' : ` ${pen.arrow} ${vnic.interfaceName}`;
  const words = [`${vnic.role} ${vnic.linkName}${inside}`, vnic.ip];
  if (vnic.mac !== undefined) words.push(vnic.mac);
  return { text: words.join(pen.dot), children: marks(findings.ofLink(vnic)) };
}

function cnciBranch(cnci: DrawableCnci, pen: Pen): Branch {
  const findings = new Findings(cnci.findings);
  const tenant: Branch = {
    text: `tenant ${cnci.tenantId}`,
    children: orNothing([
      ...cnci.subnets.map((subnet) => cnciSubnetBranch(subnet, findings, pen)),
      ...(cnci.mesh === undefined ? [] : [meshBranch(cnci.mesh, findings, pen)]),
    ]),
  };
  return {
    text: headline(cnci, cnci.computeLink, pen),
    children: [tenant, ...marks(findings.rest())],
  };
}

function cnciSubnetBranch(subnet: DrawableCnciSubnet, findings: Findings, pen: Pen): Branch {
  const { bridge } = subnet;
  const tunnels = subnet.tunnels.map((tunnel) => ({
    text: `tunnel ${tunnel.linkName}${pen.dot}${tunnelWords(tunnel)} ${pen.arrow} ${tunnel.cnIp}`,
    children: marks(findings.ofLink(tunnel)),
  }));
  return {
    text: [`subnet ${subnet.subnet}`, `gateway ${subnet.gateway}`, bridgeWords(bridge, pen)].join(
      pen.dot,
    ),
    children: [
      ...(bridge === undefined ? [] : marks(findings.ofLink(bridge))),
      ...tunnels,
      ...marks(findings.ofSubnet(subnet.subnet)),
    ],
  };
}

/** Neighbours that are drawn one by one. */
const MOST_NEIGHBOURS = 64;

function meshBranch(mesh: DrawableMesh, findings: Findings, pen: Pen): Branch {
  const words = [`mesh ${mesh.linkName}`, tunnelWords(mesh), `MTU ${String(mesh.mtu)}`];
  if (mesh.tunnelIp !== undefined) words.splice(1, 0, mesh.tunnelIp);
  const more = mesh.neighbours.length - MOST_NEIGHBOURS;
  return {
    text: words.join(pen.dot),
    children: [
      ...marks(findings.ofLink(mesh)),
      ...mesh.neighbours.slice(0, MOST_NEIGHBOURS).map(({ tunnelIp, physicalIp, subnet }) => ({
        text: [
          `${pen.arrow} CNCI ${tunnelIp} at ${physicalIp ?? 'an unknown address'}`,
          subnet === undefined ? 'no subnet' : `subnet ${subnet}`,
        ].join(pen.dot),
        children: [],
      })),
      ...(more > 0 ? [{ text: `and ${String(more)} more`, children: [] }] : []),
    ],
  };
}

function headline(drawable: Drawable, uplink: DrawableUplink, pen: Pen): string {
  const { linkName, address, mtu } = uplink;
  return [titleOf(drawable), `${linkName} ${address}`, `MTU ${String(mtu)}`].join(pen.dot);
}

function bridgeWords(
  bridge: { readonly linkName: string; readonly mtu: number } | undefined,
  pen: Pen,
): string {
  if (bridge === undefined) return 'no bridge';
  return `bridge ${bridge.linkName}${pen.dot}MTU ${String(bridge.mtu)}`;
}

function marks(findings: readonly DrawableFinding[]): Branch[] {
  return findings.map(({ type, text }) => ({ text: `! ${type}: ${text}`, children: [] }));
}

function orNothing(children: readonly Branch[]): readonly Branch[] {
  return children.length > 0 ? children : [{ text: 'nothing', children: [] }];
}
