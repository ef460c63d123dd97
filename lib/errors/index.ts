export { ERROR_CODES, isErrorCode } from './codes';
export type { APIErrorCode, ErrorCode, ErrorCodeRow, FatalErrorCode } from './codes';
export { describeType, describeValue, jsonSafeValue, truncateText } from './describe';
export { APIError, FatalError, isLibsnnetError, LibsnnetError } from './errors';
export type { ErrorDetails, ErrorJson, ErrorStep, FatalErrorDetails } from './errors';
export { isKernelError, KernelError } from './kernel-error';
export type { KernelErrorDetails, KernelErrorJson } from './kernel-error';
