export { describePlan, describeStep } from './describe';
export type { NameOf } from './describe';
export type { Fault } from './fault';
export { inverseOf } from './inverse';
export type {
  ConntrackDelete,
  ConntrackTuple,
  NftBase,
  NftChainCommand,
  NftCommand,
  NftCtKey,
  NftElementsCommand,
  NftExpression,
  NftFamily,
  NftHook,
  NftMetaKey,
  NftNatFlag,
  NftRegister,
  NftRuleCommand,
  NftRuleDelete,
  NftSetCommand,
  NftSetDelete,
  NftStep,
  NftTableCommand,
  NftTableFlag,
  NftType,
  NftVerdict,
} from './nft-step';
export { makePlan } from './plan';
export type { Plan, PlannedStep } from './plan';
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
