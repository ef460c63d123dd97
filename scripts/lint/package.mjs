/**
 * What users get: packs, and looks at the tarball. publint judges the manifest against the files;
 * the list below says what no tarball may lack. No script runs and nothing of the tree is written.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const HOME = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values: options } = parseArgs({
  options: { root: { type: 'string', default: HOME } },
});

const REQUIRED = [
  ...['package.json', 'README.md', 'LICENSE', 'NOTICE', 'CHANGELOG.md'],
  ...['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js'],
  ...['binding.gyp', 'native/addon.cc', 'scripts/install.mjs'],
];
/** Paths that would be a mistake in every installation. */
const REFUSED = /^(test|bench|dist-test|build|node_modules|\.ci|\.cache)\/|\.(map|tgz)$/;

function pack(directory) {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', directory];
  const [report] = JSON.parse(execFileSync('npm', args, { cwd: options.root, stdio: 'pipe' }));
  return { paths: report.files.map(({ path }) => path), tarball: join(directory, report.filename) };
}

function checkContents(paths) {
  return [
    ...REQUIRED.filter((path) => !paths.includes(path)).map((path) => `package-lacks: ${path}`),
    ...paths.filter((path) => REFUSED.test(path)).map((path) => `package-carries: ${path}`),
  ];
}

async function checkManifest(tarball) {
  const { buffer } = new Uint8Array(readFileSync(tarball));
  const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
  return messages.map((message) => `${message.code}: ${formatMessage(message, pkg)}`);
}

async function lint() {
  if (!existsSync(join(options.root, 'dist', 'index.js'))) {
    return ['dist/index.js is missing: npm run build:ts'];
  }
  const directory = mkdtempSync(join(tmpdir(), 'snnet-pack-'));
  try {
    const { paths, tarball } = pack(directory);
    return [...checkContents(paths), ...(await checkManifest(tarball))];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const problems = await lint();
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
