import type { NftBase, NftFamily } from '../plan';
import { Ledger } from './ledger';
import { CHAIN, SET, portsOf } from './names';
import { unpackElements, unpackPorts } from './pack';
import { SIGNATURE, chainsFor, readAbout } from './ruleset';
import { LAYOUT } from './sets';

/** A table as a dump shows it; only what is looked at. */
export interface TableReading {
  readonly family: NftFamily;
  readonly table: string;
  readonly chains: readonly ChainReading[];
  readonly sets: readonly SetReading[];
}

export interface ChainReading {
  readonly chain: string;
  readonly base?: NftBase;
  readonly rules: readonly RuleReading[];
}

export interface RuleReading {
  readonly handle: number;
  readonly comment?: string;
}

export interface SetReading {
  readonly set: string;
  readonly keyBytes: number;
  readonly dataBytes: number;
  /** Key, data, key, data, … */
  readonly packed: Uint8Array;
}

/** Whose table it is, and what it holds. */
export type Recognition =
  | { readonly type: 'ours'; readonly ledger: Ledger; readonly isWhole: boolean }
  | { readonly type: 'foreign'; readonly why: string };

/** Recognises our table by its signature and reads its elements back. */
export function recognise(reading: TableReading): Recognition {
  const comments = chainOf(reading, CHAIN.about)?.rules.map(({ comment }) => comment) ?? [];
  const about = readAbout(comments);
  if (about === undefined) return { type: 'foreign', why: 'it does not carry our signature' };
  if (about.version !== SIGNATURE) return { type: 'foreign', why: `it says ${about.version}` };
  const ledger = new Ledger({
    guardInput: chainOf(reading, CHAIN.input) !== undefined,
    forwardedBefore: about.forwardedBefore,
  });
  fill(ledger, reading);
  return { type: 'ours', ledger, isWhole: isWhole(reading, ledger) };
}

function chainOf(reading: TableReading, name: string): ChainReading | undefined {
  return reading.chains.find(({ chain }) => chain === name);
}

function fill(ledger: Ledger, reading: TableReading): void {
  const rows = (name: keyof typeof SET): (string | number)[][] => {
    const { key, data } = LAYOUT[name];
    const types = data === undefined || data === 'verdict' ? key : [...key, ...data];
    const set = reading.sets.find(({ set }) => set === SET[name]);
    return set === undefined ? [] : unpackElements(types, set.packed);
  };
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
    chainsFor(ledger).every(({ name, base, rules }) => {
      const chain = chainOf(reading, name);
      if (chain === undefined || chain.base?.hook !== base?.hook) return false;
      const found = chain.rules.map(({ comment }) => comment);
      return rules.length === found.length && rules.every((rule, at) => rule.comment === found[at]);
    })
  );
}

/** Whether two ledgers hold the same. */
export function isSame(a: Ledger, b: Ledger): boolean {
  return JSON.stringify(a.toState()) === JSON.stringify(b.toState());
}
