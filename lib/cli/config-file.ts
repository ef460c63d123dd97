import { readFileSync } from 'node:fs';
import { CommandFailure, EXIT } from './failure';

const STDIN = 0;

/** Reads a configuration as JSON from a file, or from standard input for `-`. */
export function readConfigFile(path: string): object {
  const name = path === '-' ? 'standard input' : path;
  const value = parse(name, read(name, path === '-' ? STDIN : path));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new CommandFailure(`${name}: expected a JSON object`, EXIT.usage);
}

/** The same for a list. */
export function readConfigList(path: string): readonly unknown[] {
  const name = path === '-' ? 'standard input' : path;
  const value = parse(name, read(name, path === '-' ? STDIN : path));
  if (Array.isArray(value)) return value;
  throw new CommandFailure(`${name}: expected a JSON list`, EXIT.usage);
}

function read(name: string, file: string | number): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandFailure(`${name} cannot be read: ${messageOf(error)}`, EXIT.usage);
  }
}

function parse(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandFailure(`${name} is not JSON: ${messageOf(error)}`, EXIT.usage);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
