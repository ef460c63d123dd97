// @ts-check
import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const TYPESCRIPT = ['lib/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'];

/** Budgets; a file that needs an exception says why beside its `eslint-disable`. */
const budgets = {
  'max-lines': ['error', { max: 400 }],
  'max-lines-per-function': ['error', { max: 50, skipComments: true }],
  'max-params': ['error', { max: 4 }],
  // A switch over a union counts once: its length is the union's, not the reader's burden.
  complexity: ['error', { max: 12, variant: 'modified' }],
  'max-depth': ['error', { max: 3 }],
};

const habits = {
  eqeqeq: 'error',
  'no-var': 'error',
  'prefer-const': 'error',
  'object-shorthand': 'error',
  'no-console': 'error',
  'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'], location: 'start' }],
  'no-restricted-syntax': [
    'error',
    {
      selector: "MemberExpression[object.name='process'][property.name='dlopen']",
      message: 'The addon has one door: lib/kernel/native.ts.',
    },
    {
      selector: 'TSEnumDeclaration',
      message: 'Enumerations are unions of strings.',
    },
  ],
};

const types = {
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/no-non-null-assertion': 'error',
  '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
  '@typescript-eslint/consistent-type-exports': 'error',
  '@typescript-eslint/explicit-module-boundary-types': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': [
    'error',
    { considerDefaultExhaustiveForUnions: true },
  ],
  '@typescript-eslint/restrict-template-expressions': [
    'error',
    { allowNumber: true, allowBoolean: true },
  ],
  // `void promise` is how a promise that nobody waits for is marked.
  '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
  '@typescript-eslint/no-unused-vars': [
    'error',
    { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
  ],
  // A method may be async because its interface is, or so that what it throws becomes a rejection.
  '@typescript-eslint/require-await': 'off',
  '@typescript-eslint/no-meaningless-void-operator': 'off',
  // A parser of branded strings is told the brand by its caller.
  '@typescript-eslint/no-unnecessary-type-parameters': 'off',
};

/** What the tests may do that the library may not. */
const testLiberties = {
  'max-lines-per-function': 'off',
  'no-console': 'off',
  // A test that indexes past the end fails, which is what it is for.
  '@typescript-eslint/no-non-null-assertion': 'off',
  '@typescript-eslint/non-nullable-type-assertion-style': 'off',
  '@typescript-eslint/no-misused-spread': 'off',
  '@typescript-eslint/explicit-module-boundary-types': 'off',
  // `expect(mock.method)` and asymmetric matchers are typed as any by jest.
  '@typescript-eslint/unbound-method': 'off',
  '@typescript-eslint/no-unsafe-assignment': 'off',
};

const scriptGlobals = Object.fromEntries(
  [
    ...['process', 'console', 'Buffer', 'URL', 'performance', 'fetch'],
    ...['setTimeout', 'clearTimeout', 'AbortController', 'AbortSignal'],
  ].map((name) => [name, 'readonly']),
);

/** @param {string} regex @param {string} message */
const refuseImports = (regex, message) => ({
  'no-restricted-imports': ['error', { patterns: [{ regex, message }] }],
});

/** @param {string} root */
const typescriptConfigs = (root) => [
  {
    files: TYPESCRIPT,
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: './tsconfig.lint.json', tsconfigRootDir: root },
    },
    rules: { ...budgets, ...habits, ...types },
  },
  {
    files: ['lib/**/*.ts'],
    rules: refuseImports('^(#lib|libsnnet$)', 'Inside lib, imports are relative.'),
  },
  {
    files: ['lib/cli/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  { files: ['test/**/*.ts'], rules: testLiberties },
  {
    files: ['examples/**/*.ts'],
    rules: refuseImports('^(#|\\.)', "An example imports 'libsnnet', as a user would."),
  },
];

const scriptConfigs = [
  {
    files: ['**/*.{mjs,cjs,js}'],
    languageOptions: { globals: scriptGlobals },
    rules: budgets,
  },
  {
    files: ['**/*.cjs'],
    languageOptions: {
      sourceType: 'commonjs',
      globals: { module: 'writable', require: 'readonly', __dirname: 'readonly' },
    },
  },
];

/**
 * The rules for the tree under `root`; the gate tests call it for a tree of bad files.
 *
 * @param {string} root the folder that holds tsconfig.lint.json
 */
export function configFor(root) {
  return defineConfig(
    { ignores: ['dist/', 'dist-test/', 'build/', 'prebuilds/', '.cache/'] },
    { linterOptions: { reportUnusedDisableDirectives: 'error' } },
    eslint.configs.recommended,
    ...typescriptConfigs(root),
    ...scriptConfigs,
  );
}

export default configFor(import.meta.dirname);
