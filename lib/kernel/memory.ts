import { loadAddon } from './native';

/** Gives back what the C library holds of memory that is free: after a start, some ten megabytes. */
export function releaseMemory(): void {
  loadAddon().releaseMemory();
}
