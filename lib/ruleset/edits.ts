import type { NftCommand } from '../plan';
import type { Ledger } from './ledger';
import { ACCEPT, addElements, addPorts, deleteElements, deletePorts } from './sets';
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

/** A change of what the table holds. Ports are key, target, key, target, … */
export type Edit =
  | ({ readonly type: 'ports'; readonly device: string } & PutAndDrop<number>)
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
  return {
    commands: edits.flatMap(commandsOf),
    before: edits.map(inverted).reverse().flatMap(commandsOf),
  };
}

/** Does to the ledger what the transaction does to the kernel. */
export function fold(ledger: Ledger, edits: readonly Edit[]): void {
  for (const edit of edits) foldOne(ledger, edit);
}

function inverted(edit: Edit): Edit {
  return { ...edit, put: edit.drop, drop: edit.put } as Edit;
}

// What goes, goes first: a key may come back with another target in the same transaction.
function commandsOf(edit: Edit): NftCommand[] {
  switch (edit.type) {
    case 'ports':
      return [...deletePorts(edit.device, edit.drop), ...addPorts(edit.device, edit.put)];
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
    case 'ports': {
      const ports = ledger.portsOf(edit.device);
      for (let index = 0; index < edit.drop.length; index += 2) ports.delete(edit.drop[index] ?? 0);
      for (let index = 0; index < edit.put.length; index += 2) {
        ports.set(edit.put[index] ?? 0, edit.put[index + 1] ?? 0);
      }
      return;
    }
    case 'pairs':
      for (const [external, inside] of edit.drop) ledger.pairsOf(external).delete(inside);
      for (const [external, inside] of edit.put) ledger.pairsOf(external).add(inside);
      return;
    case 'inside':
      for (const name of edit.drop) ledger.inside.delete(name);
      for (const name of edit.put) ledger.inside.add(name);
      return;
    case 'public':
      for (const { address, internal, device } of edit.drop) {
        ledger.published.delete(address);
        ledger.sourcesOf(device).delete(internal);
      }
      for (const { address, internal, device } of edit.put) {
        ledger.published.set(address, { internal, device });
        ledger.sourcesOf(device).set(internal, address);
      }
  }
}
