/**
 * Every gate that a change passes: `npm run lint [-- GATE...]`. All of them run, two at a time, and
 * each that fails shows what it said. Nothing is installed here: see scripts/bootstrap.mjs.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const BIN = join(ROOT, 'node_modules', '.bin');
const AT_ONCE = 2;

const tool = (name) => join(BIN, name);
const script = (name) => [process.execPath, join(ROOT, 'scripts', 'lint', name)];

/** The slowest first, so that two at a time end together. */
const GATES = {
  native: script('native.mjs'),
  types: [tool('tsc'), '-p', 'tsconfig.lint.json'],
  eslint: [tool('eslint'), '--max-warnings', '0', '.'],
  floors: [tool('depcruise'), '--config', '.dependency-cruiser.cjs', 'lib'],
  format: [tool('prettier'), '--check', '--log-level', 'warn', '.'],
  docs: script('docs.mjs'),
  package: script('package.mjs'),
};

function run([command, ...args]) {
  return new Promise((resolve) => {
    let said = '';
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (said += text));
    }
    child.once('error', (error) => resolve({ passed: false, said: error.message }));
    child.once('close', (status) => resolve({ passed: status === 0, said }));
  });
}

async function runGate(name) {
  const start = performance.now();
  const { passed, said } = await run(GATES[name]);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${name.padEnd(8)} ${seconds.padStart(5)} s`);
  if (!passed) console.log(said.trimEnd().replaceAll(/^/gm, '       '));
  return passed;
}

async function runGates(names) {
  const waiting = [...names];
  const results = [];
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      results.push(await runGate(name));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results.every(Boolean);
}

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in GATES));
if (unknown.length > 0) {
  console.error(`no such gate: ${unknown.join(' ')} (there are ${Object.keys(GATES).join(' ')})`);
  process.exitCode = 2;
} else if (!(await runGates(chosen.length > 0 ? chosen : Object.keys(GATES)))) {
  process.exitCode = 1;
}
