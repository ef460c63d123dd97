/** What podman, containerd and cnitool sent to a plugin that wrote it down. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from './child';

export const CLIENTS = ['cnitool', 'podman', 'containerd'] as const;

/** The network that all of them were on. */
export const RECORDED_SUBNET = '10.77.0.0/24';

export interface CniLine {
  readonly client: string;
  readonly scenario: string;
  readonly env: Readonly<Record<string, string>>;
  /** The network configuration. */
  readonly stdin: Readonly<Record<string, unknown>>;
}

/** The lines of one client, in order. */
export function linesOf(client: (typeof CLIENTS)[number]): CniLine[] {
  const file = join(PACKAGE_ROOT, 'test', 'fixtures', 'cni', `${client}.jsonl`);
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((text) => JSON.parse(text) as CniLine);
}
