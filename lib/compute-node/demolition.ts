import type { Host } from '../host';
import { planVnicDestruction } from './plan-vnic';
import type { Subnet, SubnetTable, VnicEntry } from './subnet';

/**
 * Deletes a VNIC's link, and with the last the subnet's tunnel and bridge; the database follows. If it
 * fails, the database says what is there still.
 */
export async function demolish(
  { host, subnets }: { readonly host: Host; readonly subnets: SubnetTable },
  subnet: Subnet,
  entry: VnicEntry | undefined,
  takesBridge: boolean,
): Promise<void> {
  const { bridge, tunnel } = subnet;
  const vnic = entry?.known;
  const last = takesBridge ? { bridge, tunnel } : undefined;
  const links = [vnic, last?.bridge, last?.tunnel];
  subnets.links.expect(links);
  try {
    await host.kernel.run(planVnicDestruction(host, vnic === undefined ? [] : [vnic], last));
  } catch (error) {
    if (takesBridge) {
      subnets.setBridge(subnet, bridge);
      subnets.setTunnel(subnet, tunnel);
    }
    if (entry !== undefined && vnic !== undefined) subnets.setVnic(subnet, entry, vnic);
    throw error;
  }
  subnets.links.release(links);
  if (entry !== undefined) subnet.vnics.delete(entry.ip);
  if (takesBridge) subnets.clear(subnet);
}
