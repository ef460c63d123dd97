import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { PACKAGE_ROOT } from '../../support/child';

/** A link as `ip -j -d link` prints it; only what the tests look at. */
export interface GoldenLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly ifalias?: string;
  readonly linkinfo?: { readonly info_kind?: string };
}

// The compiled tests lie in dist-test, the data beside the sources.
const GOLDEN = join(PACKAGE_ROOT, 'test', 'golden');

function readGolden(name: string): unknown {
  return JSON.parse(readFileSync(join(GOLDEN, name), 'utf8'));
}

/** Every alias that the Go library was seen to write. */
export function goldenAliases(): readonly string[] {
  return readGolden('aliases.json') as readonly string[];
}

/** The links of one dump: `08-cnci.iplink.json`. */
export function goldenLinks(name: string): readonly GoldenLink[] {
  return readGolden(name) as readonly GoldenLink[];
}
