export { planBridge, planDeletion, toDelete } from './bridge';
export type { Chooser } from './chooser';
export { knownLinkOf } from './known-link';
export { ANCHOR_VNI, planAnchor, planRemote, planTunnel } from './tunnel';
export type { TunnelPorts, TunnelSpec } from './tunnel';
export { planCnciVnic, planTapVnic, planVethVnic } from './vnic';
