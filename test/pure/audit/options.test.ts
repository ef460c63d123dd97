/** What an audit is asked to do, and what it refuses. */
import { parseAuditOptions } from '#lib/audit/options';
import { hostileValues, refusalOf } from '../helpers/refusal';

test('nothing need be said', () => {
  expect(parseAuditOptions({})).toMatchObject({
    intervalMs: 60_000,
    graceMs: 600_000,
    dryRun: false,
    liveness: expect.any(Function) as unknown,
  });
});

test.each([
  [{ intervalMs: 0 }, 'intervalMs'],
  [{ intervalMs: 2 ** 31 }, 'intervalMs'],
  [{ graceMs: -1 }, 'graceMs'],
  [{ liveness: 'docker' }, 'liveness'],
  [{ dryRun: 'yes' }, 'dryRun'],
  [{ deliver: {} }, 'deliver'],
  [{ signal: {} }, 'signal'],
  [{ grace: 5 }, 'grace'],
])('%j is refused', (options, field) => {
  const error = refusalOf(() => parseAuditOptions(options));
  expect([error.field, error.operation]).toEqual([field, 'AuditDaemon']);
});

// A date has no field that is not known, as `{}` has none.
const hostile = hostileValues().filter(([what]) => what !== 'a date');

test.each(hostile)('%s is no options', (_what, value) => {
  expect(refusalOf(() => parseAuditOptions(value)).code).toMatch(/^SNNET_INPUT_/);
});

test.each(hostileValues())('%s is no signal', (_what, value) => {
  expect(refusalOf(() => parseAuditOptions({ signal: value })).field).toBe('signal');
});
