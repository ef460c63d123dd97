/** Runs once before all test files. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sweepAbandonedNamespaces } from './namespaces';

export default async function setUp(): Promise<void> {
  process.env['SNNET_RUN_DIR'] = mkdtempSync(join(tmpdir(), 'snnet-test-'));
  const abandoned = await sweepAbandonedNamespaces();
  if (abandoned.length > 0) console.log(`removed what an earlier run left: ${abandoned.join(' ')}`);
}
