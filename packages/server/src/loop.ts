/** A background task that runs in rounds until stopped. */
export interface Loop {
  /** Resolves when the round under way has ended; no other follows. */
  stop(): Promise<void>;
}

/**
 * Runs `round` again and again, `pauseMs` apart. A round that fails is told to `onError` and does not end the loop: the next one starts from
 * what is stored, not from what the failed one held.
 */
export function startLoop(pauseMs: number, round: () => Promise<void>, onError: (error: unknown) => void): Loop {
  let stopped = false;
  let endPause = (): void => undefined;
  const run = async (): Promise<void> => {
    while (!stopped) {
      await round().catch(onError);
      if (stopped) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pauseMs);
        endPause = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  const running = run();
  return {
    async stop() {
      stopped = true;
      endPause();
      await running;
    },
  };
}
