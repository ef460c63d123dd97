import { ERROR_CODES, isErrorCode } from './codes';
import type { APIErrorCode, ErrorCode, FatalErrorCode } from './codes';
import { describeType, describeValue, jsonSafeValue, truncateText } from './describe';
import { isKernelError, kernelErrorToJson } from './kernel-error';

/** The step of a plan at which a call failed. */
export interface ErrorStep {
  /** Counted from 0. */
  readonly index: number;
  /** The step in the words of `ip` or `nft`. */
  readonly text: string;
}

/** What an error knows about its circumstances. */
export interface ErrorDetails {
  /** The method that was called: `createVnic`. */
  readonly operation?: string | undefined;
  /** What it was about: link names, ids, addresses. */
  readonly object?: Readonly<Record<string, string | number>> | undefined;
  /** Bad input: the name of the field; a list's element as `computeNets[1]`. */
  readonly field?: string | undefined;
  /** Bad input: the value that was refused. */
  readonly value?: unknown;
  /** Bad input: what would have been right, as a noun: `an IPv4 address`. */
  readonly expected?: string | undefined;
  /** Anything more that an operator should read. */
  readonly detail?: string | undefined;
  readonly step?: ErrorStep | undefined;
  /** Most often a {@link KernelError}. */
  readonly cause?: unknown;
}

/** What a {@link FatalError} knows in addition. */
export interface FatalErrorDetails extends ErrorDetails {
  /** What to repair by hand: one instruction each, in order. */
  readonly repair: readonly string[];
}

/** An error of this package as JSON. */
export interface ErrorJson {
  readonly name: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
  readonly operation?: string;
  readonly object?: Readonly<Record<string, string | number>>;
  readonly field?: string;
  readonly value?: string | number | boolean | null;
  readonly expected?: string;
  readonly detail?: string;
  readonly step?: ErrorStep;
  readonly repair?: readonly string[];
  readonly cause?: unknown;
}

const LONGEST_VALUE_KEPT = 256;

/** What all errors of this package have in common. */
export abstract class LibsnnetError extends Error {
  /** Stable and machine-readable. */
  readonly code: ErrorCode;
  /** The method that was called. */
  declare readonly operation?: string;
  /** What it was about: link names, ids, addresses. */
  declare readonly object?: Readonly<Record<string, string | number>>;
  /** Bad input: the name of the field. */
  declare readonly field?: string;
  /** Bad input: the value that was refused; a very long string is shortened. */
  declare readonly value?: unknown;
  /** Bad input: what would have been right. */
  declare readonly expected?: string;
  /** Anything more that an operator should read. */
  declare readonly detail?: string;
  /** The step of the plan that failed. */
  declare readonly step?: ErrorStep;

  protected constructor(code: ErrorCode, details: ErrorDetails) {
    super(
      buildMessage(code, details),
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    if (details.operation !== undefined) this.operation = details.operation;
    if (details.object !== undefined) this.object = Object.freeze({ ...details.object });
    if (details.field !== undefined) this.field = truncateText(details.field);
    if ('value' in details) this.value = shortenedValue(details.value);
    if (details.expected !== undefined) this.expected = details.expected;
    if (details.detail !== undefined) this.detail = details.detail;
    if (details.step !== undefined) this.step = Object.freeze({ ...details.step });
  }

  /** What to do about it. */
  get remedy(): string {
    return ERROR_CODES[this.code].remedy;
  }

  /** A plain object, safe to serialise whatever was passed in. */
  toJSON(): ErrorJson {
    return {
      name: this.name,
      code: this.code,
      message: this.message,
      remedy: this.remedy,
      ...(this.operation === undefined ? {} : { operation: this.operation }),
      ...(this.object === undefined ? {} : { object: this.object }),
      ...(this.field === undefined ? {} : { field: this.field }),
      ...('value' in this ? { value: jsonSafeValue(this.value) } : {}),
      ...(this.expected === undefined ? {} : { expected: this.expected }),
      ...(this.detail === undefined ? {} : { detail: this.detail }),
      ...(this.step === undefined ? {} : { step: this.step }),
      ...(this.cause === undefined ? {} : { cause: causeToJson(this.cause) }),
    };
  }
}

/** The call failed; the system is consistent and nothing of the call is left behind. */
export class APIError extends LibsnnetError {
  declare readonly code: APIErrorCode;
  // As they were passed in: what the public fields show may be shortened.
  readonly #details: ErrorDetails;

