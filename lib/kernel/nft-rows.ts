/** What nf_tables and connection tracking answer, as plain records. */

import type {
  ConntrackTuple,
  NftBase,
  NftExpression,
  NftFamily,
  NftHook,
  NftTableFlag,
  NftType,
  NftVerdict,
} from '../plan';

interface InTable {
  readonly family: NftFamily | 'other';
  readonly table: string;
}

export interface NftTableRow extends InTable {
  readonly flags: readonly NftTableFlag[];
  readonly handle: number;
  /** The netlink port of the socket that owns it; 0 where nobody does. */
  readonly owner: number;
}

/** Where a base chain is called; the type may be one that no step of ours makes. */
export type NftBaseRow = Omit<NftBase, 'type' | 'hook'> & {
  readonly type: string;
  readonly hook: NftHook | 'other';
};

export interface NftChainRow extends InTable {
  readonly chain: string;
  readonly handle: number;
  /** Left out: a chain that rules jump to. */
  readonly base?: NftBaseRow;
}

export type NftReadVerdict = NftVerdict | { readonly code: 'other'; readonly chain?: string };

/** What a step can say comes back as it was written; the rest by its name alone. */
export type NftReadExpression =
  | Exclude<NftExpression, { readonly type: 'verdict' }>
  | { readonly type: 'verdict'; readonly verdict: NftReadVerdict }
  | { readonly type: 'other'; readonly name: string };

export interface NftRuleRow extends InTable {
  readonly chain: string;
  readonly handle: number;
  readonly comment?: string;
  readonly expressions: readonly NftReadExpression[];
}

export interface NftSetRow extends InTable {
  readonly set: string;
  readonly handle: number;
  readonly key: readonly (NftType | 'other')[];
  /** Of a map to values. */
  readonly data?: readonly (NftType | 'other')[];
  readonly flags: readonly 'constant'[];
  /** The most elements it may have, where its maker said. */
  readonly size?: number;
  readonly keyBytes: number;
  readonly dataBytes: number;
  /** As in `NftElementsCommand`; in the order of the kernel, which is none. */
  readonly packed: Uint8Array;
  /** Of a verdict map: one for each element. */
  readonly verdicts?: readonly NftReadVerdict[];
}

/** One table as it was at one moment. */
export interface NftTableState extends NftTableRow {
  readonly chains: readonly NftChainRow[];
  readonly sets: readonly NftSetRow[];
  readonly rules: readonly NftRuleRow[];
  readonly generation: number;
}

/** The tables and chains of all families at one moment. */
export interface NftOverview {
  readonly tables: readonly NftTableRow[];
  readonly chains: readonly NftChainRow[];
  readonly generation: number;
}

/** What one transaction did to one table; `resync`: notifications were lost, read everything again. */
export type NftEvent =
  | (InTable & {
      readonly type: 'changed' | 'gone';
      readonly generation: number;
      /** The thread that did it, and what it calls itself. */
      readonly pid: number;
      readonly program: string;
      /** It was a plan that ran on this handle. */
      readonly isOwn: boolean;
    })
  | { readonly type: 'resync' };

/** What a flow must be like; what is left out does not matter. */
export interface ConntrackFilter {
  readonly protocol?: ConntrackTuple['protocol'];
  /** Of the original direction. */
  readonly source?: string;
  readonly destination?: string;
  readonly destinationPort?: number;
  /** Who answers: behind a DNAT not whom the first packet named. */
  readonly replySource?: string;
}

export interface ConntrackRow {
  readonly original: ConntrackTuple;
  readonly reply: ConntrackTuple;
  /** Bits `IPS_*` of the kernel. */
  readonly status: number;
  readonly mark: number;
  readonly zone: number;
}
