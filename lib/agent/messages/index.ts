export {
  AGENT_REPORT_KINDS,
  encodeAgentReport,
  formatAgentReport,
  parseAgentReport,
} from './reports';
export {
  AGENT_REQUEST_KINDS,
  encodeAgentRequest,
  formatAgentRequest,
  parseAgentRequest,
  readPublicIpTexts,
  subnetKeyOf,
} from './requests';
export { PUBLIC_IP_REASONS } from './types';
export type {
  AgentReport,
  AgentReportKind,
  AgentRequest,
  AgentRequestKind,
  InstanceReport,
  PublicIpFailure,
  PublicIpReport,
  PublicIpRequest,
  PublicIpTexts,
  RefreshRequest,
  TenantEvent,
} from './types';
