/**
 * Turns figures into a table for people and rows for machines.
 */
import { cpus, loadavg, release, totalmem } from 'node:os';

import type { PeerName } from './protocol';
import type { Target, Trial, Unit } from './trials';

/** One trial's outcome: the median of the rounds, per peer; why a peer has no figure. */
export interface Outcome {
  readonly trial: Trial;
  readonly figures: Partial<Record<PeerName, number>>;
  readonly failures: Partial<Record<PeerName, string>>;
}

/** A row of `--json`; `ours` is null where there is no figure. */
export interface JsonRow {
  readonly trial: string;
  readonly unit: Unit;
  readonly ours: number | null;
  readonly peers: Partial<Record<PeerName, number>>;
}

type Verdict = 'met' | 'not met' | 'not measured';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new Error('a median of nothing');
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

function judge(
  { against, trial: elsewhere, most }: Target,
  figures: Outcome['figures'],
  outcomes: readonly Outcome[],
): { ratio: number | null; verdict: Verdict } {
  const other =
    elsewhere === undefined
      ? figures
      : outcomes.find(({ trial }) => trial.name === elsewhere)?.figures;
  const ours = figures.ours;
  const base = against === 'absolute' ? 1 : other?.[against];
  if (ours === undefined || base === undefined) return { ratio: null, verdict: 'not measured' };
  const ratio = ours / base;
  return { ratio, verdict: ratio <= most ? 'met' : 'not met' };
}

export function toJson(outcomes: readonly Outcome[]): JsonRow[] {
  return outcomes.map(({ trial, figures: { ours, ...peers } }) => ({
    trial: trial.name,
    unit: trial.unit,
    ours: ours ?? null,
    peers,
  }));
}

function formatFigure(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function formatRatio(ours: number | undefined, peer: number | undefined): string {
  return ours === undefined || peer === undefined ? '' : ` (${(ours / peer).toFixed(2)})`;
}

const COLUMNS: readonly PeerName[] = [
  'floor',
  'go',
  'go-iptables',
  'ip-batch',
  'nft-f',
  'iptables',
  'docker-bridge',
];

function figureCell(outcome: Outcome, peer: PeerName): string {
  if (!outcome.trial.peers.includes(peer)) return '';
  if (outcome.failures[peer] !== undefined) return 'FAILED';
  const value = outcome.figures[peer];
  return `${formatFigure(value)}${peer === 'ours' ? '' : formatRatio(outcome.figures.ours, value)}`;
}

function alignRows(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

function describeTargets({ trial, figures }: Outcome, outcomes: readonly Outcome[]): string[] {
  return trial.targets.map((target) => {
    const { ratio, verdict } = judge(target, figures, outcomes);
    const seen = ratio === null ? '' : `: ${ratio.toFixed(3)} against ${target.most.toFixed(3)}`;
    const mark = { met: 'MET         ', 'not met': 'NOT MET     ', 'not measured': 'NOT MEASURED' };
    return `${mark[verdict]}  ${trial.name.padEnd(25)} ${target.text}${seen}`;
  });
}

export function describeMachine(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  const load = loadavg()[0] ?? 0;
  return (
    `kernel ${release()}, ${processors.length} x ${model}, ${memory} GiB, ` +
    `node ${process.version}, load ${load.toFixed(2)}`
  );
}

/** The whole report: machine, figures, targets, and everything that did not work. */
export function formatReport(
  outcomes: readonly Outcome[],
  absent: Partial<Record<PeerName, string>>,
): string {
  const columns = COLUMNS.filter((peer) =>
    outcomes.some(({ trial }) => trial.peers.includes(peer)),
  );
  const header = ['trial', 'unit', 'ours', ...columns.map((peer) => `${peer} (ratio)`)];
  const rows = outcomes.map((outcome) => [
    outcome.trial.name,
    outcome.trial.unit,
    figureCell(outcome, 'ours'),
    ...columns.map((peer) => figureCell(outcome, peer)),
  ]);
  const failures = outcomes.flatMap(({ trial, failures: each }) =>
    Object.entries(each).map(([peer, why]) => `FAILED  ${trial.name}, ${peer}: ${why}`),
  );
  const missing = Object.entries(absent).map(([peer, why]) => `ABSENT  ${peer}: ${why}`);
  const blocks = [
    describeMachine(),
    'Medians of all operations of a round, then of the rounds; ratios are ours / peer.',
    [...missing, ...failures].join('\n'),
    alignRows([header, ...rows]),
    outcomes.flatMap((outcome) => describeTargets(outcome, outcomes)).join('\n'),
  ];
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}
