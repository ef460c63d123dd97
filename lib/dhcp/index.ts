export type { HostInput } from './host-names';
export type { Lease } from './leases';
export { parseDhcpOptions } from './options';
export type { DhcpOptionsInput } from './options';
export type { DhcpEvent, EnsureOutcome } from './server';
export { DhcpServers } from './servers';
export type { DhcpStatus, Ensured } from './servers';
export type { DhcpSubnetInput, Layout } from './subnet';
