export { IndexAllocator } from './index-allocator';
export type { LinkEvent } from './decode';
export { Kernel } from './kernel';
export type { KernelOptions, RunResult } from './kernel';
export { probe } from './probe';
export type { Capabilities, ProbedKind } from './probe';
export { Processes, WatchedProcess } from './processes';
export type { Program, ProgramResult } from './processes';
export type { AddressRow, LinkRow, LinkRowData, NeighbourRow, RouteRow } from './rows';
