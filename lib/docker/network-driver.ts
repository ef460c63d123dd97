import { parseAlias } from '../alias';
import type { Scope } from '../alias';
import { containsAddress, prefixLength, tryParseIpv4Cidr } from '../model';
import type { Ipv4Address, Ipv4Cidr } from '../model';
import type { KnownVnic } from '../topology';
import { NOTHING } from './drivers';
import type { DriverContext, Handler, Handlers, Turn } from './drivers';
import { isAtHome, isUsed } from './liveness';
import type { Change, EndpointRecord, NetworkRecord, Registry } from './registry';
import { Refusal } from './request';
import type { RequestBody } from './request';

const GENERIC = 'com.docker.network.generic';
const INTERNAL = 'com.docker.network.internal';
const PORT_MAP = 'com.docker.network.portmap';
const succeed: Handler = () => NOTHING;

/**
 * The network driver: it makes nothing. A network is a bridge that the launcher's `createVnic` made,
 * an endpoint one of its VNICs; docker gets the container's end of it.
 */
export function networkHandlers(context: DriverContext): Handlers {
  return {
    '/NetworkDriver.GetCapabilities': () => ({ Scope: 'local' }),
    '/NetworkDriver.CreateNetwork': (request, turn) => createNetwork(context, request, turn),
    '/NetworkDriver.DeleteNetwork': (request) => deleteNetwork(context, request),
    '/NetworkDriver.CreateEndpoint': (request, turn) => createEndpoint(context, request, turn),
    '/NetworkDriver.DeleteEndpoint': (request) => deleteEndpoint(context, request),
    '/NetworkDriver.EndpointOperInfo': () => ({ Value: {} }),
    '/NetworkDriver.Join': (request) => join(context, request),
    '/NetworkDriver.Leave': succeed,
    '/NetworkDriver.DiscoverNew': succeed,
    '/NetworkDriver.DiscoverDelete': succeed,
    '/NetworkDriver.ProgramExternalConnectivity': (request) => {
      warnOfPorts(context, request);
      return NOTHING;
    },
    '/NetworkDriver.RevokeExternalConnectivity': succeed,
  };
}

async function createNetwork(
  { registry }: DriverContext,
  request: RequestBody,
  turn: Turn,
): Promise<object> {
  const key = request.id('NetworkID');
  const value = readNetwork(request);
  const known = registry.networks.get(key);
  if (known !== undefined) {
    if (JSON.stringify(known) === JSON.stringify(value)) return NOTHING;
    throw new Refusal(`network ${key} is there already, on bridge ${known.bridge}`);
  }
  turn.ifTooLate(() => registry.commit([{ op: 'delete', table: 'networks', key }]));
  await registry.commit([{ op: 'add', table: 'networks', key, value }]);
  return NOTHING;
}

function readNetwork(request: RequestBody): NetworkRecord {
  const options = request.object('Options');
  const bridge = options.object(GENERIC).text('bridge');
  if (bridge === '') throw new Refusal('docker network create needs --opt bridge=<alias>');
  scopeOfBridge(bridge);
  if (request.list('IPv6Data').length > 0) {
    throw new Refusal('IPv6 is not supported by this driver');
  }
  const [data, ...more] = request.list('IPv4Data');
  const subnet = tryParseIpv4Cidr(data?.text('Pool') ?? '');
  if (data === undefined || more.length > 0 || subnet === undefined || prefixLength(subnet) === 0) {
    throw new Refusal("a network is one subnet of a tenant's: docker network create --subnet");
  }
  const gateway = data.address('Gateway');
  if (gateway !== undefined && !containsAddress(subnet, gateway)) {
    throw new Refusal(`gateway ${gateway} is not in ${subnet}`);
  }
  const isInternal = options.isSet(INTERNAL);
  return { bridge, subnet, ...(gateway !== undefined && { gateway }), isInternal };
}

function scopeOfBridge(bridge: string): Scope {
  const parsed = parseAlias(bridge);
  if (parsed?.type === 'cn-bridge') return parsed.scope;
  throw new Refusal(
    `${JSON.stringify(bridge)} is not the alias of a tenant's bridge (br_<tenant>_<subnet>_<concentrator>_<its address>)`,
  );
}

async function deleteNetwork({ registry }: DriverContext, request: RequestBody): Promise<object> {
  const key = request.id('NetworkID');
  networkOf(registry, key);
  const endpoints = registry.endpointsIn(key);
  await registry.commit([
    { op: 'delete', table: 'networks', key },
    ...endpoints.map((id): Change => ({ op: 'delete', table: 'endpoints', key: id })),
  ]);
  return NOTHING;
}

