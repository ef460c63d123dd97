import type { VnicConfigInput } from '../../model';

/** Who takes part in the demonstration. Addresses outside are of RFC 5737, for documentation. */

export interface Host {
  /** Also the name of its namespace. */
  readonly id: string;
  readonly address: string;
}

export interface Concentrator extends Host {
  readonly tenantId: string;
}

/** A link to the outside, and who is there. */
export interface Uplink {
  readonly cnci: Concentrator;
  readonly device: string;
  /** Of the concentrator. */
  readonly address: string;
  readonly length: number;
}

export interface Workload {
  /** Also the name of its namespace. */
  readonly name: string;
  readonly tenant: Tenant;
  readonly node: Host;
  readonly ip: string;
  readonly mac: string;
}

export interface Tenant {
  readonly id: string;
  readonly subnetKey: number;
  readonly cnci: Concentrator;
}

export const UNDERLAY = { name: 'underlay', subnet: '198.51.100.0/24', length: 24, mtu: 1500 };
/** Both tenants have this very subnet. */
export const SUBNET = { id: 'web', cidr: '172.16.1.0/24', length: 24, gateway: '172.16.1.1' };

export const CN1: Host = { id: 'cn1', address: '198.51.100.11' };
export const CN2: Host = { id: 'cn2', address: '198.51.100.12' };
export const NODES: readonly Host[] = [CN1, CN2];

export const ALPHA = tenant('alpha', 101, '198.51.100.21');
export const BETA = tenant('beta', 102, '198.51.100.22');
export const TENANTS: readonly Tenant[] = [ALPHA, BETA];
export const CNCIS: readonly Concentrator[] = TENANTS.map(({ cnci }) => cnci);
export const HOSTS: readonly Host[] = [...NODES, ...CNCIS];

export const ALPHA_5 = workload(ALPHA, CN1, 5);
export const ALPHA_6 = workload(ALPHA, CN2, 6);
export const BETA_5 = workload(BETA, CN1, 5);
export const BETA_6 = workload(BETA, CN2, 6);
/** No workload of the other tenant has this address. */
export const BETA_7 = workload(BETA, CN2, 7);
export const WORKLOADS: readonly Workload[] = [ALPHA_5, ALPHA_6, BETA_5, BETA_6, BETA_7];

/** A name that both tenants have; in each it is another address. */
export const SERVICE = 'db';
/** Who asks for it, and who has it. */
export const LOOKUPS: readonly (readonly [Workload, Workload])[] = [
  [ALPHA_5, ALPHA_6],
  [BETA_5, BETA_7],
];

export const INTERNET: Host = { id: 'internet', address: '203.0.113.1' };
export const UPLINK: Uplink = {
  cnci: ALPHA.cnci,
  device: 'eth1',
  address: '203.0.113.21',
  length: 24,
};
export const SSH_PORT = 22;
export const WEB_PORT = 80;

/** All namespaces, in the order in which they are made. */
export const NAMESPACES: readonly string[] = [
  UNDERLAY.name,
  ...HOSTS.map(({ id }) => id),
  INTERNET.id,
  ...WORKLOADS.map(({ name }) => name),
];

/** What `createVnic` is told about a workload. */
export function vnicConfig(workload: Workload): VnicConfigInput {
  const { tenant, name, ip, mac } = workload;
  return {
    role: 'container',
    tenantId: tenant.id,
    subnetId: SUBNET.id,
    concId: tenant.cnci.id,
    concIp: tenant.cnci.address,
    vnicId: `vnic-${name}`,
    vnicIp: ip,
    vnicMac: mac,
    subnet: SUBNET.cidr,
    subnetKey: tenant.subnetKey,
  };
}

function tenant(id: string, subnetKey: number, address: string): Tenant {
  return { id, subnetKey, cnci: { id: `cnci-${id}`, address, tenantId: id } };
}

function workload(owner: Tenant, node: Host, last: number): Workload {
  return {
    name: `${owner.id}-${String(last)}`,
    tenant: owner,
    node,
    ip: `172.16.1.${String(last)}`,
    mac: `02:00:ac:10:01:0${String(last)}`,
  };
}
