export { Lanes } from './lanes';
export { listenPrivately } from './listen';
export type { ListenOptions } from './listen';
export { keepHeapSmall } from './memory';
export { notifyService } from './notify';
export { peerCredentials } from './peer';
export type { PeerCredentials } from '../kernel';
export { untilTerminated } from './termination';
export type { TerminationSignal } from './termination';
