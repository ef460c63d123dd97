import { parseAlias } from '../alias';
import type { ParsedAlias } from '../alias';
import type { LinkRow } from '../kernel';
import { LINK_PREFIX } from '../model';
import type { TunnelKind } from '../model';
import type { Finding } from './findings';
import { identityKey } from './identity-key';

/** A link with an alias of ours, and of the kind that the alias says. */
export interface OurLink<P extends ParsedAlias = ParsedAlias> {
  readonly row: LinkRow;
  readonly parsed: P;
}

/** The links of a namespace, sorted into ours and others. */
export interface Inventory {
  readonly ours: readonly OurLink[];
  /** Links that say to be what another of ours is already; they count for nothing. */
  readonly duplicates: readonly LinkRow[];
  /** Links that were given up and wait to be deleted. */
  readonly trash: readonly LinkRow[];
  /** Links with a name of ours and no alias. */
  readonly remnants: readonly LinkRow[];
  readonly foreign: readonly LinkRow[];
  /** Interface indexes of all of them. */
  readonly present: ReadonlySet<number>;
  /** Links with the name of a container's end, by interface index. */
  readonly peers: ReadonlyMap<number, LinkRow>;
  readonly findings: readonly Finding[];
}

// By alias. A variant of the Go library writes `gre_` on VXLAN devices too.
const TUNNEL_LINKS: Readonly<Record<TunnelKind, readonly string[]>> = {
  gre: ['gretap', 'vxlan'],
  vxlan: ['vxlan'],
  geneve: ['geneve'],
};
const TUNNEL_OF_LINK: Readonly<Record<string, TunnelKind>> = {
  gretap: 'gre',
  vxlan: 'vxlan',
  geneve: 'geneve',
};
const PREFIXES: readonly string[] = Object.values(LINK_PREFIX);

/** The kinds of link that an alias may stand on. */
function kindsFor(parsed: ParsedAlias): readonly string[] {
  switch (parsed.type) {
    case 'cn-bridge':
    case 'cnci-bridge':
      return ['bridge'];
    case 'cn-tunnel':
    case 'cnci-tunnel':
      return TUNNEL_LINKS[parsed.tunnel];
    case 'cn-vnic':
      return ['tap', 'veth'];
    case 'cnci-vnic':
      return ['macvtap'];
    case 'mesh':
      return ['gre', 'vxlan'];
    case 'anchor':
      return ['vxlan'];
    case 'trash':
      return ['bridge'];
  }
}

/** Sorts one dump of links. Pure, and linear in their number. */
export function takeInventory(rows: readonly LinkRow[]): Inventory {
  const sorter = new LinkSorter();
  sorter.add(rows);
  return sorter.finish();
}

/**
 * Sorts a dump of links while it comes: what is done here is done while the kernel makes the rest.
 */
export class LinkSorter {
  #ours: OurLink[] = [];
  #byKey = new Map<string, OurLink>();
  #trash: LinkRow[] = [];
  #remnants: LinkRow[] = [];
  #foreign: LinkRow[] = [];
  #findings: Finding[] = [];
  #present = new Set<number>();
  #peers = new Map<number, LinkRow>();

  /** Gives those of the rows that seem to be ours; of two with one identity both. */
  add(rows: readonly LinkRow[]): readonly OurLink[] {
    const before = this.#ours.length;
    for (const row of rows) {
      this.#present.add(row.ifindex);
      this.#sort(row, row.alias === '' ? undefined : parseAlias(row.alias));
    }
    return this.#ours.slice(before);
  }

  /** What came so far counts for nothing. */
  restart(): void {
    this.#ours = [];
    this.#byKey = new Map();
    this.#trash = [];
    this.#remnants = [];
    this.#foreign = [];
    this.#findings = [];
    this.#present = new Set();
    this.#peers = new Map();
  }

