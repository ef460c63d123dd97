import type { CreatedVnic } from '../compute-node';
import { gatewayOf, macOfAddress } from '../model';
import type { ContainerRoute, Ipv4Address, Ipv4Cidr, MacAddress, VnicConfigInput } from '../model';
import { parseAllocation } from './allocation';
import { altNameOf, keyOf, vnicIdOf } from './attachment';
import type { AttachmentName } from './attachment';
import { viewContainer } from './container';
import { mergeDns } from './dns';
import type { Dns } from './dns';
import type { CniEnvironment } from './environment';
import { CniFailure } from './failure';
import { hasIpam, parseNetwork } from './network-config';
import type { Network, NetworkHead } from './network-config';
import { formatResult, parsePreviousResult } from './result';
import type { Attached, PreviousResult } from './result';
import { subnetOf } from './setting';
import type { AttachedVnic, Setting } from './setting';
import { parseWishes } from './wishes';
import type { Wishes } from './wishes';

/** An ADD that is being worked on. */
interface Order {
  readonly environment: CniEnvironment;
  readonly head: NetworkHead;
  readonly name: AttachmentName;
  /** What tells it from all others. */
  readonly key: string;
  readonly network: Network;
  readonly wishes: Wishes;
  readonly previous: PreviousResult;
  /** Inode of the namespace. */
  readonly inode: number;
}

/** What a container is to get. */
interface Lot {
  readonly address: Ipv4Address;
  readonly mac: MacAddress;
  readonly gateway: Ipv4Address;
  readonly routes: readonly Required<ContainerRoute>[];
  readonly dns: Dns;
}

export type AddOutcome =
  /** The IPAM plugin has to say an address first. */
  | { readonly kind: 'wants-address' }
  /** `undo`: present where it was made by this call. */
  | { readonly kind: 'added'; readonly text: string; readonly undo?: () => Promise<void> };

const DEFAULT_ROUTE = '0.0.0.0/0' as Ipv4Cidr;

/** Puts a container onto its tenant's network; what is so already is told once more. */
export async function add(
  setting: Setting,
  asked: { readonly environment: CniEnvironment; readonly head: NetworkHead },
  given: string | undefined,
  signal: AbortSignal,
): Promise<AddOutcome> {
  const order = readOrder(setting, asked);
  return await setting.lanes.run(order.key, async () => {
    const again = await tellAgain(setting, order, setting.find(order.key), signal);
    if (again === undefined && given === undefined && hasIpam(order.head)) {
      return { kind: 'wants-address' };
    }
    const outcome = again ?? (await attach(setting, order, readLot(order, given), signal));
    setting.claims.set(order.key, order);
    return outcome;
  });
}

function readOrder(
  setting: Setting,
  { environment, head }: { readonly environment: CniEnvironment; readonly head: NetworkHead },
): Order {
  const network = parseNetwork(head, 'ADD');
  const { mode } = network;
  if (mode !== undefined && mode !== 'auto' && mode !== setting.node.mode) {
    const what = `the network asks for ${mode} tunnels, and this node has ${setting.node.mode}`;
    throw new CniFailure('config', what);
  }
  const { containerId, ifname, netns, args } = environment;
  const name = { network: head.name, containerId, ifname };
  return {
    environment,
    head,
    name,
    key: keyOf(name),
    network,
    wishes: parseWishes(head, args, network.subnet),
    previous: parsePreviousResult(head.fields['prevResult']),
    inode: setting.inodeOf(netns),
  };
}

function readLot({ network, wishes, environment }: Order, given: string | undefined): Lot {
  const allocation = given === undefined ? undefined : parseAllocation(given, network.subnet);
  const address = allocation?.address ?? wishes.address;
  if (address === undefined) {
    const what = `${environment.containerId} has no address`;
    const details = 'give one by ipam, by the capability ips, by args.cni.ips or by IP of CNI_ARGS';
    throw new CniFailure('config', what, { details });
  }
  const gateway = allocation?.gateway ?? gatewayOf(network.subnet);
  const routes = network.routes ?? allocation?.routes ?? [{ destination: DEFAULT_ROUTE }];
  return {
    address,
    gateway,
    mac: wishes.mac ?? macOfAddress(address),
    routes: routes.map(({ destination, via = gateway }) => ({ destination, via })),
    dns: mergeDns(wishes.dns, network.dns, allocation?.dns),
  };
}

