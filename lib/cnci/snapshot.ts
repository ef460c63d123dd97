import type { DhcpStatus } from '../dhcp';
import type { Host } from '../host';
import { gatewayOf } from '../model';
import type { Finding, KnownTunnel } from '../topology';
import { meshView } from './mesh';
import type { CnciSubnetTopology, CnciTopology } from './results';
import type { CnciSubnet, CnciTable } from './table';

/** What a snapshot shows beside what is in the table. */
export interface Circumstances {
  readonly tenantId: string;
  readonly findings: readonly Finding[];
  /** By CIDR; absent where nobody serves the subnets. */
  readonly served: ReadonlyMap<string, DhcpStatus> | undefined;
}

export function takeSnapshot(
  host: Host,
  table: CnciTable,
  { tenantId, findings, served }: Circumstances,
): CnciTopology {
  const { linkName, address, mtu } = host.computeLink;
  const { mesh } = table;
  const subnets = [...table.all()].filter(
    ({ bridge, allTunnels }) => bridge !== undefined || allTunnels.length > 0,
  );
  return Object.freeze({
    type: 'cnci',
    id: host.options.id,
    tenantId,
    mode: host.mode,
    computeLink: Object.freeze({ linkName, address, mtu }),
    subnets: Object.freeze(subnets.map((entry) => viewOf(entry, served))),
    ...(mesh !== undefined && { mesh: meshView(mesh) }),
    findings,
  });
}

function viewOf(entry: CnciSubnet, served: Circumstances['served']): CnciSubnetTopology {
  const tunnels = [
    ...[...entry.tunnels].map(([cnIp, tunnel]) => tunnelView(cnIp, tunnel)),
    ...[...entry.remotes].flatMap((cnIp) =>
      entry.vxlan === undefined ? [] : [tunnelView(cnIp, entry.vxlan)],
    ),
  ];
  const { bridge } = entry;
  const pid = served?.get(entry.subnet)?.pid;
  return Object.freeze({
    subnet: entry.subnet,
    ...(pid !== undefined && { dhcp: Object.freeze({ pid }) }),
    gateway: gatewayOf(entry.subnet),
    ...(bridge !== undefined && {
      bridge: Object.freeze({
        linkName: bridge.linkName,
        ifIndex: bridge.ifIndex,
        mtu: bridge.mtu,
        mac: bridge.mac,
      }),
    }),
    tunnels: Object.freeze(tunnels),
  });
}

function tunnelView(cnIp: string, tunnel: KnownTunnel): CnciSubnetTopology['tunnels'][number] {
  const { kind, linkName, ifIndex, key } = tunnel;
  return Object.freeze({ kind, cnIp, linkName, ifIndex, ...(key !== undefined && { key }) });
}