  finish(): Inventory {
    const findings = this.#findings;
    const { single, duplicates } = separateDuplicates(this.#ours, this.#byKey, findings);
    return {
      ours: single,
      duplicates,
      trash: this.#trash,
      remnants: this.#remnants,
      foreign: this.#foreign,
      present: this.#present,
      peers: this.#peers,
      findings,
    };
  }

  #sort(row: LinkRow, parsed: ParsedAlias | undefined): void {
    if (parsed === undefined) {
      if (row.ifname.startsWith(LINK_PREFIX.peer)) this.#peers.set(row.ifindex, row);
      (isRemnant(row) ? this.#remnants : this.#foreign).push(row);
    } else if (!kindsFor(parsed).includes(row.kind)) {
      this.#foreign.push(row);
      this.#findings.push(wrongKind(row, parsed));
    } else if (parsed.type === 'trash') {
      // Only what carries a name of ours too: the word alone is anybody's.
      (hasOurName(row) ? this.#trash : this.#foreign).push(row);
    } else {
      this.#own({ row, parsed });
    }
  }

  // Of several links with one identity one with a name of ours counts, then the one with the lowest index.
  #own(link: OurLink): void {
    this.#ours.push(link);
    const key = keyOf(link);
    const known = this.#byKey.get(key);
    if (known === undefined || isBefore(link.row, known.row)) this.#byKey.set(key, link);
  }
}

function separateDuplicates(
  ours: OurLink[],
  first: ReadonlyMap<string, OurLink>,
  findings: Finding[],
): { readonly single: OurLink[]; readonly duplicates: LinkRow[] } {
  const duplicates: LinkRow[] = [];
  if (first.size === ours.length) return { single: ours, duplicates };
  const single = ours.filter((link) => {
    const counts = first.get(keyOf(link));
    if (counts === link) return true;
    duplicates.push(link.row);
    findings.push(duplicate(link.row, counts?.row));
    return false;
  });
  return { single, duplicates };
}

function isBefore(row: LinkRow, other: LinkRow): boolean {
  const isNamed = hasOurName(row);
  return isNamed === hasOurName(other) ? row.ifindex < other.ifindex : isNamed;
}

// A subnet has one tunnel, of whatever kind. Anchors have no identity: one more is just one to delete.
function keyOf({ parsed, row }: OurLink): string {
  if (parsed.type === 'anchor') return `anchor ${String(row.ifindex)}`;
  if (parsed.type === 'cn-tunnel') return `tunnel ${identityKey(parsed.scope.text)}`;
  return identityKey(row.alias);
}

/** Picks the links of one type, typed as such. */
export function ofType<T extends ParsedAlias['type']>(
  inventory: Inventory,
  type: T,
): OurLink<Extract<ParsedAlias, { readonly type: T }>>[] {
  return inventory.ours.filter((link) => isOfType(link, type));
}

export function isOfType<T extends ParsedAlias['type']>(
  link: OurLink,
  type: T,
): link is OurLink<Extract<ParsedAlias, { readonly type: T }>> {
  return link.parsed.type === type;
}

/** What kind of tunnel a link is, whatever its alias says. */
export function tunnelKindOf(row: LinkRow): TunnelKind {
  return TUNNEL_OF_LINK[row.kind] ?? 'gre';
}

/** A bridge on which a tenant could tell this machine its routers. */
export function inspectBridge(row: LinkRow, subnet: string): Finding[] {
  if (row.takesAdvertisements !== true) return [];
  const text = `${row.ifname} takes router advertisements from subnet ${subnet}`;
  return [{ type: 'open', text, link: linkOf(row), subnet, remedy: 'close' }];
}

export function linkOf(row: LinkRow): NonNullable<Finding['link']> {
  return { linkName: row.ifname, ifIndex: row.ifindex, alias: row.alias };
}

function hasOurName(row: LinkRow): boolean {
  return PREFIXES.some((prefix) => row.ifname.startsWith(prefix));
}

// A container end has no alias by nature: it goes with its host end.
function isRemnant(row: LinkRow): boolean {
  return row.alias === '' && hasOurName(row) && !row.ifname.startsWith(LINK_PREFIX.peer);
}

function wrongKind(row: LinkRow, parsed: ParsedAlias): Finding {
  const expected = kindsFor(parsed).join(' or ');
  const kind = row.kind === '' ? 'a physical device' : `a ${row.kind}`;
  return {
    type: 'wrong-kind',
    text: `${row.ifname} has the alias of a ${expected} of ours, but is ${kind}; it is left alone`,
    link: linkOf(row),
    remedy: 'none',
  };
}

function duplicate(row: LinkRow, first: LinkRow | undefined): Finding {
  return {
    type: 'duplicate',
    text: `${row.ifname} has the same identity as ${first?.ifname ?? 'another link'}; only that one counts`,
    link: linkOf(row),
    remedy: 'none',
  };
}
