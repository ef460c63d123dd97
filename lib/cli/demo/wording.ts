import type { PingResult } from './stage';

export function answers({ sent, received, ms }: PingResult): string {
  const what =
    sent === 1
      ? received === 1
        ? 'an answer'
        : 'no answer'
      : `${String(received)} of ${String(sent)} answered`;
  return ms === undefined ? what : `${what}, ${ms.toFixed(2)} ms`;
}

export function isWhole({ sent, received }: PingResult): boolean {
  return received === sent;
}
