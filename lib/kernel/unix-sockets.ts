import { APIError, KernelError } from '../errors';
import { loadAddon } from './native';
import type { Refusal } from './native';

/** Who opened the other end of a connection, as the kernel noted it then. */
export interface PeerCredentials {
  /** 0: a process that cannot be seen from here. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Asks the kernel who opened the other end of a connected unix socket. */
export function readPeerCredentials(fd: number): PeerCredentials {
  const reply = loadAddon().peerCredentials(fd);
  if (isRefusal(reply)) throw toApiError('peerCredentials', reply);
  return Object.freeze(reply);
}

/**
 * Sends one datagram to a unix socket: a path, or a name after an `@`; false: the receiver's queue is
 * full. Never waits.
 */
export function sendToUnixSocket(address: string, text: string): boolean {
  return succeeds('notify', loadAddon().sendToUnixSocket(address, text));
}

/** Takes the lock of an open file, which goes with the descriptor; false: another has it. Never waits. */
export function lockFile(fd: number): boolean {
  return succeeds('lock', loadAddon().lockFile(fd));
}

function succeeds(operation: string, reply: Refusal | Record<string, never>): boolean {
  if (!isRefusal(reply)) return true;
  if (reply.error.name === 'EAGAIN') return false;
  throw toApiError(operation, reply);
}

function isRefusal(reply: object): reply is Refusal {
  return 'error' in reply;
}

function toApiError(operation: string, { error }: Refusal): APIError {
  return new APIError('SNNET_KERNEL_FAILED', { operation, cause: new KernelError(error) });
}
