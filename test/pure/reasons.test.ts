import { isExpectedInCi, parseReason } from '../support/reasons';
import SummaryReporter from '../support/summary-reporter';

const inCi = process.env['CI'];
let printed: string[];

beforeEach(() => {
  printed = [];
  jest.spyOn(console, 'log').mockImplementation((line: string) => printed.push(line));
  delete process.env['SNNET_SUMMARY'];
});

afterEach(() => {
  jest.restoreAllMocks();
  if (inCi === undefined) delete process.env['CI'];
  else process.env['CI'] = inCi;
});

function report(...titles: readonly string[]): Error | undefined {
  const reporter = new SummaryReporter({});
  const rows = titles.map((title) => ({ title, fullName: title, status: 'pending' }));
  const counts = { numPassedTests: 1, numFailedTests: 0, numRuntimeErrorTestSuites: 0 };
  reporter.onRunComplete(undefined, { ...counts, testResults: [{ testResults: rows }] });
  return reporter.getLastError();
}

test('a reason of the list is read from the title of a skipped test', () => {
  expect(parseReason('a tunnel comes up [skipped: kernel-has-no-gretap]')).toBe(
    'kernel-has-no-gretap',
  );
});

test('a reason that is not of the list is none', () => {
  expect(parseReason('a tunnel comes up [skipped: did-not-feel-like-it]')).toBeUndefined();
});

test('a skip without a reason fails the run anywhere', () => {
  delete process.env['CI'];
  expect(report('a tunnel comes up')?.message).toMatch(/without a reason/);
});

test('a skip with a reason is counted and printed', () => {
  delete process.env['CI'];
  const title = 'a tunnel comes up [skipped: inside-a-user-namespace]';
  expect(report(title, title)).toBeUndefined();
  expect(printed).toContain('skipped 2: inside-a-user-namespace');
});

test('a reason that CI does not expect fails its run', () => {
  process.env['CI'] = 'true';
  expect(report('a tunnel comes up [skipped: inside-a-user-namespace]')?.message).toMatch(
    /not expected on/,
  );
});

test('a guest may lack nothing that it is there for', () => {
  expect(isExpectedInCi('kernel-has-no-gretap', 'host')).toBe(true);
  expect(isExpectedInCi('kernel-has-no-gretap', '6.12')).toBe(false);
});
