import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { chmod, chown, lstat, mkdir, open, readdir, realpath } from 'node:fs/promises';
import { rmdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { APIError } from '../errors';
import { replaceFile } from '../files';

const { O_NOFOLLOW, O_RDONLY } = constants;
const WRITABLE_BY_OTHERS = 0o022;
const SEARCHABLE_BY_OTHERS = 0o001;
const STICKY = 0o1000;

/**
 * A directory for state that only its owner can change. Whoever could replace a file in it, or the
 * directory, or one above it, could make the servers read and write what he likes: that is looked at
 * when it is opened, and links are followed nowhere.
 */
export class StateDirectory {
  readonly path: string;
  readonly #group: number | undefined;

  private constructor(path: string, group: number | undefined) {
    this.path = path;
    this.#group = group;
  }

  /**
   * Opens `root/name`, and makes both where they are not there yet.
   *
   * @param group - May enter and read, but not list. Left out: nobody but the owner may.
   * @throws {@link APIError} `SNNET_STATE_UNSAFE`.
   */
  static async open(root: string, name: string, group?: number): Promise<StateDirectory> {
    // Whoever reads must get through; who cannot list it finds nothing.
    await checkLinks(root);
    const real = await makeDirectory(root, 0o711);
    if (group !== undefined) await checkPassage(real);
    const path = join(real, name);
    await makeDirectory(path, 0o700);
    if (group !== undefined) await chown(path, ownUid(), group);
    await chmod(path, group === undefined ? 0o700 : 0o710);
    return new StateDirectory(path, group);
  }

  /** The text of a file; nothing where there is none. */
  async read(name: string): Promise<string | undefined> {
    await this.check(name);
    const path = join(this.path, name);
    const file = await open(path, O_RDONLY | O_NOFOLLOW).catch(ignoreAbsence);
    if (file === undefined) return undefined;
    try {
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  }

  /** Replaces a file as a whole; false: it had this text already. */
  async write(name: string, text: string): Promise<boolean> {
    if ((await this.read(name)) === text) return false;
    await replaceFile(join(this.path, name), text, async (file) => {
      if (this.#group === undefined) return;
      await file.chown(ownUid(), this.#group);
      await file.chmod(0o640);
    });
    return true;
  }

  /** Throws unless the name is free, or that of a plain file which nobody else can reach. */
  async check(name: string): Promise<void> {
    const path = join(this.path, name);
    const found = await lstat(path).catch(ignoreAbsence);
    if (found === undefined) return;
    if (!found.isFile()) throw unsafe(path, `it is ${kindOf(found)}, not a file`);
    if (found.nlink > 1) throw unsafe(path, 'it has a second name');
  }

  async list(): Promise<string[]> {
    const names = await readdir(this.path).catch(ignoreAbsence);
    return (names ?? []).sort();
  }

  async remove(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => unlink(join(this.path, name)).catch(ignoreAbsence)));
  }

  /** Removes the directory, if nothing of anybody else's is in it. */
  async destroy(): Promise<void> {
    await rmdir(this.path).catch(() => undefined);
  }
}

/** Makes a directory of ours, or finds it; gives its path without links on the way there. */
async function makeDirectory(path: string, mode: number): Promise<string> {
  const parent = await realpath(dirname(path)).catch(ignoreAbsence);
  const above = parent ?? (await makeDirectory(dirname(path), 0o711));
  const real = join(above, basename(path));
  await checkAncestors(real);
  await mkdir(real, { mode }).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
  const found = await lstat(real);
  if (!found.isDirectory()) throw unsafe(real, `it is ${kindOf(found)}, not a directory`);
  if (found.uid !== ownUid()) {
    throw unsafe(real, `it belongs to user ${String(found.uid)}, not to us`);
  }
  if ((found.mode & WRITABLE_BY_OTHERS) !== 0) throw unsafe(real, 'others may write to it');
  return real;
}

/** A link on the way there is root's or ours, as is `/var/run`; nobody else leads us anywhere. */
async function checkLinks(path: string): Promise<void> {
  const trusted = await trustedUsers();
  for (let above = dirname(path); above !== '/'; above = dirname(above)) {
    const found = await lstat(above).catch(ignoreAbsence);
    if (found?.isSymbolicLink() !== true || trusted.includes(found.uid)) continue;
    throw unsafe(path, `${above} is a symbolic link of user ${String(found.uid)}`);
  }
}

/** Who reads must get through to it: he would find no file, and say so in his own log only. */
async function checkPassage(path: string): Promise<void> {
  for (let above = path; above !== '/'; above = dirname(above)) {
    if (((await lstat(above)).mode & SEARCHABLE_BY_OTHERS) !== 0) continue;
    throw unsafe(path, `the servers’ account cannot get through ${above}; chmod o+x would let it`);
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

function ownUid(): number {
  return process.geteuid?.() ?? 0;
}

function kindOf(found: Stats): string {
  if (found.isSymbolicLink()) return 'a symbolic link';
  if (found.isDirectory()) return 'a directory';
  return found.isFile() ? 'a file' : 'a device, pipe or socket';
}

function unsafe(path: string, detail: string): APIError {
  return new APIError('SNNET_STATE_UNSAFE', { object: { path }, detail });
}

function ignoreAbsence(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined;
  if (codeOf(error) === 'ELOOP') throw new APIError('SNNET_STATE_UNSAFE', { cause: error });
  throw error;
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
