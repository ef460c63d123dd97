import type { DryRun } from '../plan';

/** Prints a result: data for scripts, text for people. */
export function print(json: boolean | undefined, result: { data: unknown; text: string }): void {
  process.stdout.write(`${json === true ? JSON.stringify(result.data, null, 2) : result.text}\n`);
}

/** Prints what an operation would do. */
export function printPlan(json: boolean | undefined, { plan, text }: DryRun): void {
  const shown = text === '' ? 'nothing to do' : text;
  print(json, { data: { operation: plan.operation, steps: plan.steps, text }, text: shown });
}

/** Prints one of many results that come as time goes by: one line each. */
export function printLine(
  json: boolean | undefined,
  result: { data: unknown; text: string },
): void {
  process.stdout.write(`${json === true ? JSON.stringify(result.data) : result.text}\n`);
}

/** Rows under a heading, in columns as wide as their widest cell. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [head, ...rows]
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n');
}

/** `1 VNIC`, `2 VNICs`. */
export function count(number: number, noun: string): string {
  return `${String(number)} ${noun}${number === 1 ? '' : 's'}`;
}

interface FindingWords {
  readonly type: string;
  readonly text: string;
  readonly remedy: string;
}

/** One line for each finding, or one that there is none. */
export function findingLines(findings: readonly FindingWords[]): string[] {
  if (findings.length === 0) return ['nothing is out of order'];
  return findings.map(({ type, text, remedy }) => `! ${type}: ${text} (repair: ${remedy})`);
}
