import { constants } from 'node:fs';
import { chmod, chown, lstat, open, readdir } from 'node:fs/promises';
import { rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { checkLinks, describeKind, ignoreAbsence, makeDirectory, ownUid } from '../files';
import { isTemporary, replaceFile, unsafe } from '../files';

const { O_NOFOLLOW, O_RDONLY } = constants;
const SEARCHABLE_BY_OTHERS = 0o001;

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
    const directory = new StateDirectory(path, group);
    // Nobody else writes here: those who did have died.
    await directory.remove((await directory.list()).filter(isTemporary));
    return directory;
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
    if (!found.isFile()) throw unsafe(path, `it is ${describeKind(found)}, not a file`);
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

/** Who reads must get through to it: he would find no file, and say so in his own log only. */
async function checkPassage(path: string): Promise<void> {
  for (let above = path; above !== '/'; above = dirname(above)) {
    if (((await lstat(above)).mode & SEARCHABLE_BY_OTHERS) !== 0) continue;
    throw unsafe(path, `the servers’ account cannot get through ${above}; chmod o+x would let it`);
  }
}
