export { Firewall, openFirewall } from './firewall';
export type { PlannableChanges } from './firewall';
export type { FirewallHooks } from './opening';
export type {
  FirewallDriftCause,
  FirewallDryRun,
  FirewallEvent,
  FirewallFinding,
  FirewallFindingType,
  FirewallReport,
  FirewallShutdown,
  FirewallView,
} from './results';
