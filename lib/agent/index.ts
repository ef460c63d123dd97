export { FrameDecoder, FrameEncoder } from './ssntp';
