export { CnciAgent } from './agent';
export type { CnciAgentState } from './agent';
export {
  formatAgentReport,
  formatAgentRequest,
  parseAgentReport,
  parseAgentRequest,
  subnetKeyOf,
} from './messages';
export type {
  AgentReport,
  AgentReportKind,
  AgentRequest,
  AgentRequestKind,
  InstanceReport,
  PublicIpFailure,
  PublicIpReport,
  PublicIpRequest,
  RefreshRequest,
  TenantEvent,
} from './messages';
export { makeAgentMonitor } from './monitor';
export type { AgentMonitor } from './monitor';
export { serveMonitor } from './monitor-server';
export type { MonitorServer, MonitorServerOptions } from './monitor-server';
export {
  describeConsumer,
  describePermissions,
  describeStreams,
  formatAuthorization,
  NatsAgentTransport,
  NatsLauncherTransport,
  parseNatsNames,
  removeNatsAgent,
  setUpNats,
} from './nats';
export type {
  NatsAgentOptionsInput,
  NatsConsumerConfig,
  NatsLayoutOptions,
  NatsNames,
  NatsOptionsInput,
  NatsPermissions,
  NatsRole,
  NatsSetUp,
  NatsStreamConfig,
  NatsTlsInput,
  NatsUser,
} from './nats';
export type { AgentObserver, CnciAgentOptionsInput } from './options';
export { Launcher, TenantEventOutbox } from './outbox';
export type {
  ExpectedNetwork,
  FollowOptions,
  LauncherOptionsInput,
  OutboxEvent,
  OutboxOptionsInput,
  Reconciled,
  Tunnel,
  TunnelOwner,
} from './outbox';
export { claimSsntpIdentity, SsntpAgentTransport, SsntpLauncherTransport } from './over-ssntp';
export type { SsntpIdentity, SsntpIdentityOptions } from './over-ssntp';
export { SsntpClient, SsntpServer } from './ssntp';
export type {
  SsntpClientEvent,
  SsntpClientOptions,
  SsntpFrame,
  SsntpFrameType,
  SsntpMessage,
  SsntpOperand,
  SsntpPeer,
  SsntpRole,
  SsntpServerEvent,
  SsntpServerOptions,
  SsntpSession,
  SsntpTime,
  SsntpTrace,
  SsntpTraceNode,
} from './ssntp';
export type {
  AgentDelivery,
  AgentTransport,
  LauncherTransport,
  TransportListener,
} from './transport';
