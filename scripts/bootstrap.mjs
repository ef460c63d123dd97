/**
 * Makes a bare machine able to build and run this package: `node scripts/bootstrap.mjs MODE`.
 *
 *   build   what compiling needs
 *   demo    build, and the tools that the demonstration shows
 *   test    demo, and the tools that the tests judge by, and the emulator for guest kernels
 *   ci      test, and what lint reads C++ with
 *
 * Missing packages are installed on Debian and Ubuntu when run as root; anywhere else they are named
 * and the status is 1. Then the dependencies, the addon and the compiled files are brought up to
 * date, each only if it is not. Plain node: this runs before there are any dependencies.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readSync, readdirSync } from 'node:fs';
import { rmSync, statSync, utimesSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const MODES = ['build', 'demo', 'test', 'ci'];
const HAS_GUESTS = process.arch === 'x64';

/**
 * For each mode: what it adds. A need is a Debian package and how to see that it is there; without one
 * that is optional, tests are skipped.
 */
const NEEDS = {
  build: [
    ['python3', () => hasCommand('python3')],
    ['make', () => hasCommand('make')],
    ['g++', () => hasCommand('g++')],
    ['pkg-config', () => hasCommand('pkg-config')],
    ['libnl-3-dev', () => succeeds('pkg-config', ['--exists', 'libnl-3.0'])],
  ],
  demo: [
    ['iproute2', () => hasCommand('ip') && hasCommand('bridge')],
    ['iputils-ping', () => hasCommand('ping')],
    ['util-linux', () => hasCommand('unshare') && hasCommand('nsenter')],
    ['dnsmasq-base', () => hasCommand('dnsmasq')],
    ['busybox-static', () => hasCommand('busybox')],
    ['nftables', () => hasCommand('nft')],
  ],
  test: [
    ['iptables', () => hasCommand('iptables-nft')],
    ['podman', () => hasCommand('podman'), 'optional'],
    ['conmon', () => existsSync('/usr/bin/conmon'), 'optional'],
    ['containernetworking-plugins', () => existsSync('/usr/lib/cni/host-local'), 'optional'],
    ['tcpdump', () => hasCommand('tcpdump')],
    ['procps', () => hasCommand('sysctl')],
    ['busybox-static', hasStaticBusybox],
    ['docker.io', () => isInSystem('docker') && isInSystem('dockerd'), 'optional'],
    ['containerd', () => isInSystem('containerd'), 'optional'],
    ['runc', () => isInSystem('runc'), 'optional'],
    ['nats-server', () => hasCommand('nats-server'), 'optional'],
    ['clang', () => hasCommand('clang++'), 'optional'],
    ['libclang-rt-14-dev', hasFuzzer, 'optional'],
    ...(HAS_GUESTS
      ? [
          ['qemu-system-x86', () => hasCommand('qemu-system-x86_64')],
          ['kmod', () => hasCommand('modprobe') && hasCommand('depmod')],
          ['xz-utils', () => hasCommand('xz')],
          ['zstd', () => hasCommand('zstd')],
        ]
      : []),
  ],
  ci: [
    ['clang-format', () => hasCommand('clang-format')],
    ['clang-tidy', () => hasCommand('clang-tidy')],
  ],
};

/** Brings the machine and the working tree up to the mode; throws an Error that says what is wrong. */
export function bootstrap(mode) {
  if (!MODES.includes(mode))
    throw new Error(`usage: node scripts/bootstrap.mjs ${MODES.join('|')}`);
  process.env.PATH = searchPath().join(delimiter);
  installPackages(MODES.slice(0, MODES.indexOf(mode) + 1).flatMap((name) => NEEDS[name]));
  installDependencies();
  buildAddon();
  compile('tsconfig.json', ['lib'], 'dist', '');
  if (mode === 'test' || mode === 'ci')
    compile('tsconfig.test.json', ['test', 'bench', 'examples'], 'dist-test', 'dist');
}

// ---------------------------------------------------------------- the machine

/** Debian keeps system tools out of the PATH of ordinary users. */
function searchPath() {
  const path = (process.env.PATH ?? '').split(delimiter);
  return [
    ...path,
    ...['/usr/local/sbin', '/usr/sbin', '/sbin'].filter((dir) => !path.includes(dir)),
  ];
}

function hasCommand(name) {
  return searchPath().some((directory) => existsSync(join(directory, name)));
}

/** The runtime of clang's fuzzer and sanitizers is a package of its own. */
function hasFuzzer() {
  const directory = spawnSync('clang++', ['-print-runtime-dir'], { encoding: 'utf8' }).stdout;
  if (!directory) return false;
  const path = directory.trim();
  return existsSync(path) && readdirSync(path).some((file) => file.includes('fuzzer'));
}

/** Debian's own: another docker in the PATH may be a client without a daemon. */
function isInSystem(name) {
  return ['/usr/bin', '/usr/sbin'].some((directory) => existsSync(join(directory, name)));
}

