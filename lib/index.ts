export {
  claimSsntpIdentity,
  CnciAgent,
  describeConsumer,
  describePermissions,
  describeStreams,
  formatAgentReport,
  formatAgentRequest,
  formatAuthorization,
  Launcher,
  NatsAgentTransport,
  NatsLauncherTransport,
  parseAgentReport,
  parseAgentRequest,
  parseNatsNames,
  removeNatsAgent,
  setUpNats,
  SsntpAgentTransport,
  SsntpClient,
  SsntpLauncherTransport,
  SsntpServer,
  subnetKeyOf,
  TenantEventOutbox,
} from './agent';
export type {
  AgentDelivery,
  AgentObserver,
  AgentReport,
  AgentReportKind,
  AgentRequest,
  AgentRequestKind,
  AgentTransport,
  CnciAgentOptionsInput,
  CnciAgentState,
  ExpectedNetwork,
  FollowOptions,
  InstanceReport,
  LauncherOptionsInput as LauncherOptions,
  LauncherTransport,
  NatsAgentOptionsInput as NatsAgentOptions,
  NatsConsumerConfig,
  NatsLayoutOptions,
  NatsNames,
  NatsOptionsInput as NatsOptions,
  NatsPermissions,
  NatsRole,
  NatsSetUp,
  NatsStreamConfig,
  NatsTlsInput as NatsTls,
  NatsUser,
  OutboxEvent,
  OutboxOptionsInput as OutboxOptions,
  PublicIpFailure,
  PublicIpReport,
  PublicIpRequest,
  Reconciled,
  RefreshRequest,
  SsntpClientEvent,
  SsntpClientOptions,
  SsntpFrame,
  SsntpFrameType,
  SsntpIdentity,
  SsntpIdentityOptions,
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
  TenantEvent,
  TransportListener,
  Tunnel,
  TunnelOwner,
} from './agent';
export { formatAlias, parseAlias } from './alias';
export type { ParsedAlias } from './alias';
export {
  anyAlive,
  AuditDaemon,
  criWorkloads,
  dockerWorkloads,
  namespacesAlive,
  podmanWorkloads,
} from './audit';
export type {
  AuditedVnic,
  AuditEvent,
  AuditOptionsInput as AuditOptions,
  AuditReport,
  Liveness,
  NamespacesAliveOptions,
  StaleVnic,
} from './audit';
export { Cnci } from './cnci';
export type {
  CnciEvent,
  CnciHealedEvent,
  CnciRepairReport,
  CnciReport,
  CnciSubnetTopology,
  CnciTopology,
  DhcpNews,
  MeshNeighbour,
  MeshTopology,
  PlannableCnciOperations,
  RemoteSubnet,
  RemovedSubnet,
  UpdatedNeighbors,
} from './cnci';
export { CniServer, formatAttachment, parseAttachment } from './cni';
export type { Attachment, AttachmentName, CniServerOptions, OnTunnelEvent } from './cni';
export { CnciVnic, ComputeNode, Vnic } from './compute-node';
export type {
  ContainerNetwork,
  CreatedCnciVnic,
  CreatedVnic,
  DestroyedCnciVnic,
  DestroyedVnic,
  HealedEvent,
  NodeEvent,
  NodeTopology,
  PlannableOperations,
  RebuildReport,
  RepairEvent,
  RepairOptions,
  RepairReport,
  RepointEvent,
  RepointReport,
  SubnetTopology,
  TunnelEvent,
} from './compute-node';
export { DockerPlugin } from './docker';
export type { DockerPluginOptionsInput as DockerPluginOptions, DockerPluginState } from './docker';
export { drawMermaid, drawTree } from './draw';
export type { Drawable, TreeOptions } from './draw';
export { APIError, FatalError, KernelError, LibsnnetError, isLibsnnetError } from './errors';
export type { ErrorCode } from './errors';
export { Firewall } from './firewall';
export type {
  FirewallDriftCause,
  FirewallDryRun,
  FirewallEvent,
  FirewallFinding,
  FirewallFindingType,
  FirewallReport,
  FirewallShutdown,
  FirewallView,
} from './firewall';
export type { PhysicalLink, ResetReport } from './host';
export { probe } from './kernel';
export type { Capabilities, NftCapabilities } from './kernel';
export { debugSshPortForIp } from './model';
export type {
  AttachInput as Attach,
  ContainerRouteInput as ContainerRoute,
  CallOptionsInput as CallOptions,
  CloudHypervisorOptionsInput as CloudHypervisorOptions,
  CnciOptionsInput as CnciOptions,
  DhcpChoiceInput as DhcpChoice,
  CnciVnicConfigInput as CnciVnicConfig,
  FirecrackerOptionsInput as FirecrackerOptions,
  FirewallAction,
  FirewallOptionsInput as FirewallOptions,
  ForwardingInput as Forwarding,
  LibvirtOptionsInput as LibvirtOptions,
  Logger,
  NeighborInput as Neighbor,
  NodeOptionsInput as NodeOptions,
  PortMappingInput as PortMapping,
  PublicIpInput as PublicIp,
  QemuOptionsInput as QemuOptions,
  RemoteSubnetConfigInput as RemoteSubnetConfig,
  RepointConfigInput as RepointConfig,
  Role,
  TunnelKind,
  VnicConfigInput as VnicConfig,
  WatchOptionsInput as WatchOptions,
} from './model';
export { describePlan } from './plan';
export type { DryRun, Plan, Step } from './plan';
export { LmdbStore } from './store';
export type { LmdbStoreOptions, StoreChange, StoreProvider } from './store';
export type { Finding, FindingType } from './topology';
export type { DriftCause, DriftEvent, GaveUpEvent, ResyncEvent, WatchEvent } from './watch';
