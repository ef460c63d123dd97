import type { ComputeNode, NamedVnic, TunnelEvent } from '../compute-node';
import { gatewayOf, macOfAddress } from '../model';
import type { Ipv4Address, Logger, VnicConfigInput } from '../model';
import { keyOfAttachment, networkDigest, parseAttachment, vnicIdOf } from './attachment';
import type { Attachment } from './attachment';
import { inodeOf } from './container';
import { CniFailure } from './failure';
import { Lanes } from '../service';
import type { Network } from './network-config';

/** Where the tunnel events go. What it rejects with fails the command that caused the event. */
export type OnTunnelEvent = (event: TunnelEvent) => void | Promise<void>;

/** A VNIC that was made for a runtime. */
export interface AttachedVnic extends NamedVnic {
  readonly attachment: Attachment;
}

/** What all commands work with: the node, its VNICs by attachment, and where events go. */
export class Setting {
  readonly node: ComputeNode;
  readonly logger: Logger;
  /** What is done for one attachment is done one after the other. */
  readonly lanes = new Lanes();
  /** Who was last told that an attachment is there: nobody else takes it back. */
  readonly claims = new Map<string, object>();
  readonly #onTunnelEvent: OnTunnelEvent;
  readonly #netns: string;
  /** Subnets whose concentrators this process has told. */
  readonly #told = new Set<string>();
  #inode: number | undefined;

  constructor(
    node: ComputeNode,
    options: {
      readonly onTunnelEvent: OnTunnelEvent;
      readonly logger: Logger;
      /** The node's namespace: a path, or a name under `/run/netns`. */
      readonly netns?: string | undefined;
    },
  ) {
    const { onTunnelEvent, logger, netns = '/proc/self/ns/net' } = options;
    this.node = node;
    this.logger = logger;
    this.#onTunnelEvent = onTunnelEvent;
    this.#netns = netns.includes('/') ? netns : `/run/netns/${netns}`;
  }

  /** The inode of a container's namespace, which must not be the node's. */
  inodeOf(netns: string): number {
    this.#inode ??= inodeOf(this.#netns);
    const inode = inodeOf(netns);
    if (inode !== this.#inode) return inode;
    throw new CniFailure('environment', `CNI_NETNS: ${netns} is the node's own namespace`);
  }

  /** Of one attachment, by its key, in whatever namespace: at most one, but for what others did. */
  find(key: string): AttachedVnic[] {
    const all = this.#attached((altName) => altName.endsWith(key));
    return all.filter(({ attachment }) => keyOfAttachment(attachment) === key);
  }

  findExactly(altName: string): AttachedVnic[] {
    return this.#attached((name) => name === altName);
  }

  /** Of all containers in a network. */
  inNetwork(network: string): AttachedVnic[] {
    const digest = networkDigest(network);
    const all = this.#attached((altName) => altName.includes(digest));
    return all.filter(({ attachment }) => attachment.network === digest);
  }

  /**
   * Destroys a VNIC and tells the concentrator.
   *
   * @param network - What the configuration says now; of no use where this process made the VNIC.
   */
  async destroy(found: AttachedVnic, network: Network | undefined): Promise<void> {
    const config = found.config ?? describe(found, network);
    if (config === undefined) {
      const what = 'the network configuration does not say the subnet that the container was in';
      throw new CniFailure('config', what, { details: `VNIC ${found.vnic.linkName}` });
    }
    const { event } = await this.node.destroyVnic(config);
    await this.deliver(event);
  }

  /** A subnet of which others took the last VNIC: what is left of it goes too. */
  async clearAway(network: Network): Promise<void> {
    // No workload has the gateway's address.
    const vnicIp = gatewayOf(network.subnet);
    const { event } = await this.node.destroyVnic({
      ...subnetOf(network),
      role: 'container',
      vnicId: vnicIdOf('none'),
      vnicIp,
      vnicMac: macOfAddress(vnicIp),
    });
    await this.deliver(event);
  }

  /**
   * Tells the concentrator of a subnet that has a container now: what the node says, and once in the life
   * of this process whatever it says. Nobody knows whether an earlier process still got to it.
   */
  async announce(network: Network, event: TunnelEvent | undefined): Promise<void> {
    const scope = scopeOf({ ...network, cnciIp: network.concIp });
    if (event === undefined && this.#told.has(scope)) return;
    this.#told.add(scope);
    try {
      await this.deliver(event ?? this.#describeTunnel(network));
    } catch (error) {
      this.#told.delete(scope);
      throw error;
    }
  }

  async deliver(event: TunnelEvent | undefined): Promise<void> {
    if (event === undefined) return;
    if (event.kind === 'tunnel-del') this.#told.delete(scopeOf(event));
    try {
      await this.#onTunnelEvent(event);
    } catch (error) {
      this.logger.error('a tunnel event could not be delivered', { event, error });
      const what = `the concentrator ${event.cnciIp} could not be told of its tunnel`;
      throw new CniFailure('tryAgain', what, { details: String(error), cause: error });
    }
  }

  #describeTunnel(network: Network): TunnelEvent {
    const { tenantId, subnetId, concId, concIp: cnciIp, subnet, subnetKey } = network;
    const [computeLink] = this.node.computeLinks;
    return Object.freeze({
      ...{ kind: 'tunnel-add', code: 2, cnciIp, cnIp: computeLink?.address ?? '' },
      ...{ subnet, subnetKey, tenantId, subnetId, concId },
      ...{ cnId: this.node.id, tunnel: this.node.mode },
    } as const);
  }

  #attached(matches: (altName: string) => boolean): AttachedVnic[] {
    return this.node.vnicsNamed(matches).flatMap((named) => {
      const attachment = parseAttachment(named.altName);
      return attachment === undefined ? [] : [{ ...named, attachment }];
    });
  }
}

function scopeOf({
  tenantId,
  subnetId,
  concId,
  cnciIp,
}: Pick<TunnelEvent, 'tenantId' | 'subnetId' | 'concId' | 'cnciIp'>): string {
  return `${tenantId} ${subnetId} ${concId} ${cnciIp}`;
}

/** The fields of a VNIC that are its subnet's. */
export function subnetOf(
  network: Network,
): Pick<
  VnicConfigInput,
  'tenantId' | 'subnetId' | 'concId' | 'concIp' | 'subnet' | 'subnetKey' | 'mtu'
> {
  const { tenantId, subnetId, concId, concIp, subnet, subnetKey, mtu } = network;
  return { tenantId, subnetId, concId, concIp, subnet, subnetKey, mtu };
}

/** What a VNIC is, of which this process knows only what the kernel shows. */
function describe(
  { vnic, concIp, subnetKey, attachment }: AttachedVnic,
  network: Network | undefined,
): VnicConfigInput | undefined {
  if (network === undefined) return undefined;
  const { tenantId, subnetId, concId, ip, mac } = vnic;
  return {
    role: 'container',
    tenantId,
    subnetId,
    concId,
    concIp,
    vnicId: vnicIdOf(keyOfAttachment(attachment)),
    vnicIp: ip,
    vnicMac: mac ?? macOfAddress(ip as Ipv4Address),
    subnet: network.subnet,
    subnetKey: subnetKey ?? network.subnetKey,
  };
}
