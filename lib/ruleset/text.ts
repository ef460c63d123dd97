import type { FirewallState } from './ledger';
import { FAMILY, TABLE } from './names';

/** What a firewall holds, one line each: for people, and for comparing. */
export function formatState(state: FirewallState): string {
  const { externalDevices, internalDevices, forwardings, ports, publicIps } = state;
  return [
    `table ${FAMILY} ${TABLE}`,
    ...externalDevices.map((device) => `outside ${device}: masquerade`),
    ...internalDevices.map((device) => `inside ${device}`),
    ...forwardings.map(
      ({ externalDevice, internalDevice }) => `forward ${internalDevice} -> ${externalDevice}`,
    ),
    ...ports.map(
      ({ protocol, externalDevice, externalPort, internalIp, internalPort }) =>
        `port ${externalDevice} ${protocol} ${String(externalPort)} -> ${internalIp}:${String(internalPort)}`,
    ),
    ...publicIps.map(
      ({ internalIp, publicIp, externalDevice }) =>
        `public ${publicIp} on ${externalDevice} <-> ${internalIp}`,
    ),
  ].join('\n');
}