  constructor(code: APIErrorCode, details: ErrorDetails = {}) {
    super(code, details);
    this.#details = details;
  }

  /** The same error, knowing more: a parser does not know which operation it works for. */
  withDetails(more: ErrorDetails): APIError {
    return new APIError(this.code, { ...this.#details, ...more });
  }

  override get name(): string {
    return 'APIError';
  }
}

/** The system may be inconsistent: no new workloads until what {@link FatalError.repair} lists is done. */
export class FatalError extends LibsnnetError {
  declare readonly code: FatalErrorCode;
  /** What to repair by hand: one instruction each, in order. */
  readonly repair: readonly string[];

  constructor(code: FatalErrorCode, details: FatalErrorDetails) {
    super(code, details);
    this.repair = Object.freeze([...details.repair]);
  }

  override get name(): string {
    return 'FatalError';
  }

  override toJSON(): ErrorJson {
    return { ...super.toJSON(), repair: this.repair };
  }
}

/**
 * Says whether a value is an error of this package, and optionally which.
 *
 * It looks at the code, not at the class, so it also knows errors of another copy of the package,
 * and errors that travelled from a worker as plain objects.
 */
export function isLibsnnetError(value: unknown): value is LibsnnetError;
export function isLibsnnetError<C extends ErrorCode>(
  value: unknown,
  code: C,
): value is LibsnnetError & { readonly code: C };
export function isLibsnnetError(value: unknown, code?: ErrorCode): boolean {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  try {
    const found: unknown = (value as { code?: unknown }).code;
    return isErrorCode(found) && (code === undefined || found === code);
  } catch {
    return false;
  }
}

function buildMessage(code: ErrorCode, details: ErrorDetails): string {
  if (
    code === 'SNNET_INPUT_INVALID' ||
    code === 'SNNET_INPUT_MISSING' ||
    code === 'SNNET_INPUT_UNKNOWN'
  ) {
    return buildInputMessage(code, details);
  }
  const parts = [
    details.operation === undefined ? '' : `${details.operation}: `,
    ERROR_CODES[code].summary,
  ];
  const object = Object.entries(details.object ?? {});
  if (object.length > 0) {
    parts.push(
      ` (${object.map(([name, value]) => `${name} ${truncateText(String(value))}`).join(', ')})`,
    );
  }
  if (details.expected !== undefined && details.field !== undefined) {
    parts.push(
      `: expected ${details.expected} for ${details.field}, but got ${describeValue(details.value)}`,
    );
  }
  if (details.step !== undefined) {
    parts.push(` at step ${String(details.step.index)}, ${truncateText(details.step.text, 200)}`);
  }
  if (details.detail !== undefined) {
    parts.push(`: ${truncateText(details.detail, 1000)}`);
  }
  if (isKernelError(details.cause)) {
    parts.push(`; ${lowerFirst(details.cause.message)}`);
  }
  return parts.join('');
}

function buildInputMessage(code: ErrorCode, details: ErrorDetails): string {
  const field = describeField(details.field ?? 'the input');
  const detail = details.detail === undefined ? '' : `; ${truncateText(details.detail, 1000)}`;
  if (code === 'SNNET_INPUT_UNKNOWN') {
    return `Expected ${details.expected ?? 'only known fields'}, but got ${field}${detail}`;
  }
  const wanted = `Expected ${details.expected ?? 'an acceptable value'} for ${field}`;
  if (code === 'SNNET_INPUT_MISSING') {
    return `${wanted}, but it is missing${detail}`;
  }
  return `${wanted}, but got ${describeValue(details.value)} (${describeType(details.value)})${detail}`;
}

function describeField(field: string): string {
  return /^[\w.[\] -]{1,80}$/.test(field) ? field : describeValue(field);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function shortenedValue(value: unknown): unknown {
  return typeof value === 'string' ? truncateText(value, LONGEST_VALUE_KEPT) : value;
}

function causeToJson(cause: unknown): unknown {
  try {
    if (cause instanceof LibsnnetError) {
      return cause.toJSON();
    }
    if (isKernelError(cause)) {
      return kernelErrorToJson(cause);
    }
    if (cause instanceof Error) {
      return { name: truncateText(cause.name), message: truncateText(cause.message, 1000) };
    }
  } catch {
    return 'an error that cannot be read';
  }
  return jsonSafeValue(cause);
}
