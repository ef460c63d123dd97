/** Turns the tables of the addon into rows. */

import type { NativeTable } from './native';
import type { AddressRow, LinkRow, LinkRowData, NeighbourRow, RouteRow } from './rows';

const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
// As native/rtnl/kinds.h has them.
const HAS_KEY = 1;
const IS_TUN = 8;
const HAS_ALT_NAMES = 16;
const HAS_ENDS = 32;
const HAS_MODE = 64;
const KIND_AS_BEFORE = 128;
const TAKES_ADVERTISEMENTS = 256;
const WAITS_FOR_PEER = 512;
const DATA_FLAGS = 15;

/** What happened to a link; `resync`: notifications were lost, read everything again. */
export type LinkEvent =
  { readonly type: 'changed' | 'gone'; readonly link: LinkRow } | { readonly type: 'resync' };

class Cursor {
  readonly #numbers: Uint32Array;
  readonly #texts: readonly string[];
  #number = 0;
  #text = 0;
  #kind = '';

  constructor(table: NativeTable) {
    this.#numbers = table.numbers;
    this.#texts = table.text.split('\0');
  }

  get isAtEnd(): boolean {
    return this.#number >= this.#numbers.length;
  }
  number(): number {
    return this.#numbers[this.#number++] ?? 0;
  }
  text(): string {
    return this.#texts[this.#text++] ?? '';
  }
  kind(isAsBefore: boolean): string {
    if (!isAsBefore) this.#kind = this.text();
    return this.#kind;
  }
}

export function decodeLinks(table: NativeTable): LinkRow[] {
  const cursor = new Cursor(table);
  const rows: LinkRow[] = [];
  while (!cursor.isAtEnd) rows.push(decodeLink(cursor));
  return rows;
}

export function decodeEvents(table: NativeTable): LinkEvent[] {
  const cursor = new Cursor(table);
  const types = ['changed', 'gone', 'resync'] as const;
  const events: LinkEvent[] = [];
  while (!cursor.isAtEnd) {
    const type = types[cursor.number()] ?? 'resync';
    const link = decodeLink(cursor);
    events.push(type === 'resync' ? { type } : { type, link });
  }
  return events;
}

function decodeLink(cursor: Cursor): LinkRow {
  const ifindex = cursor.number();
  const mtu = cursor.number();
  const master = cursor.number();
  const link = cursor.number();
  const flags = cursor.number();
  const group = cursor.number();
  const key = cursor.number();
  const port = cursor.number();
  const traits = cursor.number();
  const dataFlags = traits & DATA_FLAGS;
  const ifname = cursor.text();
  const alias = cursor.text();
  const address = cursor.text();
  const kind = cursor.kind((traits & KIND_AS_BEFORE) !== 0);
  const row: { -readonly [Key in keyof LinkRow]: LinkRow[Key] } = {
    ifindex,
    ifname,
    alias,
    // The kernel calls a tap and a tun device "tun" alike; only the first is one of ours.
    kind: kind === 'tun' && (dataFlags & IS_TUN) === 0 ? 'tap' : kind,
    address,
    mtu,
    master,
    link,
    isUp: (flags & IFF_UP) !== 0,
    isLoopback: (flags & IFF_LOOPBACK) !== 0,
    group,
  };
  const ends =
    (traits & HAS_ENDS) === 0 ? NO_ENDS : { local: cursor.text(), remote: cursor.text() };
  const mode = (traits & HAS_MODE) === 0 ? '' : cursor.text();
  if ((traits & HAS_ALT_NAMES) !== 0) row.altNames = Object.freeze(cursor.text().split(' '));
  if ((traits & TAKES_ADVERTISEMENTS) !== 0) row.takesAdvertisements = true;
  if ((traits & WAITS_FOR_PEER) !== 0) row.waitsForPeer = true;
  const data =
    row.kind === 'tap'
      ? TAP_DATA[(dataFlags >> 1) & 3]
      : decodeData({ key, port, hasKey: (dataFlags & HAS_KEY) !== 0, ...ends, mode });
  // Set, not spread: of thousands of rows a copy each would cost more than reading them.
  if (data !== undefined) row.data = data;
  return row;
}

// By the flags 2 (several queues) and 4 (persistent): a node has thousands of taps of one kind.
const TAP_DATA: readonly LinkRowData[] = [false, true].flatMap((persistent) =>
  [false, true].map((multiQueue) => Object.freeze({ multiQueue, persistent })),
);
const NO_ENDS = { local: '', remote: '' };

interface RawData {
  readonly key: number;
  readonly port: number;
  readonly hasKey: boolean;
  readonly local: string;
  readonly remote: string;
  readonly mode: string;
}

function decodeData(raw: RawData): LinkRowData | undefined {
  if (raw.mode !== '') return { mode: raw.mode };
  if (!raw.hasKey && raw.port === 0 && raw.local === '' && raw.remote === '') return undefined;
  return {
    ...(raw.hasKey && { key: raw.key }),
    ...(raw.port !== 0 && { port: raw.port }),
    ...(raw.local !== '' && { local: raw.local }),
    ...(raw.remote !== '' && { remote: raw.remote }),
  };
}

export function decodeAddresses(table: NativeTable): AddressRow[] {
  const cursor = new Cursor(table);
  const rows: AddressRow[] = [];
  while (!cursor.isAtEnd) {
    const ifindex = cursor.number();
    const prefixLength = cursor.number();
    rows.push({ ifindex, address: cursor.text(), prefixLength });
  }
  return rows;
}

export function decodeRoutes(table: NativeTable): RouteRow[] {
  const cursor = new Cursor(table);
  const rows: RouteRow[] = [];
  while (!cursor.isAtEnd) {
    const ifindex = cursor.number();
    const destination = cursor.text();
    const via = cursor.text();
    rows.push(via === '' ? { destination, ifindex } : { destination, ifindex, via });
  }
  return rows;
}

export function decodeNeighbours(table: NativeTable): NeighbourRow[] {
  const cursor = new Cursor(table);
  const rows: NeighbourRow[] = [];
  while (!cursor.isAtEnd) {
    const ifindex = cursor.number();
    const isPermanent = cursor.number() !== 0;
    const address = cursor.text();
    const lladdr = cursor.text();
    rows.push(
      address === '' ? { ifindex, lladdr, isPermanent } : { ifindex, address, lladdr, isPermanent },
    );
  }
  return rows;
}
