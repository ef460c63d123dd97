import { APIError } from '../../errors';

/** Throws the error for bytes that no SSNTP program would send. */
export function malformed(detail: string): never {
  throw new APIError('SNNET_SSNTP_MALFORMED', { detail });
}
