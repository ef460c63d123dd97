const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Runs a body with a signal that fires when the user, or the service manager, wants an end. */
export async function interruptible<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  for (const name of SIGNALS) process.on(name, abort);
  try {
    return await body(controller.signal);
  } finally {
    for (const name of SIGNALS) process.off(name, abort);
  }
}
