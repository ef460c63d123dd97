export type { Surroundings } from './backoff';
export { SsntpClient } from './client';
export type { SsntpClientEvent } from './client';
export type { SsntpPeer } from './dial';
export { FrameDecoder, MOST_FRAME_BYTES } from './frame-decoder';
export { FrameEncoder } from './frame-encoder';
export { nameFrame } from './frames';
export type { SsntpFrame } from './frames';
export { parseMessage } from './message';
export type { SsntpMessage } from './message';
export { FRAME_TYPES, OPERANDS, ROLE_NAMES, ROLES, rolesOfBits, rolesOfUsages } from './numbers';
export type { SsntpFrameType, SsntpOperand, SsntpRole } from './numbers';
export type { SsntpClientOptions, SsntpServerOptions } from './options';
export { SsntpServer } from './server';
export type { SsntpServerEvent } from './server';
export type { SsntpSession } from './session';
export { NIL_UUID } from './uuid';
export type {
  ConnectedFrame,
  ConnectFrame,
  PlainFrame,
  SsntpTime,
  SsntpTrace,
  SsntpTraceNode,
  WireFrame,
} from './wire-frame';
