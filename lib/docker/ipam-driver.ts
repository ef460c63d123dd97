import { v4 as randomUuid } from 'uuid';

import { broadcastAddress, containsAddress, gatewayOf, networkAddress } from '../model';
import { parseTenantSubnet } from '../model';
import type { Ipv4Address, Ipv4Cidr } from '../model';
import { NOTHING } from './drivers';
import type { DriverContext, Handlers, Turn } from './drivers';
import { addressUser } from './liveness';
import { addressKey } from './registry';
import { inNetwork, Refusal } from './request';
import type { RequestBody } from './request';

const ADDRESS_TYPE = 'RequestAddressType';
const GATEWAY_TYPE = 'com.docker.network.gateway';

/** The IPAM driver: it gives what is asked for, since the launcher's VNICs decide the addresses. */
export function ipamHandlers(context: DriverContext): Handlers {
  return {
    '/IpamDriver.GetCapabilities': () => ({ RequiresMACAddress: true }),
    '/IpamDriver.GetDefaultAddressSpaces': () => ({
      LocalDefaultAddressSpace: '',
      GlobalDefaultAddressSpace: '',
    }),
    '/IpamDriver.RequestPool': (request, turn) => requestPool(context, request, turn),
    '/IpamDriver.ReleasePool': (request) => releasePool(context, request),
    '/IpamDriver.RequestAddress': (request, turn) => requestAddress(context, request, turn),
    '/IpamDriver.ReleaseAddress': (request) => releaseAddress(context, request),
  };
}

async function requestPool(
  { registry }: DriverContext,
  request: RequestBody,
  turn: Turn,
): Promise<object> {
  if (request.isSet('V6')) throw new Refusal('IPv6 is not supported by this driver');
  const asked = request.text('Pool');
  if (asked === '') throw new Refusal("name the tenant's subnet: docker network create --subnet");
  const subnet = parseTenantSubnet(asked, 'Pool');
  const key = randomUuid();
  const value = { subnet, createdAt: Date.now() };
  turn.ifTooLate(() => registry.commit([{ op: 'delete', table: 'pools', key }]));
  await registry.commit([{ op: 'add', table: 'pools', key, value }]);
  return { PoolID: key, Pool: subnet, Data: {} };
}

async function releasePool({ registry }: DriverContext, request: RequestBody): Promise<object> {
  const poolId = request.text('PoolID');
  if (!registry.pools.has(poolId)) return NOTHING;
  await registry.commit([{ op: 'delete', table: 'pools', key: poolId }]);
  for (const [key, held] of registry.addresses) {
    if (held.poolId === poolId) registry.addresses.delete(key);
  }
  return NOTHING;
}

async function requestAddress(
  context: DriverContext,
  request: RequestBody,
  turn: Turn,
): Promise<object> {
  const { registry } = context;
  const poolId = request.id('PoolID');
  const pool = registry.pools.get(poolId);
  if (pool === undefined) throw new Refusal(`there is no pool ${poolId}`);
  const isGateway = request.object('Options').text(ADDRESS_TYPE) === GATEWAY_TYPE;
  const address = chooseAddress(request.address('Address'), pool.subnet, isGateway);
  const key = addressKey(poolId, address);
  const held = registry.addresses.get(key);
  if (held !== undefined) {
    const user = await addressUser(context, held, pool.subnet);
    if (user !== undefined) throw new Refusal(`${address} is in use: ${user}`);
    turn.check();
    if (registry.addresses.get(key) !== held) throw new Refusal(`${address} was asked for twice`);
  }
  registry.addresses.set(key, { poolId, address, isGateway, heldSince: performance.now() });
  return { Address: inNetwork(address, pool.subnet), Data: {} };
}

function chooseAddress(
  asked: Ipv4Address | undefined,
  subnet: Ipv4Cidr,
  isGateway: boolean,
): Ipv4Address {
  if (asked === undefined) {
    // The concentrator has it, whether docker is told or not.
    if (isGateway) return gatewayOf(subnet);
    throw new Refusal("name the VNIC's address: docker run --ip");
  }
  const isHost = asked !== networkAddress(subnet) && asked !== broadcastAddress(subnet);
  if (containsAddress(subnet, asked) && isHost) return asked;
  throw new Refusal(`${asked} is not an address of a host in ${subnet}`);
}

function releaseAddress({ registry }: DriverContext, request: RequestBody): object {
  const poolId = request.text('PoolID');
  const [address = ''] = request.text('Address').split('/');
  registry.addresses.delete(addressKey(poolId, address));
  return NOTHING;
}
