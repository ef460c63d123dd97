/**
 * The gates of the C++: `node scripts/lint/native.mjs [--fix] [--root DIRECTORY]`.
 *
 *   fences         includes go down the rings, N-API stays in napi/, and what else no tool checks
 *   clang-format   with --fix it rewrites
 *   clang-tidy     warnings are errors; what passed is remembered until the file, its headers or the rules change.
 *                  A ring's files are read together, since each alone has the same headers to read; if anything
 *                  is wrong with them together, be it that two have used one name, each is read alone
 *
 * `--root` names another tree with a native/ in it: the tests of the gates have a bad one.
 */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkFences, includesOf, isUnit } from './native-fences.mjs';

const HOME = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values: options } = parseArgs({
  options: { fix: { type: 'boolean' }, root: { type: 'string', default: HOME } },
});
const ROOT = options.root;
const CACHE = join(HOME, '.cache', 'clang-tidy');

/** `file` is relative to the root, with `/`. */
function readSources() {
  const directory = join(ROOT, 'native');
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true })
    .filter((name) => /\.(h|cc)$/.test(name))
    .map((name) => join(directory, name))
    .sort()
    .map((path) => ({ path, file: relative(ROOT, path), text: readFileSync(path, 'utf8') }));
}

/** Each has a Debian package of its own name. */
function missingTools() {
  const found = (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0;
  return ['clang-format', 'clang-tidy'].filter((name) => !found(name));
}

// ---------------------------------------------------------------- clang-format

function checkFormat(sources) {
  const mode = options.fix ? ['-i'] : ['--dry-run', '--Werror', '--ferror-limit=3'];
  const style = `--style=file:${join(HOME, '.clang-format')}`;
  const paths = sources.map(({ path }) => path);
  const { status, stderr } = spawnSync('clang-format', [...mode, style, ...paths]);
  if (status === 0) return [];
  return [`${stderr.toString()}clang-format: run \`npm run format\``];
}

// ---------------------------------------------------------------- clang-tidy

/** Where the headers are that node-gyp compiles with. */
function findNodeHeaders() {
  const ask = createRequire(import.meta.url);
  const configured = join(HOME, 'build', 'config.gypi');
  const nodedir =
    process.env.npm_config_nodedir ??
    (existsSync(configured) && /"nodedir": "([^"]+)"/.exec(readFileSync(configured, 'utf8'))?.[1]);
  const prefixes = [nodedir, dirname(dirname(process.execPath))].filter(Boolean);
  const headers = prefixes
    .map((prefix) => join(prefix, 'include', 'node'))
    .find((path) => existsSync(join(path, 'node_api.h')));
  if (headers === undefined) throw new Error('no node_api.h: run `npm run build:native` first');
  return [headers, ask('node-addon-api').include_dir];
}

/** The flags of binding.gyp, as far as they decide what the code means. */
function compilerFlags() {
  // gyp reads Python literals; ours is JSON but for its comments.
  const gyp = readFileSync(join(HOME, 'binding.gyp'), 'utf8').replaceAll(/^\s*#.*$/gm, '');
  const [target] = JSON.parse(gyp).targets;
  const pkgConfig = spawnSync('pkg-config', ['--cflags', 'libnl-3.0'], { encoding: 'utf8' });
  if (pkgConfig.status !== 0) throw new Error('no libnl-3.0 for pkg-config: libnl-3-dev');
  const system = [
    ...findNodeHeaders(),
    ...pkgConfig.stdout.split(/\s+/).flatMap((word) => /^-I(.+)/.exec(word)?.[1] ?? []),
  ];
  return [
    ...target.cflags_cc.filter((flag) => flag.startsWith('-std=')),
    ...target.defines.map((define) => `-D${define}`),
    `-I${join(ROOT, 'native')}`,
    ...system.flatMap((path) => ['-isystem', path]),
  ];
}

/** The source and every header of ours that it takes in, however deep. */
function withHeaders(source, sources) {
  const taken = new Map([[source.file, source]]);
  for (const { text } of taken.values()) {
    for (const path of includesOf(text)) {
      const header = sources.find(({ file }) => file === `native/${path}`);
      if (header !== undefined) taken.set(header.file, header);
    }
  }
  return [...taken.values()];
}

/** What a verdict rests on. */
function fingerprint(source, sources, flags) {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([flags, process.version]));
  hash.update(readFileSync(join(HOME, '.clang-tidy')));
  for (const { file, text } of withHeaders(source, sources)) hash.update(file).update(text);
  return hash.digest('hex');
}

/** How many states of a function are walked. Clang's own choice is ten times as many: twice the time, and it found no more. */
const PATIENCE = ['-Xclang', '-analyzer-config', '-Xclang', 'max-nodes=20000'].map(
  (word) => `--extra-arg=${word}`,
);

function tidy(path, flags) {
  const config = `--config-file=${join(HOME, '.clang-tidy')}`;
  return new Promise((resolve) => {
    execFile(
      'clang-tidy',
      ['--quiet', config, ...PATIENCE, path, '--', ...flags],
      (error, stdout, stderr) => resolve(error ? [stdout || stderr] : []),
    );
  });
}

/** One text of several. A file that only includes them will not do: the analyzer walks no paths outside the main file. */
function joinTexts(sources) {
  const included = new Set();
  const isNew = (line) => !line.startsWith('#include') || included.size < included.add(line).size;
  return sources.map(({ text }) => text.split('\n').filter(isNew).join('\n')).join('\n');
}

/** What is wrong with the files of one ring, all of which take in much the same headers. */
async function tidyRing(sources, flags) {
  const directory = mkdtempSync(join(CACHE, 'ring-'));
  try {
    const together = join(directory, 'ring.cc');
    writeFileSync(together, joinTexts(sources));
    if ((await tidy(together, flags)).length === 0) return sources.map(() => []);
  } finally {
    rmSync(directory, { recursive: true });
  }
  const found = [];
  for (const { path } of sources) found.push(await tidy(path, flags));
  return found;
}

function groupBy(items, keyOf) {
  const groups = {};
  for (const item of items) (groups[keyOf(item)] ??= []).push(item);
  return groups;
}

async function checkTidy(sources) {
  const flags = compilerFlags();
  mkdirSync(CACHE, { recursive: true });
  const waiting = sources
    .filter(({ file }) => file.endsWith('.cc') && !isUnit(file))
    .map((source) => ({ source, stamp: join(CACHE, fingerprint(source, sources, flags)) }))
    .filter(({ stamp }) => !existsSync(stamp));
  const rings = Object.values(groupBy(waiting, ({ source }) => dirname(source.file)));
  rings.sort((a, b) => a.length - b.length);
  const problems = [];
  const worker = async () => {
    for (let ring = rings.pop(); ring !== undefined; ring = rings.pop()) {
      const found = await tidyRing(
        ring.map(({ source }) => source),
        flags,
      );
      problems.push(...found.flat());
      for (const [n, { stamp }] of ring.entries())
        if (found[n].length === 0) writeFileSync(stamp, '');
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
  return problems;
}

async function lint() {
  const sources = readSources();
  if (sources.length === 0) return [];
  const missing = missingTools();
  if (missing.length > 0) {
    return [`missing: ${missing.join(' ')} (Debian: apt-get install ${missing.join(' ')})`];
  }
  const formatted = checkFormat(sources);
  if (options.fix) return formatted;
  return [...checkFences(sources), ...formatted, ...(await checkTidy(sources))];
}

const problems = await lint().catch((error) => [error.message]);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
