export { describePlan, describeStep } from './describe';
export type { NameOf } from './describe';
export type { Fault } from './fault';
export { inverseOf } from './inverse';
export { makePlan } from './plan';
export type { Plan, PlannedStep } from './plan';
export type {
  ConntrackDelete,
  ConntrackTuple,
  NftBase,
  NftChainCommand,
  NftCommand,
  NftElementsCommand,
  NftExpression,
  NftFamily,
  NftRegister,
  NftRuleCommand,
  NftRuleDelete,
  NftSetCommand,
  NftStep,
  NftTableCommand,
  NftType,
  NftVerdict,
} from './nft-step';
export type {
  AddressStep,
  BridgeToRetire,
  FdbStep,
  GeneveData,
  GreData,
  LinkAttributes,
  LinkCreate,
  LinkDelete,
  LinkKind,
  LinkSet,
  LinkToDelete,
  MacvtapData,
  NeighbourStep,
  RouteStep,
  Step,
  StepOp,
  SysctlSet,
  TapCreate,
  VethPeer,
  VxlanData,
} from './step';
