/** One at a time for each key, in the order of asking. */
export interface Queues {
  /** Resolves when it is the caller's turn, with what ends the turn; undefined when `signal` aborted before. */
  enter(key: string, signal: AbortSignal): Promise<(() => void) | undefined>;
}

export function createQueues(): Queues {
  const tails = new Map<string, Promise<unknown>>();
  return {
    async enter(key, signal) {
      const before = tails.get(key) ?? Promise.resolve();
      const { promise: done, resolve: leave } = Promise.withResolvers<undefined>();
      const tail = before.then(() => done);
      tails.set(key, tail);
      const exit = (): void => {
        if (tails.get(key) === tail) tails.delete(key);
        leave(undefined);
      };
      const { promise: aborted, resolve: abort } = Promise.withResolvers<'aborted'>();
      const onAbort = (): void => {
        abort('aborted');
      };
      signal.addEventListener('abort', onAbort);
      const first = signal.aborted ? 'aborted' : await Promise.race([before, aborted]);
      signal.removeEventListener('abort', onAbort);
      if (first !== 'aborted') return exit;
      // Those behind it wait for those before it all the same.
      void before.then(exit);
      return undefined;
    },
  };
}
