import type { NftTableState } from '../kernel';
import { unpackPorts } from '../model';
import { Ledger } from './ledger';
import { CHAIN, SET, portsOf } from './names';
import { unpackElements } from './pack';
import { SIGNATURE, chainsFor, readAbout } from './ruleset';
import { LAYOUT } from './sets';

/** What is looked at of a table that was read. */
export type TableReading = Pick<NftTableState, 'chains' | 'rules' | 'sets'>;

/** Whose table it is, and what it holds. */
export type Recognition =
  | { readonly type: 'ours'; readonly ledger: Ledger; readonly isWhole: boolean }
  | { readonly type: 'foreign'; readonly why: string };

// Nobody can tell any more whether the machine forwarded before; it goes on doing so.
const FLUSHED = Object.freeze({ version: SIGNATURE, forwardedBefore: true });

/** Recognises our table by its signature and reads its elements back. */
export function recognise(reading: TableReading): Recognition {
  const comments = commentsOf(reading, CHAIN.about);
  const about = readAbout(comments) ?? (isFlushed(reading) ? FLUSHED : undefined);
  if (about === undefined) return { type: 'foreign', why: 'it does not carry our signature' };
  if (about.version !== SIGNATURE) return { type: 'foreign', why: `it says ${about.version}` };
  const ledger = new Ledger({
    guardInput: reading.chains.some(({ chain }) => chain === CHAIN.input),
    forwardedBefore: about.forwardedBefore,
  });
  fill(ledger, reading);
  return { type: 'ours', ledger, isWhole: isWhole(reading, ledger) };
}

/** `nft flush table` takes the rules, the signature among them; chains, sets and elements stay. */
function isFlushed({ chains, rules, sets }: TableReading): boolean {
  const names = new Set(sets.map(({ set }) => set));
  return (
    rules.length === 0 &&
    chains.some(({ chain }) => chain === CHAIN.about) &&
    Object.values(SET).every((name) => names.has(name))
  );
}

function commentsOf(reading: TableReading, name: string): (string | undefined)[] {
  return reading.rules.filter(({ chain }) => chain === name).map(({ comment }) => comment);
}

function rowsOf(reading: TableReading, name: keyof typeof SET): (string | number)[][] {
  const { key, data } = LAYOUT[name];
  const types = data === undefined || data === 'verdict' ? key : [...key, ...data];
  const set = reading.sets.find(({ set }) => set === SET[name]);
  return set === undefined ? [] : unpackElements(types, set.packed);
}

function fill(ledger: Ledger, reading: TableReading): void {
  const rows = (name: keyof typeof SET): (string | number)[][] => rowsOf(reading, name);
  for (const [device] of rows('external')) ledger.external.add(String(device));
  for (const [device] of rows('inside')) ledger.inside.add(String(device));
  for (const [inside, external] of rows('pairs')) {
    ledger.pairsOf(String(external)).add(String(inside));
  }
  for (const [internal, device, address] of rows('sources')) {
    ledger.sourcesOf(String(device)).set(Number(internal), Number(address));
    ledger.published.set(Number(address), { internal: Number(internal), device: String(device) });
  }
  for (const device of ledger.external) {
    const set = reading.sets.find(({ set }) => set === portsOf(device));
    if (set !== undefined) ledger.ports.set(device, unpackPorts(set.packed));
  }
}

// The comments tell the rules apart; what they say is ours, for nobody else writes into our table
// where the kernel guards it, and where it does not, a change by others is answered by writing it anew.
function isWhole(reading: TableReading, ledger: Ledger): boolean {
  const names = new Set(reading.sets.map(({ set }) => set));
  const sets = [...Object.values(SET), ...[...ledger.external].map(portsOf)];
  return (
    sets.every((name) => names.has(name)) &&
    isConsistent(reading, ledger) &&
    chainsFor(ledger).every(({ name, base, rules }) => {
      const chain = reading.chains.find(({ chain }) => chain === name);
      if (chain === undefined || chain.base?.hook !== base?.hook) return false;
      const found = commentsOf(reading, name);
      return rules.length === found.length && rules.every((rule, at) => rule.comment === found[at]);
    })
  );
}

// What is said twice is said alike: the way in and the way out, the external links and their chains.
function isConsistent(reading: TableReading, ledger: Ledger): boolean {
  const published = rowsOf(reading, 'published');
  const arrivals = new Set(rowsOf(reading, 'arrivals').map(([device]) => device));
  return (
    published.length === ledger.published.size &&
    published.every(
      ([address, internal]) => ledger.published.get(Number(address))?.internal === internal,
    ) &&
    arrivals.size === ledger.external.size &&
    [...ledger.external].every((device) => arrivals.has(device))
  );
}

/** Whether two ledgers hold the same; a link with nothing is as good as none. */
export function isSame(a: Ledger, b: Ledger): boolean {
  return (
    a.options.guardInput === b.options.guardInput &&
    a.options.forwardedBefore === b.options.forwardedBefore &&
    isSameSet(a.external, b.external) &&
    isSameSet(a.inside, b.inside) &&
    isSameGrouping(a.pairs, b.pairs, isSameSet) &&
    isSameGrouping(a.ports, b.ports, isSameMap) &&
    a.published.size === b.published.size &&
    [...a.published].every(([address, { internal, device }]) => {
      const other = b.published.get(address);
      return other?.internal === internal && other.device === device;
    })
  );
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const member of a) if (!b.has(member)) return false;
  return true;
}

function isSameMap(a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}

function isSameGrouping<T extends { readonly size: number }>(
  a: ReadonlyMap<string, T>,
  b: ReadonlyMap<string, T>,
  isSameGroup: (a: T, b: T) => boolean,
): boolean {
  const groups = [...a].filter(([, { size }]) => size > 0);
  if (groups.length !== [...b.values()].filter(({ size }) => size > 0).length) return false;
  return groups.every(([name, group]) => {
    const other = b.get(name);
    return other !== undefined && isSameGroup(group, other);
  });
}
