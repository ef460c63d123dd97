/**
 * Counts what jest ran, explains what was skipped, and writes the counts where the caller of jest
 * can add them up.
 */
import { writeFileSync } from 'node:fs';
import { isExpectedInCi, parseReason, whereabouts } from './reasons';

/** What of jest's results is looked at. */
interface TestRow {
  readonly title: string;
  readonly fullName: string;
  readonly status: string;
}

interface Results {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly { readonly testResults: readonly TestRow[] }[];
}

/** The shape of the file that `SNNET_SUMMARY` names. */
export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export default class SummaryReporter {
  readonly #chosenByName: boolean;
  #error: Error | undefined;

  constructor(globalConfig: { readonly testNamePattern?: string }) {
    this.#chosenByName = Boolean(globalConfig.testNamePattern);
  }

  onRunComplete(_contexts: unknown, results: Results): void {
    const skipped = results.testResults.flatMap((file) =>
      file.testResults.filter(({ status }) => status !== 'passed' && status !== 'failed'),
    );
    const complaints = this.#chosenByName ? [] : complain(skipped);
    for (const [reason, count] of countReasons(skipped)) console.log(`skipped ${count}: ${reason}`);
    for (const complaint of complaints) console.log(complaint);
    const summary: Summary = {
      passed: results.numPassedTests,
      // A file that does not even load has no tests to count, but is a failure all the same.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites + complaints.length,
      skipped: skipped.length,
    };
    const file = process.env['SNNET_SUMMARY'];
    if (file !== undefined) writeFileSync(file, JSON.stringify(summary));
    if (complaints.length > 0) this.#error = new Error(complaints.join('\n'));
  }

  /** Jest asks for this at the end: an error makes the run fail. */
  getLastError(): Error | undefined {
    return this.#error;
  }
}

function countReasons(skipped: readonly TestRow[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { title } of skipped) {
    const reason = parseReason(title) ?? 'no reason given';
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return counts;
}

function complain(skipped: readonly TestRow[]): string[] {
  const strict = Boolean(process.env['CI']);
  return skipped.flatMap(({ title, fullName }) => {
    const reason = parseReason(title);
    if (reason === undefined) return [`skipped without a reason of the list: ${fullName}`];
    if (!strict || isExpectedInCi(reason, whereabouts())) return [];
    return [`skipped for a reason that is not expected on ${whereabouts()}: ${fullName}`];
  });
}
