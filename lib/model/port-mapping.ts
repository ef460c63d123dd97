import { describeType } from '../errors';
import {
  MOST_MAPPINGS,
  inElement,
  parseExternalDevice,
  parseMappedAddress,
  parseProtocol,
} from './firewall-config';
import type { TransportProtocol } from './firewall-config';
import { NO_ADDRESS, addressToNumber, ipv4Number, isUnicastNumber } from './ip';
import type { Ipv4Address } from './ip';
import { parsePort } from './node-options';
import { PROTOCOL_NUMBERS, PortWriter } from './port-list';
import { copyLongList } from './refuse';
import { defineShape, withOperation } from './shape';

/** A port of an external device that leads to a port of a workload. */
export interface PortMappingInput {
  readonly protocol: TransportProtocol;
  readonly externalDevice: string;
  /** 1 to 65535. */
  readonly externalPort: number;
  readonly internalIp: string;
  /** 1 to 65535. */
  readonly internalPort: number;
}

/** Parsed {@link PortMappingInput}. */
export interface PortMapping extends PortMappingInput {
  readonly internalIp: Ipv4Address;
}

/** All mappings of a list that are of one device. */
export interface PortList {
  readonly device: string;
  /** As {@link PortWriter} packs them. */
  readonly ports: Uint8Array;
  /** By protocol and port, each later than the one before: so none comes twice. */
  readonly isAscending: boolean;
}

const mappingFields = {
  protocol: parseProtocol,
  externalDevice: parseExternalDevice,
  externalPort: parsePort,
  internalIp: parseMappedAddress,
  internalPort: parsePort,
};
const MAPPING_FIELDS = Object.keys(mappingFields).length;
const parseMappingShape = defineShape('mapping', mappingFields);

/** Parses port mappings: one, or a list. */
export function parsePortMappings(input: unknown, operation: string): readonly PortList[] {
  if (describeType(input) !== 'array') {
    const lists = new PortLists(1);
    lists.add(parseMappingShape(input, operation));
    return lists.finish();
  }
  return withOperation(operation, () => {
    const items = copyLongList(input, 'list', MOST_MAPPINGS);
    const lists = new PortLists(items.length);
    for (let index = 0; index < items.length; index += 1) {
      const item = items[index];
      // The text of its place costs more than to read it: it is made where something is wrong.
      if (!lists.addPlain(item)) lists.add(parseElement(item, index, operation));
    }
    return lists.finish();
  });
}

function parseElement(item: unknown, index: number, operation: string): PortMapping {
  return inElement(`list[${String(index)}]`, () => parseMappingShape(item, operation));
}

class PortLists {
  readonly #writers = new Map<string, PortWriter>();
  readonly #expected: number;
  #device: string | undefined;
  #writer: PortWriter | undefined;

  constructor(expected: number) {
    this.#expected = expected;
  }

  add({ protocol, externalDevice, externalPort, internalIp, internalPort }: PortMapping): void {
    const writer = this.#writerOf(externalDevice);
    const number = PROTOCOL_NUMBERS[protocol];
    writer.add(number, externalPort, addressToNumber(internalIp), internalPort);
  }

  /**
   * Adds a mapping that is a plain object with nothing wrong, in a fraction of the time that a shape
   * takes. Says no to anything else, and then the shape says what it is.
   */
  addPlain(item: unknown): boolean {
    try {
      const fields = readPlain(item);
      if (fields === undefined) return false;
      const { protocol, device, port, address, inside } = fields;
      const internal = readAddress(address);
      if (internal === NO_ADDRESS || !isPort(port) || !isPort(inside)) return false;
      if (protocol !== 'tcp' && protocol !== 'udp') return false;
      let writer = this.#writer;
      if (writer === undefined || device !== this.#device) {
        writer = this.#writerOf(parseExternalDevice(device, 'externalDevice'));
      }
      writer.add(PROTOCOL_NUMBERS[protocol], port, internal, inside);
      return true;
    } catch {
      return false;
    }
  }

  finish(): readonly PortList[] {
    const lists = [...this.#writers].map(([device, writer]) =>
      Object.freeze({ device, ports: writer.finish(), isAscending: writer.isAscending }),
    );
    return Object.freeze(lists);
  }

  #writerOf(device: string): PortWriter {
    let writer = this.#writers.get(device);
    if (writer === undefined) {
      // Most lists are of one device.
      writer = this.#writers.size === 0 ? new PortWriter(this.#expected) : new PortWriter();
      this.#writers.set(device, writer);
    }
    this.#device = device;
    this.#writer = writer;
    return writer;
  }
}

/** What is in a plain object that has the fields of a mapping and no others. */
interface PlainFields {
  protocol: unknown;
  device: unknown;
  port: unknown;
  address: unknown;
  inside: unknown;
}

/**
 * Reads each field where the loop over their names has found it: objects that were put together in
 * different ways are laid out differently, and to ask them by name would take five times as long.
 */
function readPlain(item: unknown): PlainFields | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  if (Object.getPrototypeOf(item) !== Object.prototype) return undefined;
  const object = item as Readonly<Record<string, unknown>>;
  let count = 0;
  let protocol, device, port, address, inside;
  for (const name in object) {
    const value = object[name];
    // Texts of the program are one object each: comparing them is cheaper than looking one up.
    switch (name) {
      case 'protocol':
        protocol = value;
        break;
      case 'externalDevice':
        device = value;
        break;
      case 'externalPort':
        port = value;
        break;
      case 'internalIp':
        address = value;
        break;
      case 'internalPort':
        inside = value;
        break;
      default:
        return undefined;
    }
    count += 1;
  }
  return count === MAPPING_FIELDS ? { protocol, device, port, address, inside } : undefined;
}

function readAddress(value: unknown): number {
  const number = typeof value === 'string' ? ipv4Number(value) : NO_ADDRESS;
  return number !== NO_ADDRESS && isUnicastNumber(number) ? number : NO_ADDRESS;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}
