export { IndexAllocator } from './index-allocator';
export type { LinkEvent } from './decode';
export { Kernel } from './kernel';
export type { KernelOptions, RowReader, RunResult } from './kernel';
export type {
  ConntrackFilter,
  ConntrackRow,
  NftBaseRow,
  NftChainRow,
  NftEvent,
  NftOverview,
  NftReadExpression,
  NftReadVerdict,
  NftRuleRow,
  NftSetRow,
  NftTableRow,
  NftTableState,
} from './nft-rows';
export { releaseMemory } from './memory';
export { probe } from './probe';
export type { Capabilities, ProbedKind } from './probe';
export type { NftCapabilities } from './probe-nft';
export { Processes, WatchedProcess } from './processes';
export type { Program, ProgramResult } from './processes';
export type { AddressRow, LinkRow, LinkRowData, NeighbourRow, RouteRow } from './rows';
export { lockFile, readPeerCredentials, sendToUnixSocket } from './unix-sockets';
export type { PeerCredentials } from './unix-sockets';
