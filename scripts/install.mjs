/**
 * The package's "install" script: makes sure that there is an addon that loads.
 *
 *   1. The binary in prebuilds/ loads: done, and this is what nearly everybody sees.
 *   2. It doesn't (another libc, another processor): compile, if everything for that is there.
 *   3. Something is missing: name all of it at once, with the packages that bring it, and fail.
 *
 * Where install scripts may not run, nothing is lost: the binary is found when it is first needed,
 * and so is the reason if it can't be (lib/kernel/native.ts). Plain node without dependencies but
 * node-gyp-build, as it runs in every user's installation.
 *
 * In a checkout of the repository it does nothing: there scripts/bootstrap.mjs installs what is
 * missing first and compiles then, and `npm ci` has to work before that.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const COMPILER = process.env.CXX ?? 'g++';
const PROCESSORS = ['x64', 'arm64'];

/** What a build needs, how to see that it is there, and the package that brings it. */
const NEEDS = [
  {
    what: 'python3 (for node-gyp)',
    isThere: () => hasCommand(process.env.PYTHON ?? 'python3'),
    packages: { Debian: 'python3', Fedora: 'python3', Alpine: 'python3' },
  },
  {
    what: 'make',
    isThere: () => hasCommand('make'),
    packages: { Debian: 'make', Fedora: 'make', Alpine: 'make' },
  },
  {
    what: `a C++20 compiler (${COMPILER})`,
    isThere: () => compiles('#include <concepts>\n#include <span>\n'),
    packages: { Debian: 'g++', Fedora: 'gcc-c++', Alpine: 'g++' },
  },
  {
    what: "the kernel's headers (linux/rtnetlink.h)",
    isThere: () => !compiles('') || compiles('#include <linux/rtnetlink.h>\n'),
    packages: { Debian: 'linux-libc-dev', Fedora: 'kernel-headers', Alpine: 'linux-headers' },
  },
  {
    what: 'pkg-config',
    isThere: () => hasCommand('pkg-config'),
    packages: { Debian: 'pkg-config', Fedora: 'pkgconf-pkg-config', Alpine: 'pkgconf' },
  },
  {
    what: 'the headers of libnl-3',
    isThere: () => succeeds('pkg-config', ['--exists', 'libnl-3.0']),
    packages: { Debian: 'libnl-3-dev', Fedora: 'libnl3-devel', Alpine: 'libnl3-dev' },
  },
];
const INSTALL = { Debian: 'apt-get install', Fedora: 'dnf install', Alpine: 'apk add' };

function hasCommand(name) {
  const directories = name.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter);
  return directories.some((directory) => existsSync(join(directory, name)));
}

function succeeds(command, args, input = '') {
  return spawnSync(command, args, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

function compiles(source) {
  const [command, ...args] = COMPILER.split(' ');
  return succeeds(command, [...args, '-std=c++20', '-fsyntax-only', '-x', 'c++', '-'], source);
}

/** In a process of its own: a binary for another libc may end the one that loads it. */
function tryToLoad() {
  const script = 'require("node-gyp-build")(process.argv[1])';
  const child = spawnSync(process.execPath, ['-e', script, ROOT], { cwd: ROOT, encoding: 'utf8' });
  if (child.status === 0) return undefined;
  return /^.*Error: (.*)$/m.exec(child.stderr)?.[1] ?? `ended with ${child.signal ?? child.status}`;
}

function describeMissing(missing, reason) {
  const commands = Object.entries(INSTALL).map(([system, command]) => {
    const names = missing.map(({ packages }) => packages[system]);
    return `  ${`${system}:`.padEnd(8)} ${command} ${names.join(' ')}`;
  });
  const lines = [
    `libsnnet: there is no binary that runs here (${reason}), and to compile one these are missing:`,
    ...missing.map(({ what }) => `  - ${what}`),
    'Install them, then run this installation again:',
    ...commands,
  ];
  if (reason.includes('libnl')) {
    lines.push(
      'Or only what the binary in the package needs to run:',
      '  Debian: libnl-3-200   Fedora: libnl3   Alpine: libnl3',
    );
  }
  return lines.join('\n');
}

function compile() {
  const bundled = process.env.npm_config_node_gyp;
  const [command, args] = bundled ? [process.execPath, [bundled]] : ['node-gyp', []];
  const build = [...args, 'rebuild', '--loglevel=warn'];
  const child = spawnSync(command, build, { cwd: ROOT, stdio: 'inherit' });
  if (child.error) return `node-gyp does not start (${child.error.message})`;
  return child.status === 0 ? tryToLoad() : `node-gyp ended with ${child.signal ?? child.status}`;
}

/** Gives what went wrong, or nothing. */
function install() {
  if (existsSync(join(ROOT, 'scripts', 'bootstrap.mjs'))) {
    console.log('libsnnet: a checkout; `node scripts/bootstrap.mjs build` compiles the addon');
    return undefined;
  }
  if (process.platform !== 'linux' || !PROCESSORS.includes(process.arch)) {
    return `libsnnet: runs on Linux on ${PROCESSORS.join(' and ')}, and this is ${process.platform} on ${process.arch}`;
  }
  const asked = process.env.npm_config_build_from_source === 'true';
  const reason = asked ? 'a build from source was asked for' : tryToLoad();
  if (reason === undefined) return undefined;
  const missing = NEEDS.filter(({ isThere }) => !isThere());
  if (missing.length > 0) return describeMissing(missing, reason);
  console.log(`libsnnet: compiling the addon (${reason})`);
  const failure = compile();
  return failure && `libsnnet: the addon could not be compiled: ${failure}`;
}

const failure = install();
if (failure !== undefined) {
  console.error(failure);
  process.exitCode = 1;
}
