import type { Logger } from '../model';
import {
  defineShape,
  optional,
  parseBoolean,
  parseInteger,
  parseLogger,
  parseSignal,
  refuse,
  SILENT_LOGGER,
  withDefault,
} from '../model';
import type { Parser } from '../model';
import { namespacesAlive } from './namespaces';
import type { AuditedVnic, AuditEvent, AuditReport, Liveness } from './types';

/** Options of an audit. */
export interface AuditOptionsInput {
  /** Milliseconds from the end of one round to the next. Default: 60000. */
  readonly intervalMs?: number | undefined;
  /** Milliseconds that a VNIC must have been without a workload, at least. Default: 600000. */
  readonly graceMs?: number | undefined;
  /** Which VNICs have a workload. Default: {@link namespacesAlive}. */
  readonly liveness?: Liveness | undefined;
  /** Only reports. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** Tells a concentrator that a tunnel is gone; what it rejects is tried again in the next round. */
  readonly deliver?: ((event: AuditEvent) => unknown) | undefined;
  /** The network of a VNIC's subnet in CIDR form, for the events, where somebody remembers it. */
  readonly subnetOf?: ((vnic: AuditedVnic) => string | undefined) | undefined;
  /** Gets the report of each round. */
  readonly onReport?: ((report: AuditReport) => void) | undefined;
  readonly logger?: Logger | undefined;
  /** Ends the audit. */
  readonly signal?: AbortSignal | undefined;
}

/** Parsed {@link AuditOptionsInput}. */
export interface AuditOptions {
  readonly intervalMs: number;
  readonly graceMs: number;
  readonly liveness: Liveness;
  readonly dryRun: boolean;
  readonly deliver?: (event: AuditEvent) => unknown;
  readonly subnetOf?: (vnic: AuditedVnic) => string | undefined;
  readonly onReport?: (report: AuditReport) => void;
  readonly logger: Logger;
  readonly signal?: AbortSignal;
}

/** The longest that a timer of Node takes, some 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

function parseFunction<F>(value: unknown, field: string): F {
  return typeof value === 'function' ? (value as F) : refuse(value, field, 'a function');
}

const milliseconds =
  (least: number): Parser<number> =>
  (value, field) =>
    parseInteger(value, field, { least, most: LONGEST_MS, unit: 'milliseconds' });

const parseShape = defineShape('options', {
  intervalMs: withDefault(milliseconds(1), 60_000),
  graceMs: withDefault(milliseconds(0), 600_000),
  liveness: withDefault<Liveness>(parseFunction, namespacesAlive()),
  dryRun: withDefault(parseBoolean, false),
  deliver: optional(parseFunction<NonNullable<AuditOptions['deliver']>>),
  subnetOf: optional(parseFunction<NonNullable<AuditOptions['subnetOf']>>),
  onReport: optional(parseFunction<NonNullable<AuditOptions['onReport']>>),
  logger: withDefault<Logger>(parseLogger, SILENT_LOGGER),
  signal: optional(parseSignal),
});

/** Parses the options of an audit. */
export function parseAuditOptions(input: unknown): AuditOptions {
  return parseShape(input, 'AuditDaemon');
}
