import { refuse, withOperation } from '../model';
import type {
  CloudHypervisorOptions,
  FirecrackerOptions,
  LibvirtOptions,
  QemuOptions,
} from '../model';

/** What a VM's network card is made on: a tap, or a macvtap. */
export interface Card {
  readonly linkName: string;
  readonly mac?: string | undefined;
  /** Bytes. */
  readonly mtu: number;
  /** How many descriptors are handed over; 0 where the hypervisor opens the link by its name. */
  readonly descriptors: number;
  /** Such a tap can be opened only as one of several queues, any other only as one. */
  readonly multiQueue: boolean;
  /** Absent where nobody knows. */
  readonly queues?: number | undefined;
}

/** Arguments for QEMU. */
export function qemuArgsOf(card: Card, options: QemuOptions): string[] {
  const { id, firstFd, vhost } = options;
  const queues = queuesOf(card, options.queues, 'qemuArgs');
  const fds = numbersFrom(firstFd, card.descriptors);
  const backend =
    fds.length === 0
      ? // A comma in a value is written twice.
        `ifname=${card.linkName.replaceAll(',', ',,')},script=no,downscript=no${queues > 1 ? `,queues=${String(queues)}` : ''}`
      : // The number of queues follows from the descriptors; naming both is an error.
        `${fds.length > 1 ? 'fds' : 'fd'}=${fds.join(':')}`;
  const netdev = [`tap,id=${id}`, backend];
  if (vhost !== undefined) netdev.push(`vhost=${vhost ? 'on' : 'off'}`);
  const device = [`virtio-net-pci,netdev=${id}`];
  if (card.mac !== undefined) device.push(`mac=${card.mac}`);
  if (options.mtu) device.push(`host_mtu=${String(card.mtu)}`);
  // Two vectors for each queue, one for control, one for configuration (virtio 1.2, 5.1).
  if (queues > 1) device.push(`mq=on,vectors=${String(2 * queues + 2)}`);
  return ['-netdev', netdev.join(','), '-device', device.join(',')];
}

/** The element of `network-interfaces` in a Firecracker configuration. */
export function firecrackerInterfaceOf(
  card: Card,
  options: FirecrackerOptions,
): Record<string, string | number> {
  if (card.multiQueue) {
    withOperation('firecrackerInterface', () =>
      refuse(card.queues ?? 'several', 'queues', '1 queue', 'Firecracker cannot open this tap'),
    );
  }
  return {
    iface_id: options.id,
    host_dev_name: card.linkName,
    ...(card.mac !== undefined && { guest_mac: card.mac }),
    ...(options.mtu && { mtu: card.mtu }),
  };
}

/** Arguments for Cloud Hypervisor. */
export function cloudHypervisorArgsOf(card: Card, options: CloudHypervisorOptions): string[] {
  const queues = queuesOf(card, options.queues, 'cloudHypervisorArgs');
  const fds = numbersFrom(options.firstFd, card.descriptors);
  const backend =
    fds.length === 0
      ? `tap=${card.linkName}`
      : `fd=${fds.length > 1 ? `[${fds.join(',')}]` : fds.join()}`;
  const net = [backend];
  if (card.mac !== undefined) net.push(`mac=${card.mac}`);
  // It counts receiving and sending apart.
  if (queues > 1) net.push(`num_queues=${String(2 * queues)}`);
  return ['--net', net.join(',')];
}

/** The element of `devices` in a libvirt domain. */
export function libvirtInterfaceOf(card: Card, options: LibvirtOptions): string {
  const { vhost } = options;
  // Libvirt opens the link itself, whoever else has it open.
  const queues = queuesOf({ ...card, descriptors: 0 }, options.queues, 'libvirtInterface');
  const driver = [
    ...(vhost === undefined ? [] : [` name='${vhost ? 'vhost' : 'qemu'}'`]),
    ...(queues > 1 ? [` queues='${String(queues)}'`] : []),
  ];
  return [
    `<interface type='ethernet'>`,
    ...(card.mac === undefined ? [] : [`  <mac address='${card.mac}'/>`]),
    // Not managed: libvirt changes neither its MAC nor its state.
    `  <target dev='${escapeXml(card.linkName)}' managed='no'/>`,
    `  <model type='virtio'/>`,
    ...(driver.length === 0 ? [] : [`  <driver${driver.join('')}/>`]),
    ...(options.mtu ? [`  <mtu size='${String(card.mtu)}'/>`] : []),
    `</interface>`,
  ].join('\n');
}

function queuesOf(card: Card, asked: number | undefined, operation: string): number {
  const { descriptors, multiQueue, linkName } = card;
  return withOperation(operation, () => {
    if (descriptors > 0 || !multiQueue) {
      const queues = Math.max(descriptors, 1);
      if (asked === undefined || asked === queues) return queues;
      return refuse(asked, 'queues', `${String(queues)} for ${linkName}, or nothing`);
    }
    const queues = asked ?? card.queues;
    if (queues !== undefined && queues > 1) return queues;
    return refuse(queues, 'queues', `the number of queues to open of ${linkName}, more than 1`);
  });
}

function numbersFrom(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(first + index));
}

const XML_ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&apos;',
};

function escapeXml(text: string): string {
  return text.replace(/[&<>']/g, (sign) => XML_ESCAPES[sign] ?? sign);
}
