import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { unusable } from './directory';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

const TEMPORARY = /^\..+\.[0-9a-f]{12}$/;

/** What a process that died left of {@link replaceFile}, by the name of the file. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/**
 * Replaces a file as a whole: readers see the old one or the new one. It is readable for its owner
 * alone, unless `prepare` sees to it, before anybody can find it.
 *
 * @throws {@link APIError} `SNNET_STATE_UNSAFE`: the disk is full or read-only.
 */
export async function replaceFile(
  path: string,
  text: string,
  prepare?: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  const file = await open(temporary, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600).catch(
    (error: unknown) => {
      throw unusable(path, error);
    },
  );
  try {
    await file.writeFile(text);
    await prepare?.(file);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw unusable(path, error);
  } finally {
    await file.close();
  }
}
