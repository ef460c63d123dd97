/** Turns what the addon reads of netfilter into rows. */

import type { ConntrackTuple } from '../plan';
import type { NativeNftSet, NativeNftTable, NativeTable } from './native';
import type { ConntrackRow, NftReadVerdict, NftSetRow, NftTableState } from './nft-rows';

// As native/napi/encode_nft.cc AddFlow writes them.
const FLOW_NUMBERS = 12;

// NF_DROP, NF_ACCEPT and enum nft_verdicts, as unsigned numbers.
const VERDICTS: ReadonlyMap<number, NftReadVerdict['code']> = new Map([
  [0, 'drop'],
  [1, 'accept'],
  [0xffff_ffff, 'continue'],
  [0xffff_fffd, 'jump'],
  [0xffff_fffc, 'goto'],
  [0xffff_fffb, 'return'],
]);

const PROTOCOLS: ReadonlyMap<number, ConntrackTuple['protocol']> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
]);

export function decodeNftTable(table: NativeNftTable): NftTableState {
  return { ...table, sets: table.sets.map(decodeSet) };
}

function decodeSet(set: NativeNftSet): NftSetRow {
  const { verdicts, ...rest } = set;
  return verdicts === undefined ? rest : { ...rest, verdicts: decodeVerdicts(verdicts) };
}

/** Equal ones share an object: a map of thousands has a handful of verdicts. */
function decodeVerdicts(table: NativeTable): NftReadVerdict[] {
  const chains = table.text.split('\0');
  const known = new Map<string, NftReadVerdict>();
  return Array.from(table.numbers, (number, n) => {
    const code = VERDICTS.get(number) ?? 'other';
    const chain = chains[n] ?? '';
    const key = `${code} ${chain}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const verdict = Object.freeze(chain === '' ? { code } : { code, chain });
    known.set(key, verdict);
    return verdict;
  });
}

export function decodeFlows({ numbers }: NativeTable): ConntrackRow[] {
  const rows: ConntrackRow[] = [];
  for (let at = 0; at + FLOW_NUMBERS <= numbers.length; at += FLOW_NUMBERS) {
    const number = (n: number): number => numbers[at + n] ?? 0;
    const protocol = PROTOCOLS.get(number(8)) ?? 'udp';
    const zone = number(11);
    const tuple = (from: number): ConntrackTuple => ({
      protocol,
      source: formatAddress(number(from)),
      destination: formatAddress(number(from + 1)),
      sourcePort: number(from + 2),
      destinationPort: number(from + 3),
      ...(zone !== 0 && { zone }),
    });
    const row = { original: tuple(0), reply: tuple(4), status: number(9), mark: number(10), zone };
    rows.push(row);
  }
  return rows;
}

function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => String((address >>> shift) & 255)).join('.');
}
