/** Ends a program that has things to remove. */

/**
 * Aborted by the first SIGINT or SIGTERM. A terminal sends the signal to every process of its group, and npm hands it on as
 * well: the second one must not end the clean-up that the first began.
 */
export function stopOnSignals(say: (text: string) => void): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (!stop.signal.aborted) say('\nStopping, and removing what was made …\n');
      stop.abort();
    });
  }
  return stop.signal;
}
