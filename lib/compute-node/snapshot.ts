import type { Host } from '../host';
import type { Finding, KnownLink } from '../topology';
import type { CnciVnics } from './cnci-vnics';
import type { Subnet, SubnetTable } from './subnet';
import { Vnic, idsOf } from './vnic';
import type { CnciVnic } from './vnic';

/** A node's topology at one moment: plain, frozen data, safe to serialise. */
export interface NodeTopology {
  readonly type: 'compute-node';
  readonly id: string;
  readonly mode: string;
  /** The link that tunnels run on. */
  readonly computeLink: {
    readonly linkName: string;
    readonly address: string;
    readonly mtu: number;
  };
  readonly subnets: readonly SubnetTopology[];
  /** All of them, in the order of their subnets. */
  readonly vnics: readonly Vnic[];
  readonly cnciVnics: readonly CnciVnic[];
  /** What the last look at the kernel found out of order. */
  readonly findings: readonly Finding[];
}

export interface SubnetTopology {
  /** Identity: `<tenant>_<subnet>_<concentrator>_<concentrator IP>`. */
  readonly scope: string;
  /** Absent where ids with `_` make the identity ambiguous (made by the Go original). */
  readonly ids?: { readonly tenantId: string; readonly subnetId: string; readonly concId: string };
  readonly concIp: string;
  readonly bridge?: LinkTopology;
  readonly tunnel?: LinkTopology & {
    readonly kind: string;
    readonly key?: number;
    readonly local?: string;
    readonly remote?: string;
  };
  readonly vnics: readonly Vnic[];
}

export interface LinkTopology {
  readonly linkName: string;
  readonly ifIndex: number;
  readonly mtu: number;
  readonly mac: string;
}

export function takeSnapshot(
  host: Host,
  subnets: SubnetTable,
  cnciVnics: CnciVnics,
  findings: readonly Finding[],
): NodeTopology {
  const { linkName, address, mtu } = host.computeLink;
  const views = [...subnets.all()].map(viewOf);
  return Object.freeze({
    type: 'compute-node',
    id: host.options.id,
    mode: host.mode,
    computeLink: Object.freeze({ linkName, address, mtu }),
    subnets: Object.freeze(views),
    vnics: Object.freeze(views.flatMap((view) => view.vnics)),
    cnciVnics: Object.freeze([...cnciVnics.all()]),
    findings: Object.freeze([...findings]),
  });
}

function viewOf(subnet: Subnet): SubnetTopology {
  const { scope, bridge, tunnel } = subnet;
  return Object.freeze({
    scope: scope.text,
    ...(scope.ids !== undefined && { ids: scope.ids }),
    concIp: scope.concIp,
    ...(bridge !== undefined && { bridge: linkView(bridge) }),
    ...(tunnel !== undefined && {
      tunnel: Object.freeze({
        ...linkView(tunnel),
        kind: tunnel.kind,
        ...(tunnel.key !== undefined && { key: tunnel.key }),
        ...(tunnel.local !== undefined && { local: tunnel.local }),
        ...(tunnel.remote !== undefined && { remote: tunnel.remote }),
      }),
    }),
    vnics: Object.freeze(vnicsOf(subnet)),
  });
}

function vnicsOf(subnet: Subnet): Vnic[] {
  // An ambiguous identity is shown as it stands: nobody can tell where one id ends.
  const unknown = { tenantId: subnet.scope.text, subnetId: '', concId: '' };
  const found = subnet.scope.ids ?? unknown;
  return [...subnet.vnics.values()].flatMap(({ known, config, status }) => {
    if (known === undefined || status !== 'ready') return [];
    return [new Vnic(known, config === undefined ? found : idsOf(config), undefined)];
  });
}

function linkView(link: KnownLink): LinkTopology {
  const { linkName, ifIndex, mtu, mac } = link;
  return Object.freeze({ linkName, ifIndex, mtu, mac });
}
