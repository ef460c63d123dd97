/** Waits, but not longer than until one of the signals. */
export function pause(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    if (signals.some((signal) => signal?.aborted === true)) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    for (const signal of signals) signal?.addEventListener('abort', end, { once: true });
  });
}

/** From 250 ms to the longest, twice as long after each failure, and by chance, so that many spread. */
export function backOffMs(failures: number, longestMs: number): number {
  const most = Math.min(250 * 2 ** Math.min(failures, 20), longestMs);
  return Math.round(most * (0.5 + Math.random() / 2));
}
