import type { TransportProtocol } from './firewall-config';
import { numberToAddress } from './ip';
import type { Ipv4Address } from './ip';

/**
 * Port mappings of one device, as the kernel keeps the elements of a map: sixteen bytes each, every field
 * in network order and padded with zeros to four bytes. There may be tens of thousands, so they are bytes
 * from the first look at a caller's list until the kernel has them.
 */
export const PORT_BYTES = 16;

const PORT = 4;
const ADDRESS = 8;
const INTERNAL_PORT = 12;
const TWO_BYTES = 0x1_0000;
/** IANA's. */
export const PROTOCOL_NUMBERS: Readonly<Record<TransportProtocol, number>> = { tcp: 6, udp: 17 };
const FIRST_ROOM = 16;

/** Collects mappings. */
export class PortWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  #last = -1;
  #isAscending = true;

  /** @param expected - How many there will be, where that is known. */
  constructor(expected = FIRST_ROOM) {
    this.#bytes = new Uint8Array(Math.max(expected, 1) * PORT_BYTES);
    this.#view = viewOf(this.#bytes);
  }

  /** @param protocol - IANA's number. */
  add(protocol: number, port: number, address: number, internalPort: number): void {
    const key = protocol * TWO_BYTES + port;
    if (key <= this.#last) this.#isAscending = false;
    this.#last = key;
    const at = this.#takeRoom();
    const view = this.#view;
    view.setUint8(at, protocol);
    view.setUint16(at + PORT, port);
    view.setUint32(at + ADDRESS, address);
    view.setUint16(at + INTERNAL_PORT, internalPort);
  }

  /** Adds one that {@link keyAt} and {@link targetAt} read. */
  addPair(key: number, target: number): void {
    const address = Math.floor(target / TWO_BYTES);
    // Not `%`, which takes ten times as long for what does not fit into 32 bits.
    this.add(key >>> 16, key & 0xffff, address, target - address * TWO_BYTES);
  }

  /** Has each had a later {@link keyAt} than the one before? Then none came twice. */
  get isAscending(): boolean {
    return this.#isAscending;
  }

  /** All so far; the writer may not be used after. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #takeRoom(): number {
    const at = this.#length;
    this.#length = at + PORT_BYTES;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
    return at;
  }
}

export function viewOf(packed: Uint8Array): DataView {
  return new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
}

/** A port of an external device as one number: by protocol (IANA's number) and port. */
export function keyAt(view: DataView, offset: number): number {
  return view.getUint8(offset) * TWO_BYTES + view.getUint16(offset + PORT);
}

/** Where a port leads as one number: by address and port of a workload. */
export function targetAt(view: DataView, offset: number): number {
  return view.getUint32(offset + ADDRESS) * TWO_BYTES + view.getUint16(offset + INTERNAL_PORT);
}

/** The number that {@link keyAt} reads. */
export function portKey(protocol: TransportProtocol, port: number): number {
  return PROTOCOL_NUMBERS[protocol] * TWO_BYTES + port;
}

/** The inverse of {@link portKey}. */
export function readPortKey(key: number): {
  readonly protocol: TransportProtocol;
  readonly port: number;
} {
  return { protocol: key >>> 16 === PROTOCOL_NUMBERS.tcp ? 'tcp' : 'udp', port: key & 0xffff };
}

/** What {@link targetAt} read, in words. */
export function readPortTarget(target: number): {
  readonly address: Ipv4Address;
  readonly port: number;
} {
  const address = Math.floor(target / TWO_BYTES);
  return { address: numberToAddress(address), port: target - address * TWO_BYTES };
}

export function packPorts(ports: ReadonlyMap<number, number>): Uint8Array {
  const writer = new PortWriter(ports.size);
  for (const [key, target] of ports) writer.addPair(key, target);
  return writer.finish();
}

/** The inverse of {@link packPorts}; of a key that comes twice, the last. */
export function unpackPorts(packed: Uint8Array): Map<number, number> {
  const view = viewOf(packed);
  const ports = new Map<number, number>();
  for (let at = 0; at + PORT_BYTES <= packed.length; at += PORT_BYTES) {
    ports.set(keyAt(view, at), targetAt(view, at));
  }
  return ports;
}
