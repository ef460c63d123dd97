/**
 * Runs test/addon and test/kernel on an addon built with sanitizers:
 * `node scripts/test-asan.mjs [address|thread] [-- JEST-ARGUMENT...]`.
 *
 *   address   (default) AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer
 *   thread    ThreadSanitizer, on the one script of test/addon/stress.ts: node itself is not built for it,
 *             so that only reports with a frame of ours count
 *
 * The sanitizer is loaded before node (LD_PRELOAD), and so into every program that a test starts.
 * They write what they find into files; a file that has a frame of the addon fails the run.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countRun, format, JEST } from './suites.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const KINDS = {
  address: { flags: 'address,undefined', library: 'libasan.so' },
  thread: { flags: 'thread', library: 'libtsan.so' },
};
const OURS = /snnet\.node|\/native\/\w+\/\w+\.(cc|h)/;
/** A promise that is pending when its environment ends: N-API has no way to give it up. */
const NOT_OURS = /napi_create_promise/;
/** These need what a sanitizer takes: the one tracer that a process can have. */
const SKIPPED = 'go down in one send|under valgrind';

function build(kind, directory) {
  mkdirSync(directory, { recursive: true });
  cpSync(join(ROOT, 'binding.gyp'), join(directory, 'binding.gyp'));
  if (!existsSync(join(directory, 'native')))
    symlinkSync(join(ROOT, 'native'), join(directory, 'native'));
  const gyp = join(ROOT, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const run = (...words) =>
    execFileSync(process.execPath, [gyp, ...words, ...nodeDirectory()], {
      cwd: directory,
      stdio: 'inherit',
    });
  run('configure', '--loglevel=warn', `--sanitize=${KINDS[kind].flags}`);
  run('build', '--loglevel=warn', '-j2');
  return join(directory, 'build', 'Release', 'snnet.node');
}

/** Where the ordinary build has node's headers from, so that they are not fetched once more. */
function nodeDirectory() {
  const configured = join(ROOT, 'build', 'config.gypi');
  const known =
    existsSync(configured) && /"nodedir": "([^"]+)"/.exec(readFileSync(configured, 'utf8'))?.[1];
  return known ? [`--nodedir=${known}`] : [];
}

function findLibrary(name) {
  const path = execFileSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  if (!path.includes('/')) throw new Error(`no ${name}: install gcc's sanitizers`);
  return path;
}

function environment(kind, addon, reports) {
  const log = `log_path=${join(reports, 'report')}`;
  return {
    SNNET_ADDON: addon,
    SNNET_CNI_FRONT: join(dirname(addon), 'snnet-cni'),
    SNNET_SUITES: 'addon,kernel',
    SNNET_SANITIZER: kind,
    LD_PRELOAD: findLibrary(KINDS[kind].library),
    // Leaks are told by the files: a program that is not ours shall keep its status.
    ASAN_OPTIONS: `${log}:detect_leaks=1:detect_odr_violation=0:replace_str=0:intercept_strlen=0:intercept_strchr=0:intercept_strndup=0`,
    LSAN_OPTIONS: `${log}:exitcode=0:report_objects=0`,
    UBSAN_OPTIONS: `${log}:print_stacktrace=1`,
    TSAN_OPTIONS: `${log}:exitcode=0:history_size=7:second_deadlock_stack=1`,
  };
}

/** The paragraphs of the reports that speak of the addon. */
function findOurs(reports) {
  return readdirSync(reports)
    .map((name) => readFileSync(join(reports, name), 'utf8'))
    .flatMap((text) => text.split(/\n\n+|^={18}$/m))
    .filter((part) => /runtime error:/.test(part) || OURS.test(part))
    .filter((part) => !/ leak of \d+ byte/.test(part) || isOurLeak(part));
}

/** Whether we allocated it, or N-API for us; what V8 allocates while a listener runs is not ours. */
function isOurLeak(part) {
  const frames = part.split('\n').filter((line) => /^\s+#\d+ /.test(line));
  const first = frames.findIndex((frame) => OURS.test(frame));
  const above = frames.slice(0, first).filter((frame) => /\/node\+0x/.test(frame));
  if (above.some((frame) => NOT_OURS.test(frame))) return false;
  return above.every((frame) => / (napi_\w+|v8impl::)/.test(frame));
}

async function main(words) {
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  const kind = words.slice(0, end)[0] ?? 'address';
  if (!(kind in KINDS)) throw new Error(`no such sanitizer: ${kind}`);
  const directory = join(ROOT, '.cache', `sanitize-${kind}`);
  const reports = join(directory, 'reports');
  const addon = build(kind, directory);
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports, { recursive: true });
  const env = environment(kind, addon, reports);
  let failed;
  if (kind === 'thread') {
    const stress = join(ROOT, 'dist-test', 'test', 'addon', 'stress.js');
    const { status } = spawnSync(process.execPath, [stress], {
      stdio: 'inherit',
      env: { ...process.env, ...env },
    });
    failed = status === 0 ? 0 : 1;
  } else {
    const argv = [
      process.execPath,
      JEST,
      `--testNamePattern=^(?!.*(${SKIPPED}))`,
      ...words.slice(end + 1),
    ];
    const counts = await countRun(`sanitize-${kind}`, argv, { env, timeoutMs: 40 * 60 * 1000 });
    failed = counts.failed;
    console.log(format(counts));
  }
  const ours = [...new Set(findOurs(reports))];
  for (const part of ours) console.error(`${part}\n`);
  console.log(`${kind}: ${ours.length} reports of the addon`);
  return failed > 0 || ours.length > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
  console.error(`test-asan: ${error.message}`);
  return 1;
});
