import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { PACKAGE_ROOT } from '../../support/child';

// The compiled tests lie in dist-test, the data beside the sources.
const FIXTURES = join(PACKAGE_ROOT, 'test', 'fixtures', 'ssntp');

/** What the original's own structs made of the bytes. */
export interface GoDecoded {
  readonly Kind: 'connect' | 'connected' | 'frame';
  readonly Major: number;
  readonly Minor: number;
  readonly Type: number;
  readonly Operand: number;
  readonly Role?: number;
  readonly Source?: string;
  readonly Destination?: string;
  readonly Origin?: string;
  readonly PayloadHex: string;
}

/** A frame as Go wrote it. */
export interface Vector {
  readonly id: string;
  readonly definitions: Buffer;
  readonly value: Buffer;
  readonly decoded?: GoDecoded;
  readonly names?: { readonly type: string; readonly operand: string };
}

function readJson(name: string): readonly Record<string, string>[] {
  const text = readFileSync(join(FIXTURES, name), 'utf8');
  return JSON.parse(text) as readonly Record<string, string>[];
}

/** Frames between unmodified programs of the original. */
export function capturedVectors(): readonly Vector[] {
  return readJson('captured.json').map((row) => ({
    id: row['id']!,
    definitions: Buffer.from(row['defsHex']!, 'hex'),
    value: Buffer.from(row['valueHex']!, 'hex'),
    decoded: row['goDecoded'] as unknown as GoDecoded,
    names: { type: row['type']!, operand: row['name']! },
  }));
}

/** Frames that Go's gob wrote from chosen values. */
export function syntheticVectors(): readonly Vector[] {
  return readJson('synthetic.json').map((row) => ({
    id: row['ID']!,
    definitions: Buffer.from(row['DefsHex']!, 'hex'),
    value: Buffer.from(row['ValueHex']!, 'hex'),
  }));
}

/** All bytes of one direction of a connection: `c2s` or `s2c`. */
export function capturedStream(direction: 'c2s' | 's2c'): Buffer {
  const file = join(FIXTURES, `stream-testserver-agent-${direction}.hex`);
  return Buffer.from(readFileSync(file, 'utf8').replace(/\s/g, ''), 'hex');
}

/** The distinct payloads of all vectors. */
export function payloadsOf(): readonly string[] {
  const captured = readJson('captured.json').map((row) => row['payload']);
  const synthetic = readJson('synthetic.json').map((row) => row['PayloadText']);
  const texts = [...captured, ...synthetic].filter((text) => typeof text === 'string');
  return [...new Set(texts)];
}
