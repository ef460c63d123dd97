import { closeSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { chmod, lstat, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { connect, Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { APIError } from '../errors';
import {
  checkTrustedDirectory,
  codeOf,
  describeKind,
  ignoreAbsence,
  makePrivateDirectory,
  unsafe,
} from '../files';
import { lockFile } from '../kernel';
import { refuse, withOperation } from '../model';

/** What the kernel has room for in the address of a unix socket, less the NUL. */
const LONGEST_PATH = 107;
const HIDDEN = '.snnet-';
const RANDOM_CHARACTERS = 6;
const LOCK_PAUSE_MS = 10;
const LOCK_PATIENCE_MS = 10_000;

export interface ListenOptions {
  /** Listens with this one, an HTTP server for example. Default: a new one. */
  readonly server?: Server;
  /**
   * The directory is a common one, such as `/run/docker/plugins`: it must be there, and only root and we
   * may change what is in it. Default: a directory of our own, which nobody else can enter.
   */
  readonly directory?: 'private' | 'common';
}

/**
 * Listens on a unix socket that nobody but root and we can connect to. It shows up under its name when
 * it listens, and not before; closing the server removes it.
 *
 * A socket that is there already is replaced only if nobody answers; symbolic links are followed nowhere.
 *
 * @throws {@link APIError} `SNNET_SERVICE_RUNNING` (somebody answers there), `SNNET_STATE_UNSAFE` (the
 * directory, or what stands in the way, is not safe), `SNNET_INPUT_INVALID`.
 */
export async function listenPrivately(path: string, options: ListenOptions = {}): Promise<Server> {
  const operation = 'listenPrivately';
  withOperation(operation, () => {
    checkPath(path);
    checkLength(path, path);
  });
  const { server = new Server(), directory: kind = 'private' } = options;
  try {
    const name = basename(path);
    const makeOrCheck = kind === 'private' ? makePrivateDirectory : checkTrustedDirectory;
    const directory = await makeOrCheck(dirname(path));
    withOperation(operation, () => {
      checkLength(join(directory, name), path);
    });
    const place: Place = { directory, name, path: join(directory, name) };
    await withLock(place, () => takePlace(place, server));
    return server;
  } catch (error) {
    throw asOurs(error, path, operation);
  }
}

interface Place {
  /** Without links on the way there. */
  readonly directory: string;
  readonly name: string;
  readonly path: string;
}

function checkPath(path: unknown): asserts path is string {
  const isPath = typeof path === 'string' && path.startsWith('/') && !path.includes('\0');
  if (!isPath || path.endsWith('/')) refuse(path, 'path', 'an absolute path of a socket');
}

/** Both names of the socket must fit: it has another one first. */
function checkLength(path: string, asked: string): void {
  const hidden = join(dirname(path), HIDDEN + 'x'.repeat(RANDOM_CHARACTERS), 's');
  const longest = Math.max(Buffer.byteLength(path), Buffer.byteLength(hidden));
  if (longest <= LONGEST_PATH) return;
  const excess = String(longest - LONGEST_PATH);
  refuse(
    asked,
    'path',
    'a path that fits into a socket’s address',
    `it is ${excess} bytes too long`,
  );
}

/** One daemon at a time looks who answers and takes the place: of two, one must see the other. */
async function withLock<T>({ directory }: Place, body: () => Promise<T>): Promise<T> {
  const lock = await open(directory, 'r');
  try {
    await waitForLock(lock, directory);
    return await body();
  } finally {
    await lock.close();
  }
}

async function waitForLock(lock: FileHandle, directory: string): Promise<void> {
  const deadline = performance.now() + LOCK_PATIENCE_MS;
  while (!lockFile(lock.fd)) {
    if (performance.now() > deadline) throw unsafe(directory, 'another process holds its lock');
    await sleep(LOCK_PAUSE_MS);
  }
}

async function takePlace(place: Place, server: Server): Promise<void> {
  const found = await lstat(place.path).catch(ignoreAbsence);
  if (found !== undefined && !found.isSocket()) {
    throw unsafe(place.path, `it is ${describeKind(found)}, not a socket`);
  }
  if (found !== undefined && (await somebodyAnswers(place.path))) {
    throw new APIError('SNNET_SERVICE_RUNNING', { object: { path: place.path } });
  }
  await removeLeftovers(place.directory);
  // Made where nobody else comes in, whatever the umask: there is no moment at which others could connect.
  const hidden = await mkdtemp(join(place.directory, HIDDEN));
  const socket = join(hidden, 's');
  try {
    await startListening(server, socket);
    await chmod(socket, 0o600);
    const made = await lstat(socket, { bigint: true });
    await rename(socket, place.path);
    server.once('close', () => {
      removeOurs(place, made);
    });
  } catch (error) {
    server.close();
    throw error;
  } finally {
    await rm(hidden, { recursive: true, force: true });
  }
}

/** Of a daemon that died while it took its place: whoever has the lock is alone. */
async function removeLeftovers(directory: string): Promise<void> {
  const names = await readdir(directory);
  const hidden = names.filter((name) => name.startsWith(HIDDEN));
  await Promise.all(
    hidden.map((name) => rm(join(directory, name), { recursive: true, force: true })),
  );
}

function startListening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Of a daemon that died the name is left, and the kernel refuses. */
function somebodyAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Whatever else is in the way (a full queue, no permission), somebody is there.
    socket.once('error', (error) => {
      resolve(!['ECONNREFUSED', 'ENOENT'].includes(String(codeOf(error))));
    });
  });
}

/** Another daemon may have the name by now: the operator removed ours, or it began when we had stopped. */
function removeOurs({ directory, path }: Place, made: BigIntStats): void {
  try {
    const lock = openSync(directory, 'r');
    try {
      // Where another takes a place at this moment, the name stays: it answers nobody, and is replaced.
      if (!lockFile(lock)) return;
      const found = lstatSync(path, { bigint: true });
      if (found.ino === made.ino && found.dev === made.dev) unlinkSync(path);
    } finally {
      closeSync(lock);
    }
  } catch {
    // It is gone, or the directory is: nothing is left of it either way.
  }
}

function asOurs(error: unknown, path: string, operation: string): APIError {
  if (error instanceof APIError) return error.withDetails({ operation });
  const detail = error instanceof Error ? error.message : String(error);
  return new APIError('SNNET_STATE_UNSAFE', { operation, object: { path }, detail, cause: error });
}
