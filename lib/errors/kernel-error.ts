import { truncateText } from './describe';

/** What the kernel answered to a request. */
export interface KernelErrorDetails {
  /** Positive errno. */
  readonly errno: number;
  /** Its name, for example `EEXIST`. */
  readonly name: string;
  /** The kernel's own words (extended acknowledgement), where it gave any. */
  readonly extack?: string | undefined;
  /** Offset of the attribute that the kernel objected to, from the start of the message. */
  readonly offset?: number | undefined;
  /** What was asked, in a few words: `RTM_NEWLINK sbr_5f3a`. */
  readonly request: string;
}

/** {@link KernelError} as JSON. */
export interface KernelErrorJson {
  readonly name: string;
  readonly errno: number;
  readonly message: string;
  readonly request: string;
  readonly extack?: string;
  readonly offset?: number;
}

/** An error that the kernel answered; it appears as the `cause` of an `APIError` or `FatalError`. */
export class KernelError extends Error {
  /** The errno's name, for example `EEXIST`. */
  override readonly name: string;
  /** Positive errno. */
  readonly errno: number;
  /** What was asked. */
  readonly request: string;
  /** The kernel's own words, where it gave any. */
  declare readonly extack?: string;
  /** Offset of the offending attribute in the message, where the kernel named it. */
  declare readonly offset?: number;

  constructor(details: KernelErrorDetails) {
    const words = details.extack
      ? `, saying ${JSON.stringify(truncateText(details.extack, 200))}`
      : '';
    super(
      `The kernel answered ${details.name} (errno ${String(details.errno)}) to ${truncateText(details.request, 200)}${words}`,
    );
    this.name = details.name;
    this.errno = details.errno;
    this.request = details.request;
    if (details.extack) {
      this.extack = details.extack;
    }
    if (details.offset !== undefined) {
      this.offset = details.offset;
    }
  }

  /** A plain object for logs. */
  toJSON(): KernelErrorJson {
    return kernelErrorToJson(this);
  }
}

/** A kernel error (of any copy of this package) as a plain object. */
export function kernelErrorToJson(error: KernelError): KernelErrorJson {
  return {
    name: error.name,
    errno: error.errno,
    message: error.message,
    request: error.request,
    ...(error.extack === undefined ? {} : { extack: error.extack }),
    ...(error.offset === undefined ? {} : { offset: error.offset }),
  };
}

/** Says whether a value is an error of the kernel (of any copy of this package), and which. */
export function isKernelError(value: unknown, name?: string): value is KernelError {
  try {
    const error = value as Partial<KernelError> | null | undefined;
    return (
      typeof error === 'object' &&
      error !== null &&
      typeof error.errno === 'number' &&
      typeof error.request === 'string' &&
      typeof error.name === 'string' &&
      (name === undefined || error.name === name)
    );
  } catch {
    return false;
  }
}
