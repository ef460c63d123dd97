import { constants } from 'node:fs';
import { lstat, mkdir, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { v4 as randomUuid, validate as isUuid } from 'uuid';

import { APIError } from '../../errors';
import { describeKind, ignoreAbsence, makeDirectory, ownUid, replaceFile, unsafe } from '../../files';
import { lockFile } from '../../kernel';
import { defineShape, parseChoice, parsePath, withDefault } from '../../model';
import { ROLE_NAMES, ROLES } from '../ssntp';
import type { SsntpRole } from '../ssntp';

/** Whose UUID it is, and where it lies. */
export interface SsntpIdentityOptions {
  /** The original has one UUID on a machine for each role. */
  readonly role: SsntpRole;
  /** Default: `/var/lib/ciao/local/uuid-storage/role/client`, where the original keeps it. */
  readonly directory?: string | undefined;
  /** Default: `/tmp/lock/ciao`, where the original locks it. */
  readonly lockDirectory?: string | undefined;
}

/** A UUID that nobody else on this machine uses while it is held. */
export interface SsntpIdentity {
  readonly uuid: string;
  /** Lets go of it; the file stays. */
  release(): Promise<void>;
}

const OPERATION = 'claimSsntpIdentity';
const UUID_LENGTH = 36;
const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;
const { O_CREAT, O_NOFOLLOW, O_RDWR, O_RDONLY } = constants;

const parseShape = defineShape('options', {
  role: (value, field) => parseChoice(value, field, ROLE_NAMES),
  directory: withDefault(parsePath, '/var/lib/ciao/local/uuid-storage/role/client'),
  lockDirectory: withDefault(parsePath, '/tmp/lock/ciao'),
});

/**
 * The UUID of this machine for a role: the one of the file, also where the original wrote it, or a new one,
 * which is written there. In place of an original program this one keeps its UUID, and the two exclude each
 * other by its lock.
 *
 * @throws {@link APIError} `SNNET_SERVICE_RUNNING`: another process has it. `SNNET_STATE_UNSAFE`.
 */
export async function claimSsntpIdentity(options: SsntpIdentityOptions): Promise<SsntpIdentity> {
  const { role, directory, lockDirectory } = parseShape(options, OPERATION);
  const name = `0x${ROLES[role].bit.toString(16)}`;
  const lock = await openLock(lockDirectory, `client-role-${name}`);
  try {
    if (!lockFile(lock.fd)) {
      const path = join(lockDirectory, `client-role-${name}`);
      throw new APIError('SNNET_SERVICE_RUNNING', { operation: OPERATION, object: { path } });
    }
    const path = join(await makeDirectory(directory, 0o755), name);
    const uuid = (await readUuid(path)) ?? (await writeUuid(path));
    return Object.freeze({ uuid, release: () => lock.close() });
  } catch (error) {
    await lock.close();
    throw error;
  }
}

/** In a directory that everybody may have made, as the original has it: nothing in it is believed but the lock. */
async function openLock(directory: string, name: string): Promise<FileHandle> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const found = await lstat(directory);
  if (!found.isDirectory()) throw unsafe(directory, `it is ${describeKind(found)}, not a directory`);
  const isOpen = (found.mode & WRITABLE_BY_OTHERS) !== 0 && (found.mode & STICKY) === 0;
  if (found.uid !== ownUid() && found.uid !== 0) throw unsafe(directory, 'it is somebody else’s');
  const path = join(directory, name);
  const file = await open(path, O_CREAT | O_NOFOLLOW | O_RDWR, 0o600);
  const stats = await file.stat();
  if (stats.isFile() && (stats.uid === ownUid() || !isOpen)) return file;
  await file.close();
  throw unsafe(path, 'it is no file of ours');
}

async function readUuid(path: string): Promise<string | undefined> {
  const file = await open(path, O_RDONLY | O_NOFOLLOW).catch(ignoreAbsence);
  if (file === undefined) return undefined;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(UUID_LENGTH + 1), 0);
    const text = buffer.toString('latin1', 0, bytesRead).toLowerCase();
    return text.length === UUID_LENGTH && isUuid(text) ? text : undefined;
  } finally {
    await file.close();
  }
}

async function writeUuid(path: string): Promise<string> {
  const uuid = randomUuid();
  await replaceFile(path, uuid, (file) => file.sync());
  return uuid;
}
