import { isLibsnnetError } from '../errors';
import type { ErrorCode, LibsnnetError } from '../errors';

/** The specification's codes, and from 100 on ours. Runtimes print them; `docs/cni.md` explains them. */
export const CNI_CODES = {
  version: 1,
  field: 2,
  environment: 4,
  io: 5,
  decode: 6,
  config: 7,
  tryAgain: 11,
  unavailable: 50,
  unexpected: 100,
  conflict: 101,
  noRoom: 102,
  kernel: 103,
  machine: 104,
  repair: 105,
  check: 106,
  ipam: 107,
} as const;

export type CniReason = keyof typeof CNI_CODES;

const REASON_OF: Partial<Record<ErrorCode, CniReason>> = {
  SNNET_INPUT_INVALID: 'config',
  SNNET_INPUT_MISSING: 'config',
  SNNET_INPUT_UNKNOWN: 'field',
  SNNET_ALIAS_TOO_LONG: 'config',
  SNNET_ALIAS_AMBIGUOUS: 'config',
  SNNET_KEY_RANGE: 'config',
  SNNET_NETNS_NOT_FOUND: 'environment',
  SNNET_CALL_ABORTED: 'tryAgain',
  SNNET_CALL_TIMEOUT: 'tryAgain',
  SNNET_HANDLE_CLOSED: 'tryAgain',
  SNNET_VNIC_CONFLICT: 'conflict',
  SNNET_NAME_TAKEN: 'conflict',
  SNNET_VNI_TAKEN: 'noRoom',
  SNNET_TUNNEL_TAKEN: 'noRoom',
  SNNET_BRIDGE_FULL: 'noRoom',
  SNNET_PRIVILEGE_MISSING: 'machine',
  SNNET_KIND_UNSUPPORTED: 'machine',
  SNNET_NETWORK_NOT_FOUND: 'machine',
  SNNET_NETWORK_AMBIGUOUS: 'machine',
  SNNET_ADDON_MISSING: 'machine',
  SNNET_ROLLBACK_FAILED: 'repair',
};

/** A refusal in the words of CNI. */
export class CniFailure extends Error {
  readonly reason: CniReason;
  /** What helps an operator. */
  readonly details: string | undefined;

  constructor(
    reason: CniReason,
    message: string,
    more: { readonly details?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'CniFailure';
    this.reason = reason;
    this.details = more.details;
  }

  get code(): number {
    return CNI_CODES[this.reason];
  }
}

/** Whatever went wrong, as the runtime may hear it. */
export function toCniFailure(error: unknown): CniFailure {
  if (error instanceof CniFailure) return error;
  if (isLibsnnetError(error)) return ofLibrary(error);
  const message = error instanceof Error ? error.message : String(error);
  return new CniFailure('unexpected', message, { cause: error });
}

/** What a failed command prints. */
export function formatFailure(failure: CniFailure, cniVersion: string): string {
  const { code, message: msg, details } = failure;
  return JSON.stringify({ cniVersion, code, msg, ...(details !== undefined && { details }) });
}

function ofLibrary(error: LibsnnetError): CniFailure {
  const { repair } = error.toJSON();
  const details = [
    `${error.code}: ${error.remedy}`,
    ...(repair ?? []).map((it) => `repair: ${it}`),
  ];
  return new CniFailure(REASON_OF[error.code] ?? 'kernel', variableOf(error) + error.message, {
    details: details.join('\n'),
    cause: error,
  });
}

/** The specification wants to read the variable's name. */
function variableOf({ code, field, value }: LibsnnetError): string {
  if (code === 'SNNET_NETNS_NOT_FOUND') return 'CNI_NETNS: ';
  return field === 'attach.ifname' ? `CNI_IFNAME ${String(value)}: ` : '';
}