async function createEndpoint(
  context: DriverContext,
  request: RequestBody,
  turn: Turn,
): Promise<object> {
  const { registry } = context;
  const key = request.id('EndpointID');
  const networkId = request.id('NetworkID');
  const network = networkOf(registry, networkId);
  const wanted = request.object('Interface');
  const address = readAddress(wanted, network.subnet);
  const scope = scopeOfBridge(network.bridge);
  const view = await context.finder.look();
  turn.check();
  const vnic = usableVnic(view.find(scope, address), `${address} on ${network.bridge}`);
  checkMac(vnic, wanted.text('MacAddress'));
  // From here to the commit nobody else has a turn.
  networkOf(registry, networkId);
  const former = registry.endpointOf(vnic.alias);
  const changes: Change[] = [];
  if (former !== undefined && former[0] !== key) {
    if (isUsed(registry, former[1], view)) {
      throw new Refusal(`${address} is in use: endpoint ${former[0]} has ${vnic.linkName}`);
    }
    changes.push({ op: 'delete', table: 'endpoints', key: former[0] });
  }
  const value: EndpointRecord = {
    networkId,
    vnic: vnic.alias,
    address,
    linkName: vnic.linkName,
    ifIndex: vnic.ifIndex,
    interfaceName: vnic.peerName ?? vnic.linkName,
    createdAt: Date.now(),
  };
  turn.ifTooLate(() => registry.commit([{ op: 'delete', table: 'endpoints', key }]));
  await registry.commit([...changes, { op: 'add', table: 'endpoints', key, value }]);
  // What docker sent must not be sent back: it takes that for a change, even if it is the same.
  return { Interface: {} };
}

function readAddress(wanted: RequestBody, subnet: Ipv4Cidr): Ipv4Address {
  if (wanted.text('AddressIPv6') !== '') throw new Refusal('IPv6 is not supported by this driver');
  const address = wanted.address('Address');
  if (address === undefined) throw new Refusal("name the VNIC's address: docker run --ip");
  if (containsAddress(subnet, address)) return address;
  throw new Refusal(`${address} is not in ${subnet}`);
}

function usableVnic(vnic: KnownVnic | undefined, what: string): KnownVnic {
  if (vnic === undefined) {
    throw new Refusal(`there is no VNIC for ${what}: createVnic comes before docker run`);
  }
  if (vnic.role !== 'container') throw new Refusal(`${vnic.linkName} for ${what} is a VM's`);
  if (isAtHome(vnic)) return vnic;
  throw new Refusal(
    `the container's end of ${vnic.linkName} for ${what} is not here: another container has it, or dockerd lives in another network namespace`,
  );
}

/** Docker gives the container this MAC; the subnet and the concentrator know the VNIC by its own. */
function checkMac(vnic: KnownVnic, asked: string): void {
  if (asked === '' || asked.toLowerCase() === vnic.peerMac) return;
  throw new Refusal(
    `the VNIC of ${vnic.ip} has MAC ${vnic.peerMac ?? 'unknown'}, not ${asked}: docker run --mac-address`,
  );
}

async function deleteEndpoint({ registry }: DriverContext, request: RequestBody): Promise<object> {
  const key = request.id('EndpointID');
  endpointOf(registry, request.id('NetworkID'), key);
  await registry.commit([{ op: 'delete', table: 'endpoints', key }]);
  return NOTHING;
}

async function join({ registry, finder }: DriverContext, request: RequestBody): Promise<object> {
  const networkId = request.id('NetworkID');
  const network = networkOf(registry, networkId);
  const endpoint = endpointOf(registry, networkId, request.id('EndpointID'));
  // Docker would find out only when the container starts, and say less.
  const found = (await finder.look()).findByAlias(endpoint.vnic);
  const vnic = usableVnic(found, `${endpoint.address} on ${network.bridge}`);
  const { gateway } = network;
  return {
    InterfaceName: { SrcName: vnic.peerName, DstPrefix: 'eth' },
    // With neither of the two docker adds a network of its own.
    ...(gateway === undefined || network.isInternal
      ? { DisableGatewayService: true }
      : { Gateway: gateway }),
  };
}

function networkOf(registry: Registry, id: string): NetworkRecord {
  const network = registry.networks.get(id);
  if (network !== undefined) return network;
  throw new Refusal(`there is no network ${id}`);
}

function endpointOf(registry: Registry, networkId: string, id: string): EndpointRecord {
  networkOf(registry, networkId);
  const endpoint = registry.endpoints.get(id);
  if (endpoint?.networkId === networkId) return endpoint;
  throw new Refusal(`there is no endpoint ${id} on network ${networkId}`);
}

function warnOfPorts({ logger }: DriverContext, request: RequestBody): void {
  const ports = request.object('Options').list(PORT_MAP);
  if (ports.length === 0) return;
  const endpoint = request.text('EndpointID');
  logger.warn('published ports lead nowhere: map them on the concentrator', { endpoint });
}