/** The package `busybox` is no help: its program needs shared libraries, which a first process lacks. */
function hasStaticBusybox() {
  const path = searchPath()
    .map((directory) => join(directory, 'busybox'))
    .find(existsSync);
  if (path === undefined) return false;
  const head = Buffer.alloc(4096);
  const file = openSync(path, 'r');
  readSync(file, head);
  closeSync(file);
  return !head.includes('/ld-linux');
}

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function installPackages(needs) {
  const isOptional = ([, , word]) => word === 'optional';
  const missing = namesOfMissing(needs.filter((need) => !isOptional(need)));
  const wanted = namesOfMissing(needs.filter(isOptional));
  const canInstall = process.getuid() === 0 && hasCommand('apt-get');
  if (missing.length > 0 && !canInstall) {
    throw new Error(
      `missing: ${missing.join(' ')} (names as in Debian)\nas root: apt-get ${installing(missing).join(' ')}`,
    );
  }
  if (missing.length > 0 && !aptInstall(missing)) {
    throw new Error(`apt-get could not install ${missing.join(' ')}`);
  }
  if (wanted.length > 0 && !(canInstall && aptInstall(wanted))) {
    console.log(`bootstrap: without ${wanted.join(' ')}: the tests that need them are skipped`);
  }
}

/** A package may be needed for two reasons. */
function namesOfMissing(needs) {
  return [...new Set(needs.flatMap(([name, isThere]) => (isThere() ? [] : [name])))];
}

function installing(names) {
  return ['install', '-y', '-q', '--no-install-recommends', ...names];
}

function aptInstall(names) {
  console.log(`bootstrap: installing ${names.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (args) => spawnSync('apt-get', args, { env, stdio: 'inherit' }).status === 0;
  const install = installing(names);
  // Package lists are fetched only if there are none, or they name what the archive no longer has.
  return apt(install) || (apt(['update', '-q']) && apt(install));
}

// ---------------------------------------------------------------- the working tree

function run(what, command, args) {
  console.log(`bootstrap: ${what}`);
  try {
    execFileSync(command, args, { cwd: ROOT, stdio: 'inherit', env: buildEnvironment() });
  } catch (error) {
    throw new Error(`${what} failed (${command} ${args.join(' ')})`, { cause: error });
  }
}

/** All processors compile; headers that came with node spare node-gyp a download. */
function buildEnvironment() {
  const env = { ...process.env, JOBS: 'max' };
  const prefix = dirname(dirname(process.execPath));
  const hasHeaders = existsSync(join(prefix, 'include', 'node', 'node_api.h'));
  return hasHeaders ? { ...env, npm_config_nodedir: prefix } : env;
}

function installDependencies() {
  if (dependenciesAreInstalled()) return;
  // No scripts: no dependency needs its own, and npm would build the addon that is built below.
  run('npm ci', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}

/** Compares versions and not dates: a checkout makes files newer that have not changed. */
function dependenciesAreInstalled() {
  const installedFile = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const installed = readPackages(installedFile);
  return Object.entries(readPackages(join(ROOT, 'package-lock.json'))).every(([path, locked]) => {
    if (path === '' || locked.link) return true;
    const here = installed[path];
    // What is optional may be for another platform.
    return here === undefined ? locked.optional === true : here.version === locked.version;
  });
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
}

function buildAddon() {
  const description = join(ROOT, 'binding.gyp');
  if (!existsSync(description)) return;
  const built = ['snnet.node', 'snnet-cni'].map((name) => join(ROOT, 'build', 'Release', name));
  const changed = newest([description, ...filesIn('native')]);
  if (built.every((file) => existsSync(file) && statSync(file).mtimeMs >= changed)) return;
  const nodeGyp = join(ROOT, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const isConfigured = existsSync(join(ROOT, 'build', 'Makefile'));
  const verbs = isConfigured ? ['build'] : ['configure', 'build'];
  for (const verb of verbs) {
    run(`node-gyp ${verb}`, process.execPath, [nodeGyp, verb, '--loglevel=warn']);
  }
  // A changed comment builds nothing anew, and would be asked about for ever.
  for (const file of built) utimesSync(file, new Date(), new Date());
}

/** Compiles if an output is missing or older than any source, or than what it is checked against. */
function compile(project, directories, outDir, against) {
  const sources = directories.flatMap(filesIn).filter((file) => /(?<!\.d)\.ts$/.test(file));
  const from = outDir === 'dist' ? join(ROOT, 'lib') : ROOT;
  const outputs = sources.map((file) =>
    join(ROOT, outDir, relative(from, file).replace(/\.ts$/, '.js')),
  );
  removeOrphans(outDir, new Set(outputs));
  const changed = newest([join(ROOT, project), ...sources, ...(against ? filesIn(against) : [])]);
  if (outputs.every((file) => existsSync(file) && statSync(file).mtimeMs >= changed)) return;
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  run(`compiling ${directories.join(', ')}`, process.execPath, [
    tsc,
    '-p',
    project,
    '--noEmitOnError',
  ]);
}

/** A test whose source is gone must not run on. */
function removeOrphans(outDir, outputs) {
  for (const file of filesIn(outDir)) {
    const script = file.replace(/(\.d\.ts|\.js\.map)$/, '.js');
    if (script.endsWith('.js') && !outputs.has(script)) rmSync(file);
  }
}

function filesIn(directory) {
  const path = join(ROOT, directory);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function newest(files) {
  return Math.max(0, ...files.map((file) => statSync(file).mtimeMs));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    bootstrap(process.argv[2]);
  } catch (error) {
    console.error(`bootstrap: ${error.message}`);
    process.exitCode = 1;
  }
}
