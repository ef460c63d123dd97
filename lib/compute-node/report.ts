import type { Host } from '../host';
import type { VnicConfig } from '../model';
import type { KnownVnic } from '../topology';
import { containerNetwork, tunnelEvent } from './events';
import type { ContainerNetwork, TunnelEvent } from './events';
import type { VnicCreation } from './plan-vnic';
import type { CreatedVnic } from './results';
import type { Subnet, VnicEntry } from './subnet';
import { Vnic, idsOf } from './vnic';

/** What a plan made of a VNIC. */
export interface MadeVnic {
  readonly creation: VnicCreation;
  /** Queues of a tap that has several. */
  readonly fds: readonly number[] | undefined;
}

/** What `createVnic` says of a VNIC that it made; notes what is thereby handed over. */
export function describeMade(
  host: Host,
  subnet: Subnet,
  config: VnicConfig,
  { creation, fds }: MadeVnic,
): CreatedVnic {
  const event = announce(host, subnet, config);
  const container = announceContainer(subnet, config, creation);
  return Object.freeze({
    vnic: new Vnic(creation.vnic, idsOf(config), fds),
    created: true,
    ...(event !== undefined && { event }),
    ...(container !== undefined && { container }),
  });
}

/** What `createVnic` says of a VNIC that was there. */
export function describeFound(
  host: Host,
  subnet: Subnet,
  known: KnownVnic,
  config: VnicConfig,
): CreatedVnic {
  const event = announce(host, subnet, config);
  const container = infoFor(config, subnet);
  return Object.freeze({
    vnic: new Vnic(known, idsOf(config), undefined),
    created: false,
    ...(event !== undefined && { event }),
    ...(container !== undefined && { container }),
  });
}

/** The same for a second caller: nothing that may be handed over only once. */
export function withoutHandover(made: CreatedVnic, subnet: Subnet, entry: VnicEntry): CreatedVnic {
  const { config, known } = entry;
  const vnic =
    made.vnic.fds === undefined || known === undefined || config === undefined
      ? made.vnic
      : new Vnic(known, idsOf(config), undefined);
  const info = config === undefined ? undefined : infoFor(config, subnet);
  const container = made.container === undefined ? undefined : (info ?? made.container);
  return Object.freeze({ vnic, created: false, ...(container !== undefined && { container }) });
}

function announce(host: Host, subnet: Subnet, config: VnicConfig): TunnelEvent | undefined {
  if (subnet.isAnnounced) return undefined;
  subnet.isAnnounced = true;
  const { tunnel } = subnet;
  return tunnelEvent('tunnel-add', config, {
    tunnel: tunnel?.kind ?? host.mode,
    cnIp: tunnel?.local ?? host.computeLink.address,
    subnetKey: tunnel?.key ?? config.subnetKey,
    cnId: host.options.id,
  });
}

function announceContainer(
  subnet: Subnet,
  config: VnicConfig,
  creation: VnicCreation,
): ContainerNetwork | undefined {
  if (config.role !== 'container') return undefined;
  const kind = subnet.hasContainerNetwork ? 'container-network-info' : 'container-network-add';
  subnet.hasContainerNetwork = true;
  return containerNetwork(kind, config, creation.bridge);
}

function infoFor(config: VnicConfig, subnet: Subnet): ContainerNetwork | undefined {
  return config.role === 'container' && subnet.bridge !== undefined
    ? containerNetwork('container-network-info', config, subnet.bridge)
    : undefined;
}
