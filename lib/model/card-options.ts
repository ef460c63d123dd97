import { parseBoolean, parseInteger, refuse } from './refuse';
import type { Parser } from './refuse';
import { defineShape, optional, withDefault } from './shape';
import { parseQueues } from './vnic-config';

/** What QEMU is told of a VM's network card, apart from what the VNIC knows itself. */
export interface QemuOptionsInput {
  /** Names the backend: a letter, then letters, digits, `_`, `-` and `.`. Default: `net0`. */
  readonly id?: string | undefined;
  /** Under which number QEMU has the first descriptor that is handed over; the others follow. Default: 3. */
  readonly firstFd?: number | undefined;
  /**
   * How many queues to open of a multi-queue tap that is opened by name. Needed where the VNIC does not
   * say it: the kernel does not keep the number.
   */
  readonly queues?: number | undefined;
  /** Whether the host's kernel moves the packets (`vhost_net`). Default: QEMU's own, which is no. */
  readonly vhost?: boolean | undefined;
  /** Tells the guest the MTU (`host_mtu`). Default: true. Both sides of a migration must agree. */
  readonly mtu?: boolean | undefined;
}

/** What Firecracker is told of a VM's network card. */
export interface FirecrackerOptionsInput {
  /** Names the interface: letters, digits and `_`. Default: `eth0`. */
  readonly id?: string | undefined;
  /** Tells the guest the MTU. Default: false, since versions before 1.16 refuse the field. */
  readonly mtu?: boolean | undefined;
}

/** What Cloud Hypervisor is told of a VM's network card. The MTU it takes from the tap itself. */
export type CloudHypervisorOptionsInput = Pick<QemuOptionsInput, 'firstFd' | 'queues'>;

/** What libvirt is told of a VM's network card. Without `vhost` it takes what there is. */
export type LibvirtOptionsInput = Pick<QemuOptionsInput, 'queues' | 'vhost' | 'mtu'>;

/** The descriptors after standard input, output and error. */
const FIRST_FD = 3;
const MOST_FD = 65_535;

const parseQemuId = parseIdLike(
  /^[A-Za-z][\w.-]{0,62}$/,
  'a letter, then up to 62 letters, digits, _, - and .',
);
const parseFirecrackerId = parseIdLike(/^[A-Za-z0-9_]{1,63}$/, '1 to 63 letters, digits and _');

function parseIdLike(pattern: RegExp, expected: string): Parser<string> {
  return (value, field) =>
    typeof value === 'string' && pattern.test(value) ? value : refuse(value, field, expected);
}

function parseFd(value: unknown, field: string): number {
  return parseInteger(value, field, { least: 0, most: MOST_FD });
}

const firstFd = withDefault(parseFd, FIRST_FD);
const queues = optional(parseQueues);
const vhost = optional(parseBoolean);
const mtu = withDefault(parseBoolean, true);

const parseQemuShape = defineShape('options', {
  id: withDefault(parseQemuId, 'net0'),
  firstFd,
  queues,
  vhost,
  mtu,
});
const parseFirecrackerShape = defineShape('options', {
  id: withDefault(parseFirecrackerId, 'eth0'),
  mtu: withDefault(parseBoolean, false),
});
const parseCloudHypervisorShape = defineShape('options', { firstFd, queues });
const parseLibvirtShape = defineShape('options', { queues, vhost, mtu });

export type QemuOptions = ReturnType<typeof parseQemuShape>;
export type FirecrackerOptions = ReturnType<typeof parseFirecrackerShape>;
export type CloudHypervisorOptions = ReturnType<typeof parseCloudHypervisorShape>;
export type LibvirtOptions = ReturnType<typeof parseLibvirtShape>;

export function parseQemuOptions(input: unknown): QemuOptions {
  return parseQemuShape(input, 'qemuArgs');
}

export function parseFirecrackerOptions(input: unknown): FirecrackerOptions {
  return parseFirecrackerShape(input, 'firecrackerInterface');
}

export function parseCloudHypervisorOptions(input: unknown): CloudHypervisorOptions {
  return parseCloudHypervisorShape(input, 'cloudHypervisorArgs');
}

export function parseLibvirtOptions(input: unknown): LibvirtOptions {
  return parseLibvirtShape(input, 'libvirtInterface');
}
