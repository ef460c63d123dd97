import type { Drawable, DrawableFinding, DrawableLink, DrawableNodeSubnet } from './shape';

/** What an operator calls it. */
export function titleOf(drawable: Drawable): string {
  return drawable.type === 'cnci' ? `CNCI ${drawable.id}` : `compute node ${drawable.id}`;
}

/** How a tunnel is called: its kind, and the key where it is known. */
export function tunnelWords(tunnel: { readonly kind: string; readonly key?: number }): string {
  if (tunnel.key === undefined) return tunnel.kind;
  return `${tunnel.kind} ${tunnel.kind === 'gre' ? 'key' : 'VNI'} ${String(tunnel.key)}`;
}

/** Tenants in the order in which their first subnet comes, each with its subnets. */
export function groupByTenant(
  subnets: readonly DrawableNodeSubnet[],
): ReadonlyMap<string | undefined, readonly DrawableNodeSubnet[]> {
  const groups = new Map<string | undefined, DrawableNodeSubnet[]>();
  for (const subnet of subnets) {
    const tenant = subnet.ids?.tenantId;
    const group = groups.get(tenant);
    if (group === undefined) groups.set(tenant, [subnet]);
    else group.push(subnet);
  }
  return groups;
}

/** Finds the place of each finding: at its link, else at its subnet, else at the end. */
export class Findings {
  readonly #waiting: Set<DrawableFinding>;

  constructor(findings: readonly DrawableFinding[]) {
    this.#waiting = new Set(findings);
  }

  /** Takes those about this link. */
  ofLink(link: Pick<DrawableLink, 'ifIndex'>): DrawableFinding[] {
    return this.#take((finding) => finding.link?.ifIndex === link.ifIndex);
  }

  /** Takes those about this subnet that no link of the picture has taken. */
  ofSubnet(subnet: string): DrawableFinding[] {
    return this.#take((finding) => finding.subnet === subnet);
  }

  /** Takes whatever is left. */
  rest(): DrawableFinding[] {
    return this.#take(() => true);
  }

  #take(isWanted: (finding: DrawableFinding) => boolean): DrawableFinding[] {
    const taken = [...this.#waiting].filter(isWanted);
    for (const finding of taken) this.#waiting.delete(finding);
    return taken;
  }
}
