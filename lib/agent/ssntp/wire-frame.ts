/** An instant as Go writes it. */
export interface SsntpTime {
  /** Seconds since 1970. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** East of Greenwich; absent for UTC. */
  readonly zoneOffsetSeconds?: number;
}

/** One program that a traced frame went through. */
export interface SsntpTraceNode {
  readonly uuid: string;
  /** Bits. */
  readonly role: number;
  readonly received?: SsntpTime;
  readonly sent?: SsntpTime;
}

/** What a traced frame carries along. */
export interface SsntpTrace {
  readonly label?: Uint8Array;
  readonly start?: SsntpTime;
  readonly end?: SsntpTime;
  /** As the sender says; it may differ from the length of `path`. */
  readonly pathLength: number;
  readonly path: readonly SsntpTraceNode[];
}

interface Header {
  /** Bit 7: the path is traced. */
  readonly major: number;
  readonly minor: number;
  readonly type: number;
  readonly operand: number;
}

/** What a client says first. */
export interface ConnectFrame extends Header {
  readonly kind: 'connect';
  /** Bits. */
  readonly role: number;
  readonly source: string;
  readonly destination: string;
}

/** What a server answers to it. */
export interface ConnectedFrame extends Header {
  readonly kind: 'connected';
  /** Bits. */
  readonly role: number;
  readonly source: string;
  readonly destination: string;
  readonly payload: Uint8Array;
}

/** Everything else. */
export interface PlainFrame extends Header {
  readonly kind: 'frame';
  readonly origin: string;
  readonly payload: Uint8Array;
  readonly trace?: SsntpTrace;
}

/** A frame with the numbers that are on the wire. */
export type WireFrame = ConnectFrame | ConnectedFrame | PlainFrame;

export const NO_BYTES = new Uint8Array(0);
export const VERSION = { major: 0, minor: 1 } as const;
/** In the major number. */
export const PATH_TRACED = 0x80;
