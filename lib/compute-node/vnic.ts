import type { Role, VnicConfig } from '../model';
import type { KnownLink, KnownVnic } from '../topology';

/**
 * A workload's interface on its tenant's network. An immutable value, safe to serialise.
 *
 * It says what the kernel and the configuration say; what only the configuration knows (the VNIC's
 * id, a VM's MAC) is absent where a process found the VNIC after a restart.
 */
export class Vnic {
  readonly role: Role;
  /** The host's end: the tap of a VM, the bridge port of a container's veth pair. */
  readonly linkName: string;
  readonly ifIndex: number;
  /**
   * The container's end; for a VM the tap itself. Of one made inside a container's namespace (`attach`)
   * a process that starts anew does not know the name.
   */
  readonly peerName: string;
  /** What the workload gets: the tap, or the container's end. */
  readonly interfaceName: string;
  /** The identity that the kernel keeps. */
  readonly alias: string;
  /** The host's end's other names, the configuration's `altName` among them. */
  readonly altNames: readonly string[];
  readonly ip: string;
  declare readonly mac?: string;
  /** Bytes. */
  readonly mtu: number;
  readonly tenantId: string;
  readonly subnetId: string;
  readonly concId: string;
  declare readonly vnicId?: string;
  declare readonly instanceId?: string;
  /** Open descriptors of a multi-queue tap, one for each queue; whoever created the VNIC owns them. */
  declare readonly fds?: readonly number[];

  /** @internal */
  constructor(known: KnownVnic, ids: VnicIds, fds: readonly number[] | undefined) {
    this.role = known.role;
    this.linkName = known.linkName;
    this.ifIndex = known.ifIndex;
    this.peerName = known.peerName ?? known.linkName;
    this.interfaceName = this.peerName;
    this.alias = known.alias;
    this.altNames = known.altNames;
    this.ip = known.ip;
    const mac = ids.mac ?? known.peerMac;
    if (mac !== undefined) this.mac = mac;
    this.mtu = known.mtu;
    this.tenantId = ids.tenantId;
    this.subnetId = ids.subnetId;
    this.concId = ids.concId;
    if (ids.vnicId !== undefined) this.vnicId = ids.vnicId;
    if (ids.instanceId !== undefined) this.instanceId = ids.instanceId;
    if (fds !== undefined) this.fds = Object.freeze([...fds]);
    Object.freeze(this);
  }

  /**
   * Arguments for QEMU. A multi-queue tap is handed over by descriptor: pass `fds` to the child as
   * its descriptors 3, 4, … in order (`stdio` of `spawn`).
   */
  qemuArgs(id = 'net0'): string[] {
    const mac = this.mac === undefined ? '' : `,mac=${this.mac}`;
    if (this.fds === undefined) {
      const netdev = `tap,id=${id},ifname=${this.linkName},script=no,downscript=no`;
      return ['-netdev', netdev, '-device', `virtio-net-pci,netdev=${id}${mac}`];
    }
    const fds = this.fds.map((_fd, index) => String(FIRST_CHILD_FD + index)).join(':');
    // Two vectors for each queue, one for control, one for configuration (virtio 1.2, 5.1).
    const vectors = String(2 * this.fds.length + 2);
    return [
      '-netdev',
      `tap,id=${id},fds=${fds}`,
      '-device',
      `virtio-net-pci,netdev=${id}${mac},mq=on,vectors=${vectors}`,
    ];
  }

  /** The element of `network-interfaces` in a Firecracker configuration. */
  firecrackerInterface(id = 'eth0'): Record<string, string> {
    const mac = this.mac === undefined ? {} : { guest_mac: this.mac };
    return { iface_id: id, host_dev_name: this.linkName, ...mac };
  }

  /** Arguments for Cloud Hypervisor. */
  cloudHypervisorArgs(): string[] {
    const mac = this.mac === undefined ? '' : `,mac=${this.mac}`;
    const queues = this.fds === undefined ? '' : `,num_queues=${String(2 * this.fds.length)}`;
    return ['--net', `tap=${this.linkName}${mac}${queues}`];
  }
}

const FIRST_CHILD_FD = 3;

/** Who a VNIC is, as far as it is known. */
export interface VnicIds {
  readonly tenantId: string;
  readonly subnetId: string;
  readonly concId: string;
  readonly vnicId?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly mac?: string | undefined;
}

export function idsOf(config: VnicConfig): VnicIds {
  const { tenantId, subnetId, concId, vnicId, instanceId, vnicMac } = config;
  return { tenantId, subnetId, concId, vnicId, instanceId, mac: vnicMac };
}

/** A CNCI VM's interface on the physical network: a macvtap. An immutable value, safe to serialise. */
export class CnciVnic {
  readonly linkName: string;
  readonly ifIndex: number;
  /** The same as `linkName`; the VM opens {@link devicePath}. */
  readonly interfaceName: string;
  readonly alias: string;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  readonly tenantId: string;
  readonly vnicId: string;

  /** @internal */
  constructor(known: KnownLink, tenantId: string, vnicId: string) {
    this.linkName = known.linkName;
    this.ifIndex = known.ifIndex;
    this.interfaceName = known.linkName;
    this.alias = known.alias;
    this.mac = known.mac;
    this.mtu = known.mtu;
    this.tenantId = tenantId;
    this.vnicId = vnicId;
    Object.freeze(this);
  }

  /** The character device that the hypervisor opens. */
  get devicePath(): string {
    return `/dev/tap${String(this.ifIndex)}`;
  }

  /** Arguments for QEMU; open {@link devicePath} read-write and pass it to the child as descriptor 3. */
  qemuArgs(id = 'net0'): string[] {
    const device = `virtio-net-pci,netdev=${id},mac=${this.mac}`;
    return ['-netdev', `tap,id=${id},fd=${String(FIRST_CHILD_FD)}`, '-device', device];
  }
}
