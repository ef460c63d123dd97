import { createHash } from 'node:crypto';
import { v5 as uuidOf } from 'uuid';

/** One interface that a runtime asked for. CNI's primary key, and the namespace that it is in. */
export interface Attachment {
  /** Inode of the container's network namespace: what `/proc/<pid>/ns/net` shows. */
  readonly netns: number;
  /** Stands for the network's name: 12 hexadecimal digits. */
  readonly network: string;
  /** The container's id; 32 hexadecimal digits stand for one that is longer than 64. */
  readonly container: string;
  readonly ifname: string;
}

/** What a runtime calls an interface. */
export interface AttachmentName {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}

const PREFIX = 'cni';
const LONGEST_CONTAINER = 64;
const NETWORK_DIGITS = 12;
const CONTAINER_DIGITS = 32;
const ALT_NAME = /^cni\.([1-9]\d{0,14})\.([0-9a-f]{12})\.([A-Za-z0-9][A-Za-z0-9_.-]*)\.([^.]+)$/;
/** `=` escapes itself and the dot, which separates the parts; nearly no interface has either. */
const ESCAPE: Readonly<Record<string, string>> = { '=': '==', '.': '=-' };
const ESCAPED = /^(?:[^=]|==|=-)+$/;
/** Ours, and of nothing else. */
const VNIC_NAMESPACE = '5b6c1f0a-7c52-4c1e-9d0f-3a8f6e0d42b7';

/** The alternative name of the host's end: the kernel keeps it, and so knows whose it is. */
export function formatAttachment(name: AttachmentName, netns: number): string {
  return altNameOf(keyOf(name), netns);
}

/** The same for who knows the key already. */
export function altNameOf(key: string, netns: number): string {
  return `${PREFIX}.${String(netns)}.${key}`;
}

/** What an alternative name says; nothing where the VNIC was not made for a container runtime. */
export function parseAttachment(altName: string): Attachment | undefined {
  const [, netns, network = '', container = '', ifname = ''] = ALT_NAME.exec(altName) ?? [];
  if (netns === undefined || !ESCAPED.test(ifname)) return undefined;
  return { netns: Number(netns), network, container, ifname: unescape(ifname) };
}

/** The same for every namespace that the container may be in. */
export function keyOf({ network, containerId, ifname }: AttachmentName): string {
  return `${networkDigest(network)}.${containerOf(containerId)}.${escape(ifname)}`;
}

/** The key that an alternative name ends with. */
export function keyOfAttachment({ network, container, ifname }: Attachment): string {
  return `${network}.${container}.${escape(ifname)}`;
}

/** What stands for the network's name. */
export function networkDigest(network: string): string {
  return digest(network, NETWORK_DIGITS);
}

/** The VNIC's id: the same attachment has the same one always. */
export function vnicIdOf(key: string): string {
  return uuidOf(key, VNIC_NAMESPACE);
}

/** A container's id as far as it fits. */
export function containerOf(id: string): string {
  return id.length > LONGEST_CONTAINER ? digest(id, CONTAINER_DIGITS) : id;
}

function digest(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}

function escape(ifname: string): string {
  return ifname.replaceAll(/[=.]/g, (letter) => ESCAPE[letter] ?? letter);
}

function unescape(text: string): string {
  return text.replaceAll(/=[=-]/g, (pair) => (pair === '==' ? '=' : '.'));
}
