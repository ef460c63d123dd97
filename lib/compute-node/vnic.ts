import {
  parseCloudHypervisorOptions,
  parseFirecrackerOptions,
  parseLibvirtOptions,
  parseQemuOptions,
  refuse,
  withOperation,
} from '../model';
import type {
  CloudHypervisorOptionsInput,
  FirecrackerOptionsInput,
  LibvirtOptionsInput,
  QemuOptionsInput,
  Role,
  VnicConfig,
} from '../model';
import type { KnownLink, KnownVnic } from '../topology';
import {
  cloudHypervisorArgsOf,
  firecrackerInterfaceOf,
  libvirtInterfaceOf,
  qemuArgsOf,
} from './card';
import type { Card } from './card';

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
  /** A tap with several queues. Whoever opens it by name must ask for several too. */
  declare readonly multiQueue?: true;
  /** How many queues a multi-queue tap was made with, where the configuration says it. */
  declare readonly queues?: number;
  /**
   * Open descriptors of a multi-queue tap, one for each queue; whoever created the VNIC owns them. To be
   * closed once the hypervisor has them: a queue lives as long as one of its descriptors, and the kernel
   * hands packets to it whether anybody reads them or not.
   */
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
    if (known.multiQueue) {
      this.multiQueue = true;
      const queues = fds?.length ?? ids.queues ?? 1;
      if (queues > 1) this.queues = queues;
    }
    if (fds !== undefined) this.fds = Object.freeze([...fds]);
    Object.freeze(this);
  }

  /**
   * Arguments for QEMU. The tap is opened by its name, so QEMU must run in its namespace; where there
   * are {@link fds} they are handed over instead: pass them to the child as its descriptors 3, 4, … in
   * order (`stdio` of `spawn`).
   */
  qemuArgs(options: QemuOptionsInput = {}): string[] {
    return qemuArgsOf(this.#card('qemuArgs'), parseQemuOptions(options));
  }

  /**
   * The element of `network-interfaces` in a Firecracker configuration.
   *
   * @throws {@link APIError} `SNNET_INPUT_INVALID` for a tap of several queues: Firecracker knows none.
   */
  firecrackerInterface(options: FirecrackerOptionsInput = {}): Record<string, string | number> {
    const card = this.#card('firecrackerInterface');
    return firecrackerInterfaceOf(card, parseFirecrackerOptions(options));
  }

  /** Arguments for Cloud Hypervisor: by name, or with the {@link fds} as for QEMU. */
  cloudHypervisorArgs(options: CloudHypervisorOptionsInput = {}): string[] {
    return cloudHypervisorArgsOf(
      this.#card('cloudHypervisorArgs'),
      parseCloudHypervisorOptions(options),
    );
  }

  /** The `<interface>` of a libvirt domain (libvirt 5.7 or later), which opens the tap by its name. */
  libvirtInterface(options: LibvirtOptionsInput = {}): string {
    return libvirtInterfaceOf(this.#card('libvirtInterface'), parseLibvirtOptions(options));
  }

  #card(operation: string): Card {
    const { role, linkName, mac, mtu, queues } = this;
    if (role !== 'vm') withOperation(operation, () => refuse(role, 'role', 'the VNIC of a VM'));
    const descriptors = this.fds?.length ?? 0;
    return { linkName, mac, mtu, descriptors, multiQueue: this.multiQueue === true, queues };
  }
}

/** Who a VNIC is, as far as it is known. */
export interface VnicIds {
  readonly tenantId: string;
  readonly subnetId: string;
  readonly concId: string;
  readonly vnicId?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly mac?: string | undefined;
  readonly queues?: number | undefined;
}

export function idsOf(config: VnicConfig): VnicIds {
  const { tenantId, subnetId, concId, vnicId, instanceId, vnicMac, queues } = config;
  return { tenantId, subnetId, concId, vnicId, instanceId, mac: vnicMac, queues };
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

  /**
   * The character device that the hypervisor opens. In another network namespace than the first the
   * name may be another link's: docs/vm.md says how to make a node of one's own.
   */
  get devicePath(): string {
    return `/dev/tap${String(this.ifIndex)}`;
  }

  /** Arguments for QEMU; open {@link devicePath} read-write and pass it to the child as descriptor 3. */
  qemuArgs(options: QemuOptionsInput = {}): string[] {
    return qemuArgsOf(this.#card(), parseQemuOptions(options));
  }

  /** Arguments for Cloud Hypervisor, which gets the descriptor in the same way. */
  cloudHypervisorArgs(options: CloudHypervisorOptionsInput = {}): string[] {
    return cloudHypervisorArgsOf(this.#card(), parseCloudHypervisorOptions(options));
  }

  /** The `<interface>` of a libvirt domain (libvirt 5.7 or later), which opens the device itself. */
  libvirtInterface(options: LibvirtOptionsInput = {}): string {
    return libvirtInterfaceOf(this.#card(), parseLibvirtOptions(options));
  }

  #card(): Card {
    const { linkName, mac, mtu } = this;
    return { linkName, mac, mtu, descriptors: 1, multiQueue: false };
  }
}
