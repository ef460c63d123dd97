export { AuditDaemon } from './daemon';
export type { AuditHooks } from './daemon';
export { judge } from './judgement';
export type { Look, Mark, Marks, Verdict } from './judgement';
export { namespacesAlive } from './namespaces';
export type { NamespacesAliveOptions } from './namespaces';
export type { AuditOptionsInput } from './options';
export { criWorkloads, dockerWorkloads, podmanWorkloads } from './runtimes';
export type {
  AuditedNode,
  AuditedVnic,
  AuditEvent,
  AuditReport,
  Liveness,
  StaleVnic,
} from './types';
export { anyAlive } from './workloads';
