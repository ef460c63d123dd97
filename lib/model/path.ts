import { refuse } from './refuse';

const LONGEST_PATH = 4095;

/** Parses an absolute path that says where it leads: without `.`, `..`, empty parts and NUL. */
export function parsePath(value: unknown, field: string): string {
  return typeof value === 'string' && isPlain(value)
    ? value
    : refuse(value, field, 'an absolute path without . and ..');
}

function isPlain(path: string): boolean {
  if (!path.startsWith('/') || path.includes('\0') || Buffer.byteLength(path) > LONGEST_PATH) {
    return false;
  }
  const parts = path.slice(1).split('/');
  return parts.every((part) => part !== '' && part !== '.' && part !== '..');
}
