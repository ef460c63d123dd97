/**
 * Words that must not rot: `node scripts/lint/docs.mjs [--root DIRECTORY]`.
 *
 *   names        files that ARCHITECTURE.md, README.md and CONTRIBUTING.md name in `code` exist
 *   links        relative links in these and in docs/ lead somewhere
 *   errors       docs/errors.md is what scripts/make-error-docs.mjs makes of the table of codes
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HOME = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values: options } = parseArgs({
  options: { root: { type: 'string', default: HOME } },
});
const ROOT = options.root;
const NAMING = ['ARCHITECTURE.md', 'README.md', 'CONTRIBUTING.md'];
/** What begins like this names something of ours; other code in a text may be anything. */
const OURS = /^(\.ci|bench|docs|examples|lib|native|scripts|test)\/[\w./*-]*$/;

function readPage(page) {
  const path = join(ROOT, page);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** `lib/*.ts` stands for its directory; a name without a suffix may be a file's stem. */
function isThere(name) {
  const path = name.includes('*') ? dirname(name.slice(0, name.indexOf('*') + 1)) : name;
  return ['', '.ts', '.cc', '.h'].some((suffix) => existsSync(join(ROOT, path + suffix)));
}

function checkNames(page) {
  return [...readPage(page).matchAll(/`([^`\s]+)`/g)]
    .map(([, name]) => name)
    .filter((name) => OURS.test(name) && !isThere(name))
    .map((name) => `${page}: architecture-names: there is no ${name}`);
}

function checkLinks(page) {
  return [...readPage(page).matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => !existsSync(join(ROOT, dirname(page), target)))
    .map((target) => `${page}: links: nothing at ${target}`);
}

function checkErrorPage() {
  const generator = join(ROOT, 'scripts', 'make-error-docs.mjs');
  if (!existsSync(generator)) return [];
  if (!existsSync(join(ROOT, 'dist', 'errors', 'index.js'))) {
    return ['docs/errors.md: errors: cannot be compared before `npm run build:ts`'];
  }
  const { status, stderr } = spawnSync(process.execPath, [generator, '--check']);
  return status === 0 ? [] : [`docs/errors.md: errors: ${stderr.toString().trim()}`];
}

function pagesIn(directory) {
  const path = join(ROOT, directory);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(directory, name));
}

const problems = [
  ...NAMING.flatMap(checkNames),
  ...[...NAMING, ...pagesIn('docs')].flatMap(checkLinks),
  ...checkErrorPage(),
];
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
