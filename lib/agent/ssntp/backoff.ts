import { setTimeout as sleep } from 'node:timers/promises';

/** What waiting needs of the world. */
export interface Surroundings {
  /** Milliseconds that never go back. */
  now(): number;
  /** From 0 to below 1. */
  random(): number;
  /** Rejects when the signal is given. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export const REAL_SURROUNDINGS: Surroundings = Object.freeze({
  now: () => performance.now(),
  random: () => Math.random(),
  wait: (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }),
});

/** The longest waits of rounds one after the other, in seconds; then from the start again. */
const LONGEST_SECONDS = [5, 10, 20, 40] as const;

/** How long to wait after a round of fruitless dialling: whole seconds by chance, so that many clients spread. */
export function backOffMs(round: number, random: number): number {
  const longest = LONGEST_SECONDS[round % LONGEST_SECONDS.length] ?? LONGEST_SECONDS[0];
  return (1 + Math.floor(random * longest)) * 1000;
}
