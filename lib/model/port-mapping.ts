import { describeType } from '../errors';
import {
  MOST_MAPPINGS,
  inElement,
  parseExternalDevice,
  parseMappedAddress,
  parseProtocol,
} from './firewall-config';
import type { TransportProtocol } from './firewall-config';
import { NO_ADDRESS, addressToNumber, ipv4Number, isUnicastNumber, numberToAddress } from './ip';
import type { Ipv4Address } from './ip';
import { parsePort } from './node-options';
import { readLongList } from './refuse';
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

/**
 * Mappings of one device that follow each other in a list, as pairs of plain numbers: key, target, key,
 * target, … There may be tens of thousands.
 */
export interface PortRun {
  readonly device: string;
  readonly pairs: readonly number[];
}

const PROTOCOL_NUMBERS: Readonly<Record<TransportProtocol, number>> = { tcp: 6, udp: 17 };

/** A port of an external device: by protocol (IANA's number) and port. */
export function portKey(protocol: TransportProtocol, port: number): number {
  return PROTOCOL_NUMBERS[protocol] * 0x1_0000 + port;
}

export function readPortKey(key: number): {
  readonly protocol: TransportProtocol;
  readonly port: number;
} {
  const protocol = key >>> 16 === PROTOCOL_NUMBERS.tcp ? 'tcp' : 'udp';
  return { protocol, port: key & 0xffff };
}

/** Where a port leads: address and port of a workload. */
export function portTarget(address: Ipv4Address, port: number): number {
  return targetOf(addressToNumber(address), port);
}

export function readPortTarget(target: number): {
  readonly address: Ipv4Address;
  readonly port: number;
} {
  return { address: numberToAddress(Math.floor(target / 0x1_0000)), port: target % 0x1_0000 };
}

function targetOf(address: number, port: number): number {
  return address * 0x1_0000 + port;
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
export function parsePortMappings(input: unknown, operation: string): readonly PortRun[] {
  const runs = new PortRuns();
  if (describeType(input) !== 'array') runs.add(parseMappingShape(input, operation));
  else {
    withOperation(operation, () => {
      readLongList(input, 'list', MOST_MAPPINGS, (item, field) => {
        if (runs.addPlain(item)) return;
        runs.add(inElement(field(), () => parseMappingShape(item, operation)));
      });
    });
  }
  return Object.freeze(runs.list);
}

class PortRuns {
  readonly list: { readonly device: string; readonly pairs: number[] }[] = [];
  #device: string | undefined;
  #pairs: number[] = [];

  add({ protocol, externalDevice, externalPort, internalIp, internalPort }: PortMapping): void {
    this.#turnTo(externalDevice);
    this.#pairs.push(portKey(protocol, externalPort), portTarget(internalIp, internalPort));
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
      const internal = typeof address === 'string' ? ipv4Number(address) : NO_ADDRESS;
      if (internal === NO_ADDRESS || !isUnicastNumber(internal)) return false;
      if (!isPort(port) || !isPort(inside)) return false;
      if (protocol !== 'tcp' && protocol !== 'udp') return false;
      if (this.#device === undefined || device !== this.#device) {
        this.#turnTo(parseExternalDevice(device, 'externalDevice'));
      }
      this.#pairs.push(portKey(protocol, port), targetOf(internal, inside));
      return true;
    } catch {
      return false;
    }
  }

  #turnTo(device: string): void {
    if (device === this.#device) return;
    this.#device = device;
    this.#pairs = [];
    this.list.push({ device, pairs: this.#pairs });
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

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}
