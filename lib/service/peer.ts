import { constants } from 'node:os';
import type { Socket } from 'node:net';

import { APIError, KernelError } from '../errors';
import { readPeerCredentials } from '../kernel';
import type { PeerCredentials } from '../kernel';

/**
 * Who opened the other end of a connection to a unix socket, as the kernel noted it then. Ask as soon as
 * the connection comes: of one that has ended nobody knows.
 *
 * @throws {@link APIError} `SNNET_KERNEL_FAILED`: the connection has ended, or is none to a unix socket.
 */
export function peerCredentials(socket: Socket): PeerCredentials {
  const fd = descriptorOf(socket);
  if (fd !== undefined) return readPeerCredentials(fd);
  throw new APIError('SNNET_KERNEL_FAILED', {
    operation: 'peerCredentials',
    detail: 'the connection has ended',
    cause: new KernelError({
      errno: constants.errno.ENOTCONN,
      name: 'ENOTCONN',
      request: 'getsockopt SO_PEERCRED',
    }),
  });
}

/** Node shows it nowhere else; a closed socket has no handle, one that closes has -1. */
function descriptorOf(socket: Socket): number | undefined {
  const handle = (socket as { readonly _handle?: { readonly fd?: unknown } | null })._handle;
  const fd = handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
