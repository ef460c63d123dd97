import { APIError, describeType } from '../errors';
import { parseTimeoutMs } from './call-options';
import { addressToNumber, parseIpv4, parseUnicastIpv4 } from './ip';
import type { Ipv4Address } from './ip';
import { LINK_PREFIX } from './link-name';
import { parseLogger } from './logger';
import type { Logger } from './logger';
import { parseNetns } from './node-options';
import { parseBoolean, parseChoice, parseList, refuse } from './refuse';
import type { Parser } from './refuse';
import { defineShape, optional, withDefault, withOperation } from './shape';
import type { Fields, Parsed, ShapeParser } from './shape';

/** What is done with a mapping or with a pair of devices: it is to be there, or not to be there. */
export type FirewallAction = 'enable' | 'disable';
export type TransportProtocol = 'tcp' | 'udp';

/** Options of `Firewall.open`. */
export interface FirewallOptionsInput {
  /**
   * Links that lead outside. May be left out where the table of an earlier process is still there: it
   * names them.
   */
  readonly externalDevices?: readonly string[] | undefined;
  /**
   * Links that belong to tenants but are no bridges of this package: closed like those from the
   * beginning.
   */
  readonly internalDevices?: readonly string[] | undefined;
  /**
   * Refuse what comes in by an external device for another device's address of this machine, such as
   * a tenant's gateway. Default: true.
   */
  readonly guardInput?: boolean | undefined;
  /** Only look: nothing is changed, and a firewall that another process holds is no obstacle. */
  readonly readOnly?: boolean | undefined;
  /** Network namespace: an absolute path, or a name under `/run/netns`. Default: the process's own. */
  readonly netns?: string | undefined;
  /** Milliseconds until a call fails, 1 to 86400000. Default: 6000. */
  readonly timeoutMs?: number | undefined;
  /** Where log lines go. Default: nowhere. */
  readonly logger?: Logger | undefined;
}

/** Parsed {@link FirewallOptionsInput}: canonical and frozen, defaults filled in. */
export interface FirewallOptions {
  /** Empty where none was given. */
  readonly externalDevices: readonly string[];
  readonly internalDevices: readonly string[];
  readonly guardInput: boolean;
  readonly readOnly: boolean;
  readonly netns?: string;
  readonly timeoutMs: number;
  readonly logger?: Logger;
}

/** A tenant's device, and the external device that it may reach the outside by. */
export interface ForwardingInput {
  readonly externalDevice: string;
  readonly internalDevice: string;
}
export type Forwarding = ForwardingInput;

/** An address of the outside that is a workload's own. */
export interface PublicIpInput {
  readonly internalIp: string;
  readonly publicIp: string;
  /** Gets the public address. */
  readonly externalDevice: string;
}

/** Parsed {@link PublicIpInput}. */
export interface PublicIp extends PublicIpInput {
  readonly internalIp: Ipv4Address;
  readonly publicIp: Ipv4Address;
}

const MOST_DEVICES = 256;
/** Mappings in one call, and all together. */
export const MOST_MAPPINGS = 60_000;
const LONGEST_DEVICE_NAME = 15;
const NO_DEVICES: readonly string[] = Object.freeze([]);
const ACTIONS: readonly FirewallAction[] = ['enable', 'disable'];
const PROTOCOLS: readonly TransportProtocol[] = ['tcp', 'udp'];
const FIRST_SSH_PORT = 33_000;
const LAST_SSH_PORT = 65_534;
const MAPPED = /^::ffff:(?=\d+\.)/i;

/** Parses a link's name as the kernel takes it (net/core/dev.c, dev_valid_name). */
export function parseDeviceName(value: unknown, field: string): string {
  const isName =
    typeof value === 'string' &&
    value !== '' &&
    value !== '.' &&
    value !== '..' &&
    value.length <= LONGEST_DEVICE_NAME &&
    Buffer.byteLength(value) <= LONGEST_DEVICE_NAME &&
    !/[\s/:\0\p{Cs}]/u.test(value);
  return isName ? value : refuse(value, field, 'the name of a link, at most 15 bytes');
}

/** A link that leads outside; a bridge of ours never does. */
export function parseExternalDevice(value: unknown, field: string): string {
  const name = parseDeviceName(value, field);
  if (!name.startsWith(LINK_PREFIX.bridge)) return name;
  return refuse(value, field, 'a link that leads outside', "it is a tenant's bridge");
}

/** An IPv4 address, also in the form that dual-stack sockets give: `::ffff:198.51.100.9`. */
function unmapped(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(MAPPED, '') : value;
}

