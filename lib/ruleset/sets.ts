import type { NftCommand, NftElementsCommand, NftSetCommand, NftVerdict } from '../plan';
import { FAMILY, SET, TABLE, portsOf } from './names';
import { bytesOf, packElements } from './pack';
import type { Field, PackedType } from './pack';

const HERE = { family: FAMILY, table: TABLE } as const;

/** What the elements of a set look like. */
interface Layout {
  readonly key: readonly PackedType[];
  /** Of a map. */
  readonly data?: readonly PackedType[] | 'verdict';
  readonly size?: number;
}

export const LAYOUT: Readonly<Record<keyof typeof SET, Layout>> = {
  external: { key: ['ifname'] },
  inside: { key: ['ifname'] },
  arrivals: { key: ['ifname'], data: 'verdict' },
  pairs: { key: ['ifname', 'ifname'], data: 'verdict' },
  published: { key: ['ipv4_addr'], data: ['ipv4_addr'] },
  sources: { key: ['ipv4_addr', 'ifname'], data: ['ipv4_addr'] },
};

/**
 * A map that is told how large it may become is a hash table made once and for all, 2 MiB here: to add
 * thousands to one that grows takes twice as long. There are 131,070 ports, tcp's and udp's; what goes
 * in a transaction counts until it is done, and the buckets are enough for this many.
 */
export const PORT_LAYOUT = {
  key: ['inet_proto', 'inet_service'],
  data: ['ipv4_addr', 'inet_service'],
  size: 196_608,
} as const satisfies Layout;

export function declareSet(name: keyof typeof SET): NftSetCommand {
  return declare(SET[name], LAYOUT[name]);
}

export function declarePorts(device: string): NftSetCommand {
  return declare(portsOf(device), PORT_LAYOUT);
}

function declare(set: string, { key, data, size }: Layout): NftSetCommand {
  return {
    op: 'set.add',
    ...HERE,
    set,
    key,
    ...(data !== undefined && { data: data === 'verdict' ? ['verdict'] : data }),
    ...(size !== undefined && { size }),
  };
}

function dataOf({ data }: Layout): readonly PackedType[] {
  return data === undefined || data === 'verdict' ? [] : data;
}

/** One row for each element: the fields of its key, then those of its data. */
export type Rows = readonly (readonly Field[])[];

export function addElements(
  name: keyof typeof SET,
  rows: Rows,
  verdicts?: readonly NftVerdict[],
): NftElementsCommand[] {
  if (rows.length === 0) return [];
  const layout = LAYOUT[name];
  const data = dataOf(layout);
  return [
    {
      op: 'elements.add',
      ...HERE,
      set: SET[name],
      keyBytes: bytesOf(layout.key),
      dataBytes: bytesOf(data),
      packed: packElements([...layout.key, ...data], rows),
      ...(verdicts !== undefined && { verdicts }),
    },
  ];
}

export function deleteElements(name: keyof typeof SET, rows: Rows): NftElementsCommand[] {
  if (rows.length === 0) return [];
  const { key } = LAYOUT[name];
  return [
    {
      op: 'elements.delete',
      ...HERE,
      set: SET[name],
      keyBytes: bytesOf(key),
      dataBytes: 0,
      packed: packElements(key, rows),
    },
  ];
}

const PORT_SIZES = {
  keyBytes: bytesOf(PORT_LAYOUT.key),
  dataBytes: bytesOf(PORT_LAYOUT.data),
};

/** What goes, goes first: a port may come back with another target in the same transaction. */
export function changePortElements(
  device: string,
  { put, drop }: { readonly put: Uint8Array; readonly drop: Uint8Array },
): Transaction {
  const set = portsOf(device);
  const elements = (op: NftElementsCommand['op'], packed: Uint8Array): NftElementsCommand[] =>
    packed.length === 0 ? [] : [{ op, ...HERE, set, ...PORT_SIZES, packed }];
  return {
    commands: [...elements('elements.delete', drop), ...elements('elements.add', put)],
    before: [...elements('elements.delete', put), ...elements('elements.add', drop)],
  };
}

export const ACCEPT: NftVerdict = Object.freeze({ code: 'accept' });

/** A transaction and what takes it back. */
export interface Transaction {
  readonly commands: readonly NftCommand[];
  readonly before: readonly NftCommand[];
}
