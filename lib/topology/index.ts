export { rebuildCnci } from './cnci-view';
export type { CnciSubnetView, CnciView, KnownMesh } from './cnci-view';
export { ComputeNodeReader, rebuildComputeNode, toKnownLink } from './compute-node-view';
export type { ComputeNodeView, SubnetView } from './compute-node-view';
export type { Finding, FindingType } from './findings';
export { identityKey } from './identity-key';
export { LinkSorter } from './inventory';
export type { Inventory } from './inventory';
export type { KnownLink, KnownTunnel, KnownVnic } from './known-link';
