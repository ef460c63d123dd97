/** Runs once after all test files. */
import { rmSync } from 'node:fs';

export default function tearDown(): void {
  const directory = process.env['SNNET_RUN_DIR'];
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
}
