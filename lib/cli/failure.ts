import { isKernelError, isLibsnnetError } from '../errors';
import type { ErrorCode, ErrorJson, LibsnnetError } from '../errors';
import { hasNetAdmin, PRIVILEGE_ADVICE } from './privilege';

/** What the shell gets. */
export const EXIT = { done: 0, failed: 1, usage: 2, fatal: 3 } as const;

/** An expected end of a command that is no error of the library. */
export class CommandFailure extends Error {
  readonly status: number;

  constructor(message: string, status: number = EXIT.failed) {
    super(message);
    this.name = 'CommandFailure';
    this.status = status;
  }
}

/** An end with a status and nothing more to say. */
export class SilentFailure extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`status ${String(status)}`);
    this.name = 'SilentFailure';
    this.status = status;
  }
}

/** A failure in the words of an operator, and as data. */
export interface Explanation {
  readonly status: number;
  readonly text: string;
  readonly data: unknown;
}

const BAD_INPUT: readonly ErrorCode[] = [
  'SNNET_INPUT_INVALID',
  'SNNET_INPUT_MISSING',
  'SNNET_INPUT_UNKNOWN',
  'SNNET_ALIAS_TOO_LONG',
  'SNNET_ALIAS_AMBIGUOUS',
  'SNNET_KEY_RANGE',
];

/** Says what to print, and with what status to end. Never a stack trace. */
export function explain(error: unknown): Explanation {
  if (isLibsnnetError(error)) return explainOurs(error);
  if (error instanceof CommandFailure) {
    const { message, status } = error;
    return { status, text: `snnet: ${message}`, data: { name: error.name, message } };
  }
  const message = error instanceof Error ? error.message : String(error);
  // Nobody expected it, so nobody knows what is left.
  const remedy = 'This should not happen; `snnet node audit` shows the state. Please report it.';
  return {
    status: EXIT.fatal,
    text: `snnet: unexpected: ${message}\n  ${remedy}`,
    data: { name: 'UnexpectedError', message, remedy },
  };
}

function explainOurs(error: LibsnnetError): Explanation {
  const data: ErrorJson = error.toJSON();
  const lines = [`snnet: ${error.message}`, `  code: ${error.code}`];
  if (error.field !== undefined) lines.push(`  option: ${optionFor(error.field)}`);
  lines.push(`  what to do: ${error.remedy}`);
  if (lacksPrivilege(error)) lines.push(`  ${PRIVILEGE_ADVICE}`);
  for (const instruction of data.repair ?? []) lines.push(`  repair: ${instruction}`);
  return { status: statusOf(error), text: lines.join('\n'), data };
}

function statusOf({ code, name }: LibsnnetError): number {
  if (BAD_INPUT.includes(code)) return EXIT.usage;
  return name === 'FatalError' ? EXIT.fatal : EXIT.failed;
}

// Which kinds of link there are cannot be found out without the right to make one.
function lacksPrivilege({ code, cause }: LibsnnetError): boolean {
  if (code === 'SNNET_PRIVILEGE_MISSING') return true;
  const isSuspect = code === 'SNNET_KIND_UNSUPPORTED' || isKernelError(cause, 'EPERM');
  return isSuspect && !hasNetAdmin();
}

/** `vnicIp` is given by `--vnic-ip`, `computeNets[1]` by `--compute-net`. */
function optionFor(field: string): string {
  const name = field.replace(/^(compute|management)Nets\b.*/, '$1Net');
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
