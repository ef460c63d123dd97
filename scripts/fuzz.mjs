/**
 * The fuzzers of the C++ (libFuzzer, address and undefined sanitizers): `npm run fuzz [-- TARGET...]`.
 *
 *   --seconds N   for each target; 60 unless told otherwise
 *   --keep        what was found to lead somewhere new goes into the target's corpus
 *   --list        the names of the targets, and nothing else
 *
 * A target is test/fuzz/<target>.cc with what it begins with in test/fuzz/corpus/<target>.txt: one
 * input per line, base64. An input that is a finding is printed and kept in .cache/fuzz/findings; once it
 * is understood it belongs into the corpus.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildTarget, CACHE, packCorpus, TARGETS } from '../test/fuzz/build.mjs';
import { unpackCorpus, writeDictionary } from '../test/fuzz/build.mjs';

const FINDINGS = join(CACHE, 'findings');
/** One input may take so many seconds, and so many megabytes. */
const SLOWEST = 10;
const LARGEST = 1024;

function start(binary, args, directory) {
  const child = spawn(binary, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk) => {
      // Of an hour's progress nobody reads more than the end.
      output = (output + chunk).slice(-200_000);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, output }));
  });
}

function tellFindings(target, directory) {
  const found = readdirSync(directory).filter((name) => /^(crash|leak|oom|timeout)-/.test(name));
  mkdirSync(FINDINGS, { recursive: true });
  for (const name of found) {
    const kept = join(FINDINGS, `${target}-${name}`);
    cpSync(join(directory, name), kept);
    console.log(`${target}: ${kept}`);
    console.log(`${target}: base64 ${readFileSync(kept).toString('base64')}`);
  }
}

async function keepCorpus(target, binary, { seeds, grown, directory }) {
  const merged = join(directory, 'merged');
  mkdirSync(merged);
  const { status } = await start(binary, ['-merge=1', merged, seeds, grown], directory);
  if (status !== 0) throw new Error(`${target}: its corpus cannot be merged`);
  console.log(`${target}: a corpus of ${packCorpus(target, merged)} inputs`);
}

/** Says whether nothing was found. */
async function fuzz(target, { seconds, keep }) {
  mkdirSync(CACHE, { recursive: true });
  const directory = mkdtempSync(join(CACHE, `${target}-`));
  try {
    const binary = await buildTarget(target, directory);
    const seeds = join(directory, 'seeds');
    const grown = join(directory, 'grown');
    const dictionary = join(directory, 'words');
    const count = unpackCorpus(target, seeds);
    mkdirSync(grown);
    const args = [
      ...[`-max_total_time=${seconds}`, `-timeout=${SLOWEST}`, `-rss_limit_mb=${LARGEST}`],
      ...[`-max_len=${TARGETS[target].longest}`, '-print_final_stats=1', '-artifact_prefix=./'],
      ...(writeDictionary(target, dictionary) ? [`-dict=${dictionary}`] : []),
      ...[grown, seeds],
    ];
    const { status, output } = await start(binary, args, directory);
    const runs = /number_of_executed_units: (\d+)/.exec(output)?.[1] ?? '0';
    const covered = [...output.matchAll(/cov: (\d+)/g)].at(-1)?.[1] ?? '0';
    const end = status === 0 ? 'no finding' : 'a finding';
    if (status !== 0) console.log(output.slice(-20_000));
    if (status !== 0) tellFindings(target, directory);
    console.log(
      `${target}: ${runs} inputs in ${seconds} s from a corpus of ${count}, ${covered} edges, ${end}`,
    );
    if (status === 0 && keep) await keepCorpus(target, binary, { seeds, grown, directory });
    return status === 0 && Number(runs) > 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '60' },
      keep: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  const all = Object.keys(TARGETS);
  if (values.list) {
    console.log(all.join('\n'));
    return 0;
  }
  const unknown = positionals.filter((name) => !all.includes(name));
  if (unknown.length > 0)
    throw new Error(`no such target: ${unknown.join(' ')}; there are ${all.join(' ')}`);
  const seconds = Number(values.seconds);
  if (!Number.isSafeInteger(seconds) || seconds < 1)
    throw new Error('--seconds takes a number from 1');
  let findings = 0;
  for (const target of positionals.length > 0 ? positionals : all)
    findings += (await fuzz(target, { seconds, keep: values.keep })) ? 0 : 1;
  return findings > 0 ? 1 : 0;
}

process.exitCode = await main().catch((error) => {
  console.error(`fuzz: ${error.stderr || error.message}`);
  return 1;
});
