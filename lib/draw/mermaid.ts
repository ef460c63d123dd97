import type { Drawable, DrawableCnci, DrawableMesh, DrawableNode } from './shape';
import { titleOf, tunnelWords } from './words';

/**
 * Draws topologies as one Mermaid flowchart: hosts are boxes, and a tunnel whose two ends are both
 * among the topologies is a line between them. What is out of order is a note of its own.
 */
export function drawMermaid(topologies: Drawable | readonly Drawable[]): string {
  const list = 'type' in topologies ? [topologies] : topologies;
  const chart = new Chart(list);
  list.forEach((drawable, index) => {
    if (drawable.type === 'cnci') chart.addCnci(drawable, index);
    else chart.addNode(drawable, index);
  });
  return chart.toString();
}

class Chart {
  readonly #lines: string[] = ['flowchart LR'];
  readonly #edges: string[] = [];
  readonly #notes: string[] = [];
  /** Which boxes end tunnels on a CNCI: by its address, a compute node's address, kind and key. */
  readonly #farEnds = new Map<string, string>();
  readonly #outside = new Set<string>();
  /** Meshes by the address of their concentrator, kind and key. */
  readonly #meshes = new Map<string, string>();

  constructor(drawables: readonly Drawable[]) {
    drawables.forEach((drawable, index) => {
      if (drawable.type !== 'cnci') return;
      const { mesh, computeLink } = drawable;
      if (mesh !== undefined) this.#meshes.set(meshKey(computeLink.address, mesh), meshId(index));
      drawable.subnets.forEach((subnet, at) => {
        for (const { kind, key, cnIp } of subnet.tunnels) {
          const end = tunnelKey(drawable.computeLink.address, cnIp, kind, key);
          this.#farEnds.set(end, bridgeId(index, at));
        }
      });
    });
  }

  addNode(node: DrawableNode, index: number): void {
    this.#open(node, index);
    node.subnets.forEach((subnet, at) => {
      const bridge = bridgeId(index, at);
      const who =
        subnet.ids === undefined ? [subnet.scope] : [subnet.ids.tenantId, subnet.ids.subnetId];
      this.#box(bridge, [subnet.bridge?.linkName ?? 'no bridge', ...who]);
      subnet.vnics.forEach((vnic, port) => {
        const id = `${bridge}v${String(port)}`;
        this.#box(id, [`${vnic.role} ${vnic.ip}`, vnic.linkName]);
        this.#lines.push(`    ${bridge} --- ${id}`);
      });
      if (subnet.tunnel === undefined) return;
      const { kind, key } = subnet.tunnel;
      const end = tunnelKey(subnet.concIp, node.computeLink.address, kind, key);
      const far = this.#farEnds.get(end) ?? this.#outsider(subnet.concIp);
      this.#edges.push(`  ${bridge} == ${quote([tunnelWords(subnet.tunnel)])} ==> ${far}`);
    });
    node.cnciVnics.forEach((vnic, port) => {
      const lines = [`CNCI VNIC ${vnic.linkName}`, vnic.tenantId];
      this.#box(`n${String(index)}c${String(port)}`, lines);
    });
    this.#close(node, index);
  }

  addCnci(cnci: DrawableCnci, index: number): void {
    this.#open(cnci, index);
    cnci.subnets.forEach((subnet, at) => {
      const name = subnet.bridge?.linkName ?? 'no bridge';
      this.#box(bridgeId(index, at), [name, cnci.tenantId, `gateway ${subnet.gateway}`]);
    });
    this.#addMesh(cnci, index);
    this.#close(cnci, index);
  }

  // Each line once, from the lower box; to who is not in the picture there is none.
  #addMesh({ mesh, tenantId }: DrawableCnci, index: number): void {
    if (mesh === undefined) return;
    const id = meshId(index);
    this.#box(id, [mesh.linkName, tenantId, mesh.tunnelIp ?? 'no address']);
    for (const { physicalIp } of mesh.neighbours) {
      const far =
        physicalIp === undefined ? undefined : this.#meshes.get(meshKey(physicalIp, mesh));
      if (far === undefined || far.localeCompare(id, 'en', { numeric: true }) <= 0) continue;
      this.#edges.push(`  ${id} <== ${quote([tunnelWords(mesh)])} ==> ${far}`);
    }
  }

  toString(): string {
    return [...this.#lines, ...this.#edges, ...this.#notes].join('\n');
  }

  #open(drawable: Drawable, index: number): void {
    const { address } = drawable.computeLink;
    this.#lines.push(`  subgraph n${String(index)} [${quote([titleOf(drawable), address])}]`);
  }

  #close(drawable: Drawable, index: number): void {
    this.#lines.push('  end');
    drawable.findings.forEach(({ type, text }, at) => {
      const id = `n${String(index)}f${String(at)}`;
      this.#notes.push(`  ${id}>${quote([`! ${type}`, text])}] -.- n${String(index)}`);
    });
  }

  #box(id: string, lines: readonly string[]): void {
    this.#lines.push(`    ${id}[${quote(lines)}]`);
  }

  #outsider(address: string): string {
    const id = `x${address.replaceAll('.', '_')}`;
    if (!this.#outside.has(id)) {
      this.#outside.add(id);
      this.#edges.push(`  ${id}([${quote([`CNCI at ${address}`])}])`);
    }
    return id;
  }
}

function bridgeId(host: number, subnet: number): string {
  return `n${String(host)}s${String(subnet)}`;
}

function meshId(host: number): string {
  return `n${String(host)}m`;
}

function meshKey(address: string, { kind, key }: DrawableMesh): string {
  return [address, kind, String(key)].join(' ');
}

// A tenant that has one subnet on two nodes has the same key twice: both ends tell tunnels apart.
function tunnelKey(cnci: string, cn: string, kind: string, key: number | undefined): string {
  return [cnci, cn, kind, String(key)].join(' ');
}

/** A label; Mermaid knows entities in place of characters that it would take for its own. */
function quote(lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    line.replaceAll(/[#"<>&`\\]/g, (character) => `#${String(character.charCodeAt(0))};`),
  );
  return `"${escaped.join('<br>')}"`;
}
