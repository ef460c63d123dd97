import { isLibsnnetError } from '../errors';

/** A request that would fail however often it came. */
export class Refusal extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'Refusal';
  }
}

/** Runs a check; what it throws is final. */
export async function refusing(check: () => unknown): Promise<void> {
  try {
    await check();
  } catch (error) {
    if (!isLibsnnetError(error) || error.code === 'SNNET_HANDLE_CLOSED') throw error;
    throw new Refusal(error);
  }
}
