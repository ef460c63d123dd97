import type { LinkRow } from '#lib/kernel/index';

let next = 100;

/** A row of a dump: up, of no kind, attached to nothing, unless told otherwise. */
export function row(changes: Partial<LinkRow> = {}): LinkRow {
  const ifindex = changes.ifindex ?? (next += 1);
  return {
    ifindex,
    ifname: `link${ifindex}`,
    alias: '',
    kind: '',
    address: '02:00:00:00:00:01',
    mtu: 1500,
    master: 0,
    link: 0,
    isUp: true,
    isLoopback: false,
    group: 0,
    ...changes,
  };
}
