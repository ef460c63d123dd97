/** Shared by test.mjs and test-guest.mjs: running jest somewhere, and adding up what it counted. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
export const JEST = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
const SUMMARIES = join(ROOT, 'dist-test', '.summaries');

export function add(counts) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const one of counts) for (const key of Object.keys(sum)) sum[key] += one[key];
  return sum;
}

export function format({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/**
 * Runs a command that runs jest and resolves with the counts that its reporter wrote. A run that
 * says nothing, or fails without naming a failure, counts as one failure. Its output is passed on as
 * it comes; or, where several run at once, when `turn` is fulfilled.
 */
export async function countRun(label, argv, { env = {}, timeoutMs, turn }) {
  mkdirSync(SUMMARIES, { recursive: true });
  const file = join(SUMMARIES, `${label}.json`);
  rmSync(file, { force: true });
  const child = start(argv, { ...env, SNNET_SUMMARY: file }, timeoutMs, turn !== undefined);
  const status = await child.ended;
  await turn;
  process.stdout.write(child.output());
  const counts = readCounts(file) ?? { passed: 0, failed: 0, skipped: 0 };
  if (counts.failed === 0 && status !== 0) counts.failed = 1;
  console.log(`${label}: ${format(counts)}${status === 0 ? '' : ` (status ${status})`}`);
  return counts;
}

function start([command, ...args], env, timeoutMs, held) {
  const output = held ? 'pipe' : 'inherit';
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', output, output],
    timeout: timeoutMs,
  });
  const chunks = [];
  child.stdout?.on('data', (chunk) => chunks.push(chunk));
  child.stderr?.on('data', (chunk) => chunks.push(chunk));
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(`${command}: ${error.message}`));
    child.once('close', (status, signal) => resolve(status ?? signal));
  });
  return { ended, output: () => Buffer.concat(chunks) };
}

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
