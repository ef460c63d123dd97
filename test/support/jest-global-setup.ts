/** Runs once before all test files. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sweepAbandonedNamespaces } from './namespaces';
import { environmentOf } from './run';
import { openStarter } from './starter';

export default async function setUp(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'snnet-test-'));
  process.env['SNNET_RUN_DIR'] = directory;
  // An emulated processor has one only, and another node would take it seconds.
  if (process.env['SNNET_GUEST'] === undefined) {
    await openStarter(join(directory, 'starter'), environmentOf([]));
  }
  const abandoned = await sweepAbandonedNamespaces();
  if (abandoned.length > 0) console.log(`removed what an earlier run left: ${abandoned.join(' ')}`);
}
