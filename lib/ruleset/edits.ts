import { PORT_BYTES, keyAt, targetAt, viewOf } from '../model';
import type { NftCommand } from '../plan';
import type { Ledger } from './ledger';
import { ACCEPT, addElements, changePortElements, deleteElements } from './sets';
import type { Transaction } from './sets';

/** What an edit puts in and what it takes out. The inverse is the same the other way round. */
interface PutAndDrop<T> {
  readonly put: readonly T[];
  readonly drop: readonly T[];
}

export type PairRow = readonly [external: string, inside: string];

/** A public address, by numbers. */
export interface PublicRow {
  readonly address: number;
  readonly internal: number;
  readonly device: string;
}

/** Ports of one device, packed: there may be tens of thousands. */
export interface PortEdit {
  readonly type: 'ports';
  readonly device: string;
  readonly put: Uint8Array;
  readonly drop: Uint8Array;
}

/** A change of what the table holds. */
export type Edit =
  | PortEdit
  | ({ readonly type: 'pairs' } & PutAndDrop<PairRow>)
  | ({ readonly type: 'inside' } & PutAndDrop<string>)
  | ({ readonly type: 'public' } & PutAndDrop<PublicRow>);

/** What edits come to: how many things they change, and how many are so already. */
export interface Change {
  readonly edits: readonly Edit[];
  readonly changed: number;
  readonly unchanged: number;
}

/** The edits as one transaction, with what takes it back. */
export function toTransaction(edits: readonly Edit[]): Transaction {
  const commands: NftCommand[] = [];
  const before: NftCommand[] = [];
  for (const edit of edits) {
    const part = toPart(edit);
    commands.push(...part.commands);
    before.unshift(...part.before);
  }
  return { commands, before };
}

/** The edits that undo these. */
export function takeBack(edits: readonly Edit[]): readonly Edit[] {
  return edits.map(invert).reverse();
}

function invert<T extends Edit>(edit: T): T {
  return { ...edit, put: edit.drop, drop: edit.put };
}

/** Does to the ledger what the transaction does to the kernel. */
export function fold(ledger: Ledger, edits: readonly Edit[]): void {
  for (const edit of edits) foldOne(ledger, edit);
}

function toPart(edit: Edit): Transaction {
  return edit.type === 'ports'
    ? changePortElements(edit.device, edit)
    : { commands: commandsOf(edit), before: commandsOf(invert(edit)) };
}

// What goes, goes first, as with ports.
function commandsOf(edit: Exclude<Edit, PortEdit>): NftCommand[] {
  switch (edit.type) {
    case 'pairs': {
      const rows = (pairs: readonly PairRow[]): [string, string][] =>
        pairs.map(([external, inside]) => [inside, external]);
      return [
        ...deleteElements('pairs', rows(edit.drop)),
        ...addElements(
          'pairs',
          rows(edit.put),
          edit.put.map(() => ACCEPT),
        ),
      ];
    }
    case 'inside':
      return [
        ...deleteElements(
          'inside',
          edit.drop.map((name) => [name]),
        ),
        ...addElements(
          'inside',
          edit.put.map((name) => [name]),
        ),
      ];
    case 'public':
      return [
        ...deleteElements(
          'published',
          edit.drop.map(({ address }) => [address]),
        ),
        ...deleteElements(
          'sources',
          edit.drop.map(({ internal, device }) => [internal, device]),
        ),
        ...addElements(
          'published',
          edit.put.map(({ address, internal }) => [address, internal]),
        ),
        ...addElements(
          'sources',
          edit.put.map(({ address, internal, device }) => [internal, device, address]),
        ),
      ];
  }
}

function foldOne(ledger: Ledger, edit: Edit): void {
  switch (edit.type) {
    case 'ports':
      foldPorts(ledger.portsOf(edit.device), edit);
      return;
    case 'pairs':
      for (const [external, inside] of edit.drop) ledger.pairsOf(external).delete(inside);
      for (const [external, inside] of edit.put) ledger.pairsOf(external).add(inside);
      return;
    case 'inside':
      for (const name of edit.drop) ledger.inside.delete(name);
      for (const name of edit.put) ledger.inside.add(name);
      return;
    case 'public':
      foldPublic(ledger, edit);
  }
}

function foldPorts(ports: Map<number, number>, { put, drop }: PortEdit): void {
  const [there, gone] = [viewOf(put), viewOf(drop)];
  for (let at = 0; at < drop.length; at += PORT_BYTES) ports.delete(keyAt(gone, at));
  for (let at = 0; at < put.length; at += PORT_BYTES)
    ports.set(keyAt(there, at), targetAt(there, at));
}

function foldPublic(ledger: Ledger, { put, drop }: PutAndDrop<PublicRow>): void {
  for (const { address, internal, device } of drop) {
    ledger.published.delete(address);
    ledger.sourcesOf(device).delete(internal);
  }
  for (const { address, internal, device } of put) {
    ledger.published.set(address, { internal, device });
    ledger.sourcesOf(device).set(internal, address);
  }
}
