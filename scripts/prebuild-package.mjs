/**
 * Puts the addon that was built here, and `snnet-cni`, where an installed package looks for them:
 * `node scripts/prebuild-package.mjs [--out DIRECTORY]`, by default prebuilds/.
 *
 * The directory and the file are named as node-gyp-build resolves them. N-API keeps its promise over
 * versions of node, so one binary for each processor and libc is enough.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const BUILT = join(ROOT, 'build', 'Release', 'snnet.node');
const FRONT = join(ROOT, 'build', 'Release', 'snnet-cni');
const { values: options } = parseArgs({
  options: { out: { type: 'string', default: join(ROOT, 'prebuilds') } },
});

/** The newest version of each library that the binary asks for: what it cannot run without. */
function describeNeeds(file) {
  const symbols = execFileSync('objdump', ['-T', file], { encoding: 'utf8' });
  const newest = new Map();
  for (const [, library, version] of symbols.matchAll(/\((GLIBC|GLIBCXX|CXXABI)_([\d.]+)\)/g)) {
    const known = newest.get(library) ?? '0';
    if (known.localeCompare(version, 'en', { numeric: true }) < 0) newest.set(library, version);
  }
  return [...newest].map(([library, version]) => `${library} ${version}`).join(', ');
}

if (existsSync(BUILT)) {
  const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
  const directory = join(options.out, `${process.platform}-${process.arch}`);
  const target = join(directory, `libsnnet.${libc}.node`);
  mkdirSync(directory, { recursive: true });
  copyFileSync(BUILT, target);
  execFileSync('strip', ['--strip-unneeded', target]);
  console.log(`${target} (needs ${describeNeeds(target)})`);
  // Static, so that it runs on any libc.
  const front = join(directory, 'snnet-cni');
  copyFileSync(FRONT, front);
  execFileSync('strip', [front]);
  console.log(front);
} else {
  console.error('there is no build/Release/snnet.node: npm run build:native');
  process.exitCode = 1;
}
