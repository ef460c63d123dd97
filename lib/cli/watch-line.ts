import type { CnciRepairReport } from '../cnci';
import type { WatchEvent } from '../watch';
import type { HostFlags } from './options';

export interface WatchFlags extends HostFlags {
  readonly heal?: boolean;
}

/** What a watcher tells, in one line. */
export function watchLine(event: WatchEvent): string {
  if (event.type === 'resync') return 'notifications were lost; everything was read again';
  if (event.type === 'drift') {
    return `${event.link.linkName} ${event.cause} (${event.link.alias})`;
  }
  const { subnet = 'a link', attempts, reason } = event;
  return `gave up on ${subnet} after ${String(attempts)} attempts: ${reason}`;
}

/** What a repair did and left, a line each. */
export function repairLines({ repaired, left }: CnciRepairReport): string[] {
  const lines = [
    ...repaired.map(({ type, text }) => `repaired ${type}: ${text}`),
    ...left.map(({ finding, reason }) => `left ${finding.type}: ${finding.text}; ${reason}`),
  ];
  return lines.length === 0 ? ['nothing is out of order'] : lines;
}