async function attach(
  setting: Setting,
  order: Order,
  lot: Lot,
  signal: AbortSignal,
): Promise<AddOutcome> {
  const config = describeVnic(order, lot);
  const made = await setting.node.createVnic(config, { signal });
  const undo = async (): Promise<void> => {
    const { event } = await setting.node.destroyVnic(config);
    await setting.deliver(event);
  };
  try {
    await setting.announce(order.network, made.event);
  } catch (error) {
    await undo().catch((later: unknown) => {
      setting.logger.error('an ADD could not be undone', { error: later });
    });
    throw error;
  }
  const text = formatResult(order.head.cniVersion, describe(order, lot, made), order.previous);
  if (!made.created) return { kind: 'added', text };
  const undoUnlessClaimed = async (): Promise<void> => {
    if (setting.claims.get(order.key) !== order) return;
    setting.claims.delete(order.key);
    await undo();
  };
  return { kind: 'added', text, undo: () => setting.lanes.run(order.key, undoUnlessClaimed) };
}

function describeVnic({ network, key, inode, environment }: Order, lot: Lot): VnicConfigInput {
  const { address, mac, routes } = lot;
  return {
    ...subnetOf(network),
    role: 'container',
    vnicId: vnicIdOf(key),
    instanceId: environment.containerId.slice(0, 255),
    vnicIp: address,
    vnicMac: mac,
    altName: altNameOf(key, inode),
    attach: { netns: environment.netns, ifname: environment.ifname, routes },
  };
}

function describe({ network, environment }: Order, lot: Lot, made: CreatedVnic): Attached {
  const { vnic, container } = made;
  return {
    bridge: container?.subnetId,
    linkName: vnic.linkName,
    ifname: environment.ifname,
    sandbox: environment.netns,
    mac: lot.mac,
    mtu: vnic.mtu,
    address: lot.address,
    subnet: network.subnet,
    gateway: lot.gateway,
    routes: lot.routes,
    dns: lot.dns,
  };
}

/**
 * The same ADD once more: what the kernel shows in the container is the result. The VNIC is put in order
 * on the way, and the concentrator told, if nobody knows whether it was.
 */
async function tellAgain(
  setting: Setting,
  order: Order,
  [found, ...others]: readonly AttachedVnic[],
  signal: AbortSignal,
): Promise<AddOutcome | undefined> {
  if (found === undefined) return undefined;
  const { environment, wishes, inode, name } = order;
  if (others.length > 0 || found.attachment.netns !== inode) {
    const what = `${name.containerId} has its ${name.ifname} in another namespace`;
    throw new CniFailure('conflict', what, { details: 'DEL has to come before another ADD' });
  }
  const { link, routes } = await viewContainer(environment.netns, environment.ifname);
  const { address, mac } = wishes;
  const isOther =
    (address !== undefined && address !== found.vnic.ip) ||
    (mac !== undefined && mac !== link?.address);
  if (link === undefined || isOther) {
    const what = `${name.containerId} has an ${name.ifname} that is not as it should be`;
    throw new CniFailure('conflict', what, { details: `its address is ${found.vnic.ip}` });
  }
  // A daemon that died in the middle of an ADD had not come to the routes.
  const lot = lotOf(order, found.vnic.ip, link, link.isUp ? routes : undefined);
  const config = found.config ?? describeVnic(order, lot);
  const made = await setting.node.createVnic(config, { signal });
  await setting.announce(order.network, made.event);
  const attached = describe(order, lot, made);
  return { kind: 'added', text: formatResult(order.head.cniVersion, attached, order.previous) };
}

/** What a container has, by what the kernel shows of it. */
function lotOf(
  { network, wishes }: Order,
  address: string,
  link: { readonly address: string },
  routes: readonly { readonly destination: string; readonly via?: string }[] = network.routes ?? [
    { destination: DEFAULT_ROUTE },
  ],
): Lot {
  const gateway = gatewayOf(network.subnet);
  return {
    address: address as Ipv4Address,
    mac: link.address as MacAddress,
    gateway,
    routes: routes.map(({ destination, via = gateway }) => ({
      destination: destination as Ipv4Cidr,
      via: via as Ipv4Address,
    })),
    dns: mergeDns(wishes.dns, network.dns),
  };
}
