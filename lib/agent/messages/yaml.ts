import { createRequire } from 'node:module';

import type * as Yaml from 'yaml';

import { APIError, describeType } from '../../errors';

/** What a payload becomes: every scalar is a text, whatever YAML 1.1 or 1.2 would make of it. */
export type Mapping = Readonly<Record<string, unknown>>;

// Digits alone: YAML 1.1 takes some of them for numbers to the base of 60.
const DIGITS_MAC = /^\d{2}(?::\d{2}){5}$/;
const DEEPEST = 32;
const NOTHING: ReadonlySet<unknown> = new Set([undefined, null, '', '~', 'null', 'Null', 'NULL']);

/** Reads a payload that is one mapping; whatever else it is gives a typed error. */
export function readYaml(text: unknown, operation: string, mostBytes: number): Mapping {
  if (typeof text !== 'string') {
    throw unreadable(operation, `it is no text (${describeType(text)})`);
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > mostBytes) {
    throw unreadable(operation, `it has ${bytes} bytes, the most is ${mostBytes}`);
  }
  if (isDeep(text)) throw unreadable(operation, `it is nested deeper than ${DEEPEST} levels`);
  const root = parse(text, operation);
  if (!isMapping(root)) throw unreadable(operation, 'it is not a mapping of names to values');
  return root;
}

/**
 * Writes a mapping as the original's library does: block style, keys in their order, `""` where a text is
 * empty, and in quotes what another reader would take for a number.
 */
export function writeYaml(mapping: Mapping): string {
  const { Document, isScalar, visit } = loadYaml();
  const document = new Document(mapping, { version: '1.1' });
  visit(document, {
    Scalar: (_key, node) => {
      if (isScalar(node) && typeof node.value === 'string' && DIGITS_MAC.test(node.value)) {
        node.type = 'QUOTE_DOUBLE';
      }
    },
  });
  return document.toString({ directives: false, indentSeq: false, lineWidth: 0 });
}

export function isMapping(value: unknown): value is Mapping {
  return describeType(value) === 'object';
}

/** Absent, empty or `null`: the original reads all of them as empty. */
export function isNothing(value: unknown): boolean {
  return NOTHING.has(value);
}

/** Messages have four levels; the parser takes a second for ten thousand. */
function isDeep(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    if (depth > DEEPEST) return true;
  }
  return false;
}

/** The payload as a whole cannot be read. */
export function unreadable(operation: string, detail: string, cause?: unknown): APIError {
  return new APIError('SNNET_MESSAGE_UNREADABLE', { operation, detail, cause });
}

function parse(text: string, operation: string): unknown {
  try {
    // What is JSON is YAML too, and read a hundred times as fast.
    if (text.startsWith('{')) return JSON.parse(text, asText);
  } catch {
    // In braces and no JSON: YAML it may be nevertheless.
  }
  try {
    // Nothing but texts, lists and mappings: no number, no date, no merging.
    return loadYaml().parse(text, { schema: 'failsafe', prettyErrors: false, logLevel: 'error' });
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw unreadable(operation, detail, cause);
  }
}

function asText(_name: string, value: unknown): unknown {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}

// When it is first needed: a launcher that sends nothing does without.
function loadYaml(): typeof Yaml {
  return createRequire(__filename)('yaml') as typeof Yaml;
}
