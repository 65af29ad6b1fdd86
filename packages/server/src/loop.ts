/** A background task that runs in rounds until stopped. */
export interface Loop {
  /** Starts the next round now instead of at the end of the pause. */
  wake(): void;
  /** Resolves when the round under way has ended; no other follows. */
  stop(): Promise<void>;
}

/**
 * Runs `round` again and again, `pauseMs` apart. A round that fails is told to `onError` and does not end the loop: the next one starts from
 * what is stored, not from what the failed one held.
 */
export function startLoop(pauseMs: number, round: () => Promise<void>, onError: (error: unknown) => void): Loop {
  let stopped = false;
  let wakeUp: (() => void) | null = null;
  let isWoken = false;
  const pause = () =>
    new Promise<void>((resolve) => {
      if (isWoken || stopped) return resolve();
      const timer = setTimeout(resolve, pauseMs);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const run = async () => {
    while (!stopped) {
      isWoken = false;
      try {
        await round();
      } catch (error) {
        onError(error);
        isWoken = false;
      }
      await pause();
      wakeUp = null;
    }
  };
  const running = run();
  return {
    wake() {
      isWoken = true;
      wakeUp?.();
    },
    async stop() {
      stopped = true;
      wakeUp?.();
      await running;
    },
  };
}
