import { readFile, unlink } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';

import type { FastifyInstance } from 'fastify';

import { APIError } from '../errors';
import { checkLinks, ignoreAbsence, makeDirectory, replaceFile } from '../files';
import { listenPrivately } from '../service';
import { formatAddress, specFileFor } from './address';
import type { PluginAddress, SpecFile } from './address';

/** A server that listens, where docker finds it. */
export interface Listening {
  /** As docker is told it, with the port that it really is. */
  readonly address: string;
  /** Docker is not told of it any more; the server itself is closed by its owner, after this. */
  withdraw(): Promise<void>;
}

interface Where {
  readonly name: string;
  readonly address: PluginAddress;
  readonly specDir: string;
}

/** Lets a server listen, then tells docker where. */
export async function listen(server: FastifyInstance, where: Where): Promise<Listening> {
  const address = await bind(server, where.address);
  const spec = specFileFor(where.name, address);
  if (spec !== undefined) await publishSpec(where.specDir, spec);
  return {
    address: formatAddress(address),
    withdraw: async () => {
      if (spec !== undefined) await withdrawSpec(where.specDir, spec);
    },
  };
}

/** Gives the address as it is then; a socket goes with its server. */
async function bind(server: FastifyInstance, address: PluginAddress): Promise<PluginAddress> {
  if (address.type === 'unix') {
    await makeCommonDirectory(dirname(address.path));
    await server.ready();
    await listenPrivately(address.path, { server: server.server, directory: 'common' });
    return address;
  }
  const { host } = address;
  try {
    await server.listen({ host, port: address.port });
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    const object = { address: formatAddress(address) };
    throw new APIError('SNNET_ADDRESS_TAKEN', { operation: 'start', object, detail, cause });
  }
  const { port } = server.server.address() as AddressInfo;
  return { type: 'tcp', host, port };
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

/** Docker and other plugins read in it; only root and we write. */
async function makeCommonDirectory(path: string): Promise<string> {
  await checkLinks(path);
  return await makeDirectory(path, 0o755);
}
