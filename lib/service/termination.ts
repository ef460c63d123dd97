/** What asks a service to end. */
export type TerminationSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';

const SIGNALS: readonly TerminationSignal[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/**
 * An abort signal that fires when this process is asked to end; its reason is the name of the signal.
 * From now on the process no longer ends by itself then: whoever calls this must.
 *
 * What asks again changes nothing, except a second SIGINT, which ends the process at once: somebody at a
 * terminal has lost patience.
 */
export function untilTerminated(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    process.off('SIGINT', interrupt);
    controller.abort('SIGINT');
  };
  for (const name of SIGNALS) {
    process.on(name, name === 'SIGINT' ? interrupt : () => controller.abort(name));
  }
  return controller.signal;
}
