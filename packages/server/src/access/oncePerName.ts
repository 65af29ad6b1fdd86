/** Does a piece of work once for each name, and lets whoever comes meanwhile wait for it. What failed is tried again by the next. */
export type OncePerName = (name: string, work: () => Promise<void>) => Promise<void>;

/** `held`: names that are remembered; the one known longest goes first, and its work is done again. */
export function createOncePerName(held: number): OncePerName {
  const known = new Map<string, Promise<void>>();
  return async (name, work) => {
    let done = known.get(name);
    if (done === undefined) {
      done = work();
      if (known.size >= held) {
        const oldest = known.keys().next();
        if (!oldest.done) known.delete(oldest.value);
      }
      known.set(name, done);
    }
    try {
      await done;
    } catch (error) {
      if (known.get(name) === done) known.delete(name);
      throw error;
    }
  };
}
