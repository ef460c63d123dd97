/** Everything that changes the kernel: one row more here is tried by kills and by faults. */
import type { Operation } from './operation';
import { AGENT } from './agent';
import { CNCI } from './cnci';
import { CNI } from './cni';
import { COMPUTE_NODE } from './compute-node';
import { FIREWALL } from './firewall';

export type { Attempt, Operation, Scene } from './operation';
export { compare, takePicture } from './picture';
export type { Picture } from './picture';
export { Stage } from './scene';

export const OPERATIONS: readonly Operation[] = [...COMPUTE_NODE, ...CNCI, ...FIREWALL, ...CNI];

/** Those that answer a failure by trying again, so that they can only be killed. */
export const KILLED: readonly Operation[] = [...OPERATIONS, ...AGENT];
