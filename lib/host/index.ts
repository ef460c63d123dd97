export { Abandonment } from './abandonment';
export { Call } from './call';
export { Gate } from './gate';
export { Host } from './host';
export type { HostHooks } from './host';
export type { PhysicalLink, PhysicalLinks } from './physical-links';
export { resetLinks } from './reset';
export type { ResetReport } from './reset';
export { SharedWork } from './shared-work';
