/** What of the reliability suite can be done more often, and how often that is. */
interface Amounts {
  /** In `npm test`. */
  readonly short: number;
  /** In `npm run test:long`. */
  readonly long: number;
}

export type Budget = 'kills' | 'faults' | 'operations' | 'soak-seconds' | 'fuzz-seconds';

/** The amount for this run; the variable SNNET_KILLS, SNNET_SOAK_SECONDS … overrules both. */
export function budget(name: Budget, { short, long }: Amounts): number {
  const variable = `SNNET_${name.toUpperCase().replaceAll('-', '_')}`;
  const asked = process.env[variable];
  if (asked === undefined) return isLongRun() ? long : short;
  const amount = Number(asked);
  if (!Number.isSafeInteger(amount) || amount < 1)
    throw new RangeError(`${variable} must be a whole number from 1: ${asked}`);
  return amount;
}

export function isLongRun(): boolean {
  return process.env['SNNET_LONG'] === '1';
}
