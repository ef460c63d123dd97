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
