export { Firewall, openFirewall } from './firewall';
export type { PlannableChanges } from './firewall';
export type { FirewallHooks } from './opening';
export type {
  FirewallDryRun,
  FirewallFinding,
  FirewallFindingType,
  FirewallReport,
  FirewallShutdown,
  FirewallView,
} from './results';
