import type { LibsnnetError } from '../errors';
import type { ResetReport } from '../host';
import { CommandFailure } from './failure';
import { count, print } from './output';

/** Prints what is gone and what could not be deleted; the latter fails the command. */
export function reportRemoval(
  json: boolean | undefined,
  report: ResetReport & { readonly dhcpError?: LibsnnetError },
): void {
  const { removed, failed, dhcpError } = report;
  const lines = removed.length === 0 ? ['nothing to remove'] : [`removed ${removed.join(' ')}`];
  for (const { linkName, error } of failed)
    lines.push(`not removed: ${linkName}: ${error.message}`);
  if (dhcpError !== undefined) lines.push(`DHCP: ${dhcpError.message}`);
  print(json, { data: report, text: lines.join('\n') });
  if (failed.length > 0)
    throw new CommandFailure(`${count(failed.length, 'link')} could not be deleted`);
  if (dhcpError !== undefined) throw new CommandFailure('the DHCP servers could not be ended');
}