export function parseMappedAddress(value: unknown, field: string): Ipv4Address {
  return parseUnicastIpv4(unmapped(value), field);
}

export function parseProtocol(value: unknown, field: string): TransportProtocol {
  return parseChoice(value, field, PROTOCOLS);
}

function parseDevices(parse: Parser<string>): Parser<readonly string[]> {
  return (value, field) =>
    Object.freeze([...new Set(parseList(value, field, parse, MOST_DEVICES))]);
}

const parseOptionsShape = defineShape('options', {
  externalDevices: withDefault(parseDevices(parseExternalDevice), NO_DEVICES),
  internalDevices: withDefault(parseDevices(parseDeviceName), NO_DEVICES),
  guardInput: withDefault(parseBoolean, true),
  readOnly: withDefault(parseBoolean, false),
  netns: optional(parseNetns),
  timeoutMs: withDefault(parseTimeoutMs, 6000),
  logger: optional(parseLogger),
});

/** Parses the options of `Firewall.open`. */
export function parseFirewallOptions(input: unknown, operation = 'Firewall.open'): FirewallOptions {
  const { netns, logger, ...rest } = parseOptionsShape(input, operation);
  const both = rest.internalDevices.find((name) => rest.externalDevices.includes(name));
  if (both !== undefined) {
    withOperation(operation, () =>
      refuse(both, 'internalDevices', 'a link that is not among externalDevices'),
    );
  }
  return Object.freeze({
    ...rest,
    ...(netns === undefined ? {} : { netns }),
    ...(logger === undefined ? {} : { logger }),
  });
}

/** Parses whether something is to be there. */
export function parseFirewallAction(value: unknown, operation: string): FirewallAction {
  return withOperation(operation, () => parseChoice(value, 'action', ACTIONS));
}

const forwardingFields = {
  externalDevice: parseExternalDevice,
  internalDevice: parseDeviceName,
};

const publicIpFields = {
  internalIp: parseMappedAddress,
  publicIp: parseMappedAddress,
  externalDevice: parseExternalDevice,
};

const parseForwardingShape = defineShape('forwarding', forwardingFields);
const parsePublicIpShape = defineShape('publicIp', publicIpFields);

/** Parses pairs of devices: one, or a list. */
export function parseForwardings(input: unknown, operation: string): readonly Forwarding[] {
  const forwardings = oneOrMany(input, operation, parseForwardingShape);
  const same = forwardings.find((pair) => pair.externalDevice === pair.internalDevice);
  if (same === undefined) return forwardings;
  return withOperation(operation, () =>
    refuse(same.internalDevice, 'internalDevice', 'another link than externalDevice'),
  );
}

/** Parses public addresses: one, or a list. */
export function parsePublicIps(input: unknown, operation: string): readonly PublicIp[] {
  const addresses = oneOrMany(input, operation, parsePublicIpShape);
  const same = addresses.find(({ internalIp, publicIp }) => internalIp === publicIp);
  if (same === undefined) return addresses;
  return withOperation(operation, () =>
    refuse(same.publicIp, 'publicIp', 'another address than internalIp'),
  );
}

/**
 * The port of a concentrator that leads to port 22 of the workload with this address: 33000, plus 256
 * for each of the third byte, plus the fourth.
 *
 * @throws {@link APIError} `SNNET_INPUT_INVALID` — no IPv4 address, or a port of 65535 and more.
 */
export function debugSshPortForIp(ip: string): number {
  return withOperation('debugSshPortForIp', () => {
    const port = sshPortOf(addressToNumber(parseIpv4(unmapped(ip), 'ip')));
    if (port <= LAST_SSH_PORT) return port;
    const detail = `its port would be ${String(port)}`;
    return refuse(ip, 'ip', 'an address whose third byte is below 127', detail);
  });
}

/** The same for an address as a number, whether or not there is such a port. */
export function sshPortOf(address: number): number {
  return FIRST_SSH_PORT + (address & 0xffff);
}

function oneOrMany<F extends Fields>(
  input: unknown,
  operation: string,
  parse: ShapeParser<F>,
): readonly Parsed<F>[] {
  if (describeType(input) !== 'array') return Object.freeze([parse(input, operation)]);
  const parseItem = (item: unknown, field: string): Parsed<F> =>
    inElement(field, () => parse(item, operation));
  return withOperation(operation, () => parseList(input, 'list', parseItem, MOST_MAPPINGS));
}

/** A list's element says which it is. */
export function inElement<T>(field: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof APIError) || error.field === undefined) throw error;
    throw error.withDetails({ field: `${field}.${error.field}` });
  }
}
