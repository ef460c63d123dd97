import { CniFailure } from './failure';

export const CNI_COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const;

export type CniCommand = (typeof CNI_COMMANDS)[number];

/** What the runtime says in its environment; empty where it says nothing. */
export interface CniEnvironment {
  readonly command: CniCommand;
  readonly containerId: string;
  /** Path of the container's network namespace. */
  readonly netns: string;
  readonly ifname: string;
  readonly args: CniArguments;
}

/** What `CNI_ARGS` can say that is of use to us. */
export interface CniArguments {
  readonly ip?: string;
  readonly mac?: string;
}

const NEEDED: Readonly<Record<CniCommand, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  // A container that is gone has no namespace any more.
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: [],
  STATUS: [],
  VERSION: [],
};
const CONTAINER_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const IFNAME = /^[^\s/:]{1,15}$/u;
const LONGEST_IFNAME = 15;
const LONGEST_ID = 1024;
/** Says that arguments which nobody knows are no mistake. */
const IGNORE_UNKNOWN = 'IgnoreUnknown';
const TRUE = /^(?:1|t|true)$/i;

/** Parses the `CNI_` variables. */
export function parseEnvironment(variables: Readonly<Record<string, string>>): CniEnvironment {
  const command = CNI_COMMANDS.find((name) => name === variables['CNI_COMMAND']);
  if (command === undefined) {
    throw refuse('CNI_COMMAND', variables['CNI_COMMAND'], `one of ${CNI_COMMANDS.join(', ')}`);
  }
  const missing = NEEDED[command].filter((name) => (variables[name] ?? '') === '');
  if (missing.length > 0) {
    throw new CniFailure('environment', `${command} needs ${missing.join(', ')}`);
  }
  const read = (name: string): string => variables[name] ?? '';
  const [containerId, ifname] = [read('CNI_CONTAINERID'), read('CNI_IFNAME')];
  if (NEEDED[command].length > 0) checkNames(containerId, ifname);
  const netns = read('CNI_NETNS');
  if (command === 'ADD' || command === 'CHECK') checkNetns(netns);
  const args = command === 'ADD' ? parseArguments(read('CNI_ARGS')) : {};
  return { command, containerId, netns, ifname, args };
}

/** Parses `NAME=value;NAME=value`, in any order. Those of Kubernetes say nothing that matters here. */
export function parseArguments(text: string): CniArguments {
  const pairs = new Map<string, string>();
  for (const part of text.split(';')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    if (equals <= 0)
      throw refuse('CNI_ARGS', part, 'NAME=value pairs with semicolons between them');
    pairs.set(part.slice(0, equals), part.slice(equals + 1));
  }
  const [ip, mac] = [pairs.get('IP') ?? '', pairs.get('MAC') ?? ''];
  const ignores = TRUE.test(pairs.get(IGNORE_UNKNOWN) ?? '');
  const unknown = [...pairs.keys()].find((name) => !isKnown(name));
  if (unknown !== undefined && !ignores) {
    throw refuse('CNI_ARGS', unknown, `only IP, MAC and K8S_…, or ${IGNORE_UNKNOWN}=1`);
  }
  return { ...(ip !== '' && { ip }), ...(mac !== '' && { mac }) };
}

function isKnown(name: string): boolean {
  return ['IP', 'MAC', IGNORE_UNKNOWN].includes(name) || name.startsWith('K8S_');
}

function checkNames(containerId: string, ifname: string): void {
  if (!CONTAINER_ID.test(containerId) || containerId.length > LONGEST_ID) {
    throw refuse('CNI_CONTAINERID', containerId, 'letters, digits, “_”, “.” and “-”');
  }
  const isName = IFNAME.test(ifname) && ifname !== '.' && ifname !== '..';
  if (!isName || Buffer.byteLength(ifname) > LONGEST_IFNAME) {
    throw refuse('CNI_IFNAME', ifname, 'an interface name of at most 15 bytes');
  }
}

function checkNetns(netns: string): void {
  if (!netns.startsWith('/') || netns.includes('\0')) {
    throw refuse('CNI_NETNS', netns, 'an absolute path of a network namespace');
  }
}

function refuse(name: string, value: string | undefined, expected: string): CniFailure {
  const said =
    value === undefined ? 'it is not set' : `but got ${JSON.stringify(value.slice(0, 80))}`;
  return new CniFailure('environment', `expected ${expected} for ${name}, ${said}`);
}
