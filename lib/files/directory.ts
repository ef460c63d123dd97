import type { Stats } from 'node:fs';
import { lstat, mkdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { APIError } from '../errors';

const WRITABLE_BY_OTHERS = 0o022;
const OPEN_TO_OTHERS = 0o077;
const STICKY = 0o1000;

/** Makes a directory of ours, or finds it; gives its path without links on the way there. */
export async function makeDirectory(path: string, mode: number): Promise<string> {
  const parent = await realpath(dirname(path)).catch(ignoreAbsence);
  const above = parent ?? (await makeDirectory(dirname(path), 0o711));
  const real = join(above, basename(path));
  await checkAncestors(real);
  await mkdir(real, { mode }).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw unusable(real, error);
  });
  const found = await lstat(real);
  if (!found.isDirectory()) throw unsafe(real, `it is ${describeKind(found)}, not a directory`);
  if (found.uid !== ownUid()) {
    throw unsafe(real, `it belongs to user ${String(found.uid)}, not to us`);
  }
  if ((found.mode & WRITABLE_BY_OTHERS) !== 0) throw unsafe(real, 'others may write to it');
  return real;
}

/**
 * Makes a directory that nobody else may even enter, or finds it. One that is there with another mode is
 * refused and not changed: it may be what others live in, such as `/run`.
 */
export async function makePrivateDirectory(path: string): Promise<string> {
  await checkLinks(path);
  const real = await makeDirectory(path, 0o700);
  const { mode } = await lstat(real);
  if ((mode & OPEN_TO_OTHERS) === 0) return real;
  throw unsafe(real, `others may enter it: its mode is ${(mode & 0o7777).toString(8)}, not 700`);
}

/** Finds a directory whose content only root and we can change; others may look at it. */
export async function checkTrustedDirectory(path: string): Promise<string> {
  await checkLinks(path);
  const real = await realpath(path);
  await checkAncestors(join(real, 'content'));
  const { mode } = await lstat(real);
  if ((mode & WRITABLE_BY_OTHERS) === 0) return real;
  throw unsafe(real, 'others may write to it');
}

/** A link on the way there is root's or ours, as is `/var/run`; nobody else leads us anywhere. */
export async function checkLinks(path: string): Promise<void> {
  const trusted = await trustedUsers();
  for (let above = dirname(path); above !== '/'; above = dirname(above)) {
    const found = await lstat(above).catch(ignoreAbsence);
    if (found?.isSymbolicLink() !== true || trusted.includes(found.uid)) continue;
    throw unsafe(path, `${above} is a symbolic link of user ${String(found.uid)}`);
  }
}

/** Nobody but root and us may be able to put another directory in the place of one of these. */
async function checkAncestors(path: string): Promise<void> {
  const trusted = await trustedUsers();
  for (let above = dirname(path); ; above = dirname(above)) {
    const { uid, mode } = await lstat(above);
    if (!trusted.includes(uid)) {
      throw unsafe(path, `${above} belongs to user ${String(uid)}`);
    }
    if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0) {
      throw unsafe(path, `others may write to ${above}`);
    }
    if (above === '/') return;
  }
}

/** In a user namespace root outside is nobody that is known here, but it owns the root directory. */
async function trustedUsers(): Promise<readonly number[]> {
  return [0, ownUid(), (await lstat('/')).uid];
}

/** Who we are for the file system. */
export function ownUid(): number {
  return process.geteuid?.() ?? 0;
}

/** What stands where something else was expected. */
export function describeKind(found: Stats): string {
  if (found.isSymbolicLink()) return 'a symbolic link';
  if (found.isDirectory()) return 'a directory';
  if (found.isSocket()) return 'a socket';
  return found.isFile() ? 'a file' : 'a device or a pipe';
}

export function unsafe(path: string, detail: string): APIError {
  return new APIError('SNNET_STATE_UNSAFE', { object: { path }, detail });
}

/** The file system refuses: its disk is full, it is read-only, we may not. */
export function unusable(path: string, cause: unknown): APIError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new APIError('SNNET_STATE_UNSAFE', { object: { path }, detail, cause });
}

/** For `catch`: what is not there is nothing; a link where none may be is an error of ours. */
export function ignoreAbsence(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined;
  if (codeOf(error) === 'ELOOP') throw new APIError('SNNET_STATE_UNSAFE', { cause: error });
  throw error;
}

/** The name of the errno that an error of `node:fs` or `node:net` carries. */
export function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
