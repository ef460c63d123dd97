import { randomBytes } from 'node:crypto';
import { chmod, link, lstat, readFile, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';

import type { FastifyInstance } from 'fastify';

import { APIError } from '../errors';
import { checkLinks, ignoreAbsence, makeDirectory, replaceFile } from '../files';
import { formatAddress, specFileFor } from './address';
import type { PluginAddress, SpecFile } from './address';

/** A server that listens, where docker finds it. */
export interface Listening {
  /** As docker is told it, with the port that it really is. */
  readonly address: string;
  /** Nobody finds it any more; the server itself is closed by its owner, after this. */
  withdraw(): Promise<void>;
}

interface Where {
  readonly name: string;
  readonly address: PluginAddress;
  readonly specDir: string;
}

/** Lets a server listen, then tells docker where. */
export async function listen(server: FastifyInstance, where: Where): Promise<Listening> {
  const bound = await bind(server, where.address);
  const spec = specFileFor(where.name, bound.address);
  try {
    if (spec !== undefined) await publishSpec(where.specDir, spec);
  } catch (error) {
    await bound.withdraw();
    throw error;
  }
  return {
    address: formatAddress(bound.address),
    withdraw: async () => {
      if (spec !== undefined) await withdrawSpec(where.specDir, spec);
      await bound.withdraw();
    },
  };
}

interface Bound {
  readonly address: PluginAddress;
  readonly withdraw: () => Promise<void>;
}

async function bind(server: FastifyInstance, address: PluginAddress): Promise<Bound> {
  if (address.type === 'unix') return await bindSocket(server, address.path);
  const { host } = address;
  try {
    await server.listen({ host, port: address.port });
  } catch (cause) {
    throw taken(formatAddress(address), cause);
  }
  const { port } = server.server.address() as AddressInfo;
  return { address: { type: 'tcp', host, port }, withdraw: () => Promise.resolve() };
}

/**
 * The socket is made under another name and gets its mode before anybody can find it; then it gets its
 * name, which somebody who is alive keeps.
 */
async function bindSocket(server: FastifyInstance, asked: string): Promise<Bound> {
  const directory = await makeCommonDirectory(dirname(asked));
  const path = join(directory, basename(asked));
  const temporary = join(directory, `.${randomBytes(4).toString('hex')}`);
  try {
    await server.listen({ path: temporary });
  } catch (cause) {
    throw taken(asked, cause);
  }
  try {
    await chmod(temporary, 0o600);
    await removeStale(path);
    await link(temporary, path);
  } catch (cause) {
    if (cause instanceof APIError) throw cause;
    throw taken(asked, cause);
  } finally {
    await unlink(temporary);
  }
  const { ino } = await lstat(path);
  const withdraw = async (): Promise<void> => {
    // Another instance may have taken our place by force.
    if ((await lstat(path).catch(ignoreAbsence))?.ino === ino) await unlink(path);
  };
  return { address: { type: 'unix', path: asked }, withdraw };
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(ignoreAbsence);
  if (found === undefined) return;
  if (!found.isSocket()) throw taken(path, undefined, 'something that is no socket is there');
  if (await isAnswered(path)) throw taken(path, undefined, 'another process listens on it');
  await unlink(path).catch(ignoreAbsence);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // Busy is alive.
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

async function publishSpec(asked: string, { fileName, text }: SpecFile): Promise<void> {
  const directory = await makeCommonDirectory(asked);
  // Docker's client may ask for it too; there is no secret in it.
  await replaceFile(join(directory, fileName), text, (file) => file.chmod(0o644));
}

async function withdrawSpec(directory: string, { fileName, text }: SpecFile): Promise<void> {
  const path = join(directory, fileName);
  const found = await readFile(path, 'utf8').catch(ignoreAbsence);
  if (found === text) await unlink(path).catch(ignoreAbsence);
}

function taken(address: string, cause: unknown, detail?: string): APIError {
  const why = detail ?? (cause instanceof Error ? cause.message : String(cause));
  return new APIError('SNNET_ADDRESS_TAKEN', {
    object: { address },
    detail: why,
    ...(cause !== undefined && { cause }),
  });
}

/** Docker and other plugins read in it; only root and we write. */
async function makeCommonDirectory(path: string): Promise<string> {
  await checkLinks(path);
  return await makeDirectory(path, 0o755);
}
