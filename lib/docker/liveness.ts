import type { Ipv4Cidr } from '../model';
import type { KnownVnic } from '../topology';
import type { DriverContext } from './drivers';
import type { EndpointRecord, HeldAddress, Registry } from './registry';
import type { VnicView } from './vnics';

/** How long docker may be at work between asking for an address and moving the link. */
const IN_FLIGHT_MS = 30_000;

/** Tells whether a link is where the launcher made it: not with a container. */
export function isAtHome(vnic: KnownVnic): boolean {
  return vnic.peerMac !== undefined;
}

/**
 * Tells whether an endpoint is used. Docker may have forgotten it without a word, so the kernel is
 * asked: while a container has it, the VNIC's far end is not here.
 */
export function isUsed(registry: Registry, record: EndpointRecord, view: VnicView): boolean {
  const vnic = view.findByAlias(record.vnic);
  if (vnic?.ifIndex !== record.ifIndex) return false;
  return !isAtHome(vnic) || registry.ageOf(record) < IN_FLIGHT_MS;
}

/** Who uses an address that docker asks for again, in words; nothing: whoever had it is gone. */
export async function addressUser(
  { registry, finder }: DriverContext,
  held: HeldAddress,
  subnet: Ipv4Cidr,
): Promise<string | undefined> {
  if (held.isGateway) return 'it is the gateway';
  if (performance.now() - held.heldSince < IN_FLIGHT_MS) return 'docker asked for it a moment ago';
  const view = await finder.look();
  const users = [...registry.endpoints].filter(
    ([, record]) =>
      record.address === held.address &&
      registry.networks.get(record.networkId)?.subnet === subnet &&
      isUsed(registry, record, view),
  );
  const [user] = users;
  return user === undefined ? undefined : `endpoint ${user[0]} has ${user[1].interfaceName}`;
}
