export { formatAttachment, keyOfAttachment, parseAttachment } from './attachment';
export type { Attachment, AttachmentName } from './attachment';
export { Conversation } from './conversation';
export { executeCni } from './exec';
export type { CniExecOptions } from './exec';
export { CNI_CODES } from './failure';
export {
  decodeDaemonFrame,
  decodeFrontFrame,
  encodeDaemonFrame,
  encodeFrontFrame,
  FrameReader,
} from './frame';
export type { CniRequest, DaemonFrame, FrontFrame } from './frame';
export { CniPlugin } from './plugin';
export type { CniOutcome, CniPluginOptions } from './plugin';
export { CNI_SOCKET, CniServer } from './server';
export type { CniServerOptions } from './server';
export type { OnTunnelEvent } from './setting';
