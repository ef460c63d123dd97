import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

import { v4 as randomUuid, validate as isUuid } from 'uuid';

import { APIError } from '../../errors';
import { codeOf, ignoreAbsence, makeDirectory, replaceFile, unsafe } from '../../files';
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
}

/** A UUID that nobody else on this machine uses while it is held. */
export interface SsntpIdentity {
  readonly uuid: string;
  /** Lets go of it; the file stays. */
  release(): Promise<void>;
}

const OPERATION = 'claimSsntpIdentity';
const UUID_LENGTH = 36;
const { O_CREAT, O_NOFOLLOW, O_RDWR, O_RDONLY } = constants;

const parseShape = defineShape('options', {
  role: (value, field) => parseChoice(value, field, ROLE_NAMES),
  directory: withDefault(parsePath, '/var/lib/ciao/local/uuid-storage/role/client'),
});

/**
 * The UUID of this machine for a role: the one of the file, also where the original wrote it, or a new one,
 * which is written there. So a program that takes the place of the original keeps its UUID. It locks a file
 * beside it, not the original's in `/tmp`, which anybody could have made.
 *
 * @throws {@link APIError} `SNNET_SERVICE_RUNNING`: another process has it. `SNNET_STATE_UNSAFE`.
 */
export async function claimSsntpIdentity(options: SsntpIdentityOptions): Promise<SsntpIdentity> {
  const { role, directory } = parseShape(options, OPERATION);
  const name = `0x${ROLES[role].bit.toString(16)}`;
  const path = join(await makeDirectory(directory, 0o755), name);
  const lock = await open(`${path}.lock`, O_CREAT | O_NOFOLLOW | O_RDWR, 0o600);
  try {
    if (!lockFile(lock.fd)) {
      throw new APIError('SNNET_SERVICE_RUNNING', { operation: OPERATION, object: { path } });
    }
    const uuid = (await readUuid(path)) ?? (await writeUuid(path));
    return Object.freeze({ uuid, release: () => lock.close() });
  } catch (error) {
    await lock.close();
    throw error;
  }
}

async function readUuid(path: string): Promise<string | undefined> {
  const file = await open(path, O_RDONLY | O_NOFOLLOW).catch((error: unknown) => {
    if (codeOf(error) === 'ELOOP') throw unsafe(path, 'it is a symbolic link');
    ignoreAbsence(error);
  });
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
