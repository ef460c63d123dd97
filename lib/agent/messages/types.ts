import type { Ipv4Address, Ipv4Cidr, Neighbor, TunnelKey, TunnelKind } from '../../model';

/** A subnet's tunnel was made, or removed, at a compute node; its concentrator is to do the same. */
export interface TenantEvent {
  readonly kind: 'tenant-added' | 'tenant-removed';
  /** The compute node's launcher. */
  readonly agentUuid: string;
  /** The compute node's end of the tunnel. */
  readonly agentIp: Ipv4Address;
  /** May be empty, as the next two may: nothing depends on them but routing. */
  readonly tenantUuid: string;
  readonly tenantSubnet: Ipv4Cidr;
  /** Whom it is for. */
  readonly concentratorUuid: string;
  readonly concentratorIp: Ipv4Address | '';
  readonly subnetKey: TunnelKey;
  /**
   * What the compute node built. The original builds GRE and knows no such field; where it is absent, the
   * concentrator's own kind is meant.
   */
  readonly tunnel?: TunnelKind;
}

/** A workload is to have an address of the outside, or to have it no longer. */
export interface PublicIpRequest {
  readonly kind: 'assign-public-ip' | 'release-public-ip';
  /** Whom it is for. */
  readonly concentratorUuid: string;
  readonly tenantUuid: string;
  readonly instanceUuid: string;
  readonly publicIp: Ipv4Address;
  readonly privateIp: Ipv4Address;
  /** Handed back in a failure; whose it is depends on who asks. */
  readonly vnicMac: string;
}

/** Who the tenant's concentrators are. */
export interface RefreshRequest {
  readonly kind: 'refresh-cnci';
  /** Whom it is for. */
  readonly cnciUuid: string;
  /** All of them, the receiver too. */
  readonly cncis: readonly Neighbor[];
}

/** What an agent is asked for. */
export type AgentRequest = TenantEvent | PublicIpRequest | RefreshRequest;
export type AgentRequestKind = AgentRequest['kind'];

/** A concentrator is there, under this address. */
export interface InstanceReport {
  readonly kind: 'concentrator-instance-added';
  /** The agent's own UUID. */
  readonly instanceUuid: string;
  /** The original leaves it empty. */
  readonly tenantUuid: string;
  readonly concentratorIp: string;
  readonly concentratorMac: string;
}

/** What was asked for was done. */
export interface PublicIpReport {
  readonly kind: 'public-ip-assigned' | 'public-ip-unassigned';
  readonly concentratorUuid: string;
  readonly instanceUuid: string;
  readonly publicIp: string;
  readonly privateIp: string;
}

/** What a {@link PublicIpFailure} can give as its reason. */
export const PUBLIC_IP_REASONS = [
  'no_instance',
  'invalid_payload',
  'invalid_data',
  'assign_failure',
  'release_failure',
] as const;

/** What was asked for was not done. The fields are the request's as they came, right or wrong. */
export interface PublicIpFailure extends PublicIpTexts {
  readonly kind: 'assign-public-ip-failure' | 'unassign-public-ip-failure';
  readonly reason: (typeof PUBLIC_IP_REASONS)[number];
}

/** The fields of a {@link PublicIpRequest} as they came. */
export interface PublicIpTexts {
  readonly concentratorUuid: string;
  readonly tenantUuid: string;
  readonly instanceUuid: string;
  readonly publicIp: string;
  readonly privateIp: string;
  readonly vnicMac: string;
}

/** What an agent tells the controllers. */
export type AgentReport = InstanceReport | PublicIpReport | PublicIpFailure;
export type AgentReportKind = AgentReport['kind'];
