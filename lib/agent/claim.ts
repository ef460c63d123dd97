import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

import { APIError } from '../errors';
import { makePrivateDirectory } from '../files';
import { lockFile } from '../kernel';

/** Something that one process at a time may have. */
export interface Claim {
  release(): Promise<void>;
}

/**
 * Takes a directory for this process alone; a process that dies gives it up.
 *
 * @throws {@link APIError} `SNNET_SERVICE_RUNNING`, `SNNET_STATE_UNSAFE`.
 */
export async function claimDirectory(path: string, operation: string): Promise<Claim> {
  const directory = await open(await makePrivateDirectory(path), 'r');
  await lockOrThrow(directory, path, operation);
  return { release: () => directory.close() };
}

async function lockOrThrow(file: FileHandle, path: string, operation: string): Promise<void> {
  if (lockFile(file.fd)) return;
  await file.close();
  const detail = 'it is in use by another agent';
  throw new APIError('SNNET_SERVICE_RUNNING', { operation, object: { path }, detail });
}
