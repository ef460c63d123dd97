/** How the fuzzers are built and what they begin with; scripts/fuzz.mjs runs them. */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const HARNESSES = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HARNESSES, '..', '..');
export const CACHE = join(ROOT, '.cache', 'fuzz');

/** Whole rings, which the targets share. */
const SYS = ['units/sys'];
const RTNL = ['units/rtnl', 'units/nl', ...SYS];
const NFT = ['units/nft', 'units/nl', ...SYS];
const CNI = ['cni/failure', 'cni/io', 'cni/program', ...SYS];

/** Which sources of native/ each target is linked with, and whose words are its dictionary. */
export const TARGETS = {
  rtnl: { sources: RTNL, words: ['rtnl/kinds'], longest: 4096 },
  nft: { sources: NFT, words: ['nft/read_expression'], longest: 8192 },
  answers: {
    sources: [...NFT, 'units/rtnl'],
    words: ['nft/read_expression'],
    longest: 16_384,
  },
  plan: {
    sources: [
      ...NFT,
      ...['units/rtnl', 'exec/other_namespaces', 'exec/step_messages', 'napi/reader'],
      ...['napi/decode_expression', 'napi/decode_nft', 'napi/decode_step'],
    ],
    words: ['napi/decode_expression', 'napi/decode_nft', 'napi/decode_step', 'napi/nft_names.h'],
    longest: 8192,
  },
  json: { sources: SYS, words: ['sys/json'], longest: 4096 },
  'cni-request': {
    sources: [...CNI, 'cni/delegate', 'cni/request'],
    words: ['cni/request', 'cni/failure'],
    longest: 4096,
  },
  'cni-daemon': { sources: [...CNI, 'cni/daemon'], words: [], longest: 4096 },
};

const FLAGS = [
  ...['-std=c++20', '-O1', '-g', '-fno-omit-frame-pointer', '-Wall', '-Wextra', '-Werror'],
  ...['-Wno-missing-field-initializers', '-fno-sanitize-recover=all'],
];
const SANITIZERS = 'address,undefined';

const run = promisify(execFile);

// ---------------------------------------------------------------- building

function askPkgConfig(what) {
  const { status, stdout } = spawnSync('pkg-config', [what, 'libnl-3.0'], { encoding: 'utf8' });
  if (status !== 0) throw new Error('no libnl-3.0 for pkg-config: libnl-3-dev');
  return stdout.trim().split(/\s+/).filter(Boolean);
}

/** What an object rests on beside its own source: everything, since a unit takes in a ring. */
function readSources() {
  return [join(ROOT, 'native'), HARNESSES].flatMap((directory) =>
    readdirSync(directory, { recursive: true })
      .filter((name) => /\.(h|cc)$/.test(name))
      .sort()
      .map((name) => readFileSync(join(directory, name), 'utf8')),
  );
}

function makeCompiler() {
  if (spawnSync('clang++', ['--version']).status !== 0)
    throw new Error('no clang++ (Debian: apt-get install clang libclang-rt-14-dev)');
  const flags = [
    ...FLAGS,
    `-fsanitize=fuzzer-no-link,${SANITIZERS}`,
    ...['-I', join(ROOT, 'native'), '-I', HARNESSES],
    ...askPkgConfig('--cflags'),
  ];
  const others = createHash('sha256')
    .update(JSON.stringify([flags, ...readSources()]))
    .digest('hex');
  /** Gives the object; compiled only if it is not there. Another process may compile the same. */
  return async function compile(source) {
    const hash = createHash('sha256').update(others).update(readFileSync(source)).digest('hex');
    const object = join(CACHE, 'objects', `${basename(source, '.cc')}-${hash.slice(0, 16)}.o`);
    if (existsSync(object)) return object;
    const unfinished = `${object}.${process.pid}`;
    await run('clang++', [...flags, '-c', source, '-o', unfinished]);
    renameSync(unfinished, object);
    return object;
  };
}

async function compileAll(sources, compile) {
  const objects = [];
  const waiting = [...sources.entries()];
  const worker = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [place, source] = next;
      objects[place] = await compile(source);
    }
  };
  await Promise.all([worker(), worker()]);
  return objects;
}

/** Compiles test/fuzz/<name>.cc and what it needs of native/; gives the program, which lies in `directory`. */
async function link(name, sources, directory, sanitizers) {
  mkdirSync(join(CACHE, 'objects'), { recursive: true });
  const own = [name, ...(name.startsWith('cni') ? [] : ['reads'])];
  const all = [
    ...own.map((source) => join(HARNESSES, `${source}.cc`)),
    ...sources.map((source) => join(ROOT, 'native', `${source}.cc`)),
  ];
  const objects = await compileAll(all, makeCompiler());
  const binary = join(directory, name);
  const libraries = [...askPkgConfig('--libs'), '-pthread'];
  await run('clang++', [`-fsanitize=${sanitizers}`, ...objects, ...libraries, '-o', binary]);
  return binary;
}

/** Builds one of the targets. */
export function buildTarget(target, directory) {
  return link(target, TARGETS[target].sources, directory, `fuzzer,${SANITIZERS}`);
}

/** Builds the program that writes down what the kernel says. */
export function buildCapture(directory) {
  return link('capture', TARGETS.answers.sources, directory, SANITIZERS);
}

// ---------------------------------------------------------------- corpus and dictionary

const corpusFile = (target) => join(HARNESSES, 'corpus', `${target}.txt`);

/** What was a finding once: of these none is given up. */
const findingsFile = (target) => join(HARNESSES, 'findings', `${target}.txt`);

const readLines = (file) =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];

/** Writes each input into a file of its own; gives their number. */
export function unpackCorpus(target, directory) {
  mkdirSync(directory);
  const lines = [...readLines(corpusFile(target)), ...readLines(findingsFile(target))];
  for (const [number, line] of lines.entries())
    writeFileSync(join(directory, String(number)), Buffer.from(line, 'base64'));
  return lines.length;
}

/** The reverse: the files of a directory become the target's corpus. */
export function packCorpus(target, directory) {
  const inputs = readdirSync(directory).map((name) => readFileSync(join(directory, name)));
  return writeCorpus(target, inputs);
}

export function writeCorpus(target, inputs) {
  const lines = [...new Set(inputs.map((input) => Buffer.from(input).toString('base64')))].sort();
  lines.sort((one, other) => one.length - other.length);
  mkdirSync(dirname(corpusFile(target)), { recursive: true });
  writeFileSync(corpusFile(target), `${lines.join('\n')}\n`);
  return lines.length;
}

/** The words that the code itself looks for. Says whether there are any. */
export function writeDictionary(target, file) {
  const texts = TARGETS[target].words.map((name) => {
    const path = join(ROOT, 'native', name.endsWith('.h') ? name : `${name}.cc`);
    return readFileSync(path, 'utf8').replaceAll(/^#include.*$/gm, '');
  });
  const words = texts.flatMap((text) => text.match(/"[\w.-]{1,32}"/g) ?? []);
  const quoted = ['plan', 'json', 'cni-request'].includes(target);
  const entries = [...new Set(words)].map((word) => {
    const plain = word.slice(1, -1);
    return quoted ? `"\\"${plain}\\""` : `"${plain}\\x00"`;
  });
  writeFileSync(file, `${entries.join('\n')}\n`);
  return entries.length > 0;
}
