/** What the work gives, unless it takes too long or `outer` fires; the work is told by its signal. */
export async function within<T>(
  ms: number,
  work: (signal: AbortSignal) => T | Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const controller = new AbortController();
  const end = (): void => {
    controller.abort(new Error('the audit was ended'));
  };
  const timer = setTimeout(() => {
    controller.abort(new Error(`it took more than ${String(ms)} ms`));
  }, ms);
  outer?.addEventListener('abort', end, { once: true });
  if (outer?.aborted === true) end();
  try {
    return await Promise.race([work(controller.signal), whenAborted(controller.signal)]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', end);
  }
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
