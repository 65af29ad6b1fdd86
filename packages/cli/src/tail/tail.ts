import { setTimeout as pause } from 'node:timers/promises';
import type { CursorFile } from './cursorFile.js';
import type { PageSource } from './pageSource.js';

/** A tail of one log. */
export interface Tail {
  readonly source: PageSource;
  readonly cursors: CursorFile;
  /** Resolves when the lines are out; rejects when nobody reads them. */
  readonly print: (items: readonly unknown[]) => Promise<void>;
  /** Seconds between looks once everything is printed; null: end there. */
  readonly followSeconds: number | null;
}

/**
 * Prints what comes after the cursor, page by page, and keeps the cursor of each page once its lines are out: killed at any moment it prints a page
 * again, and leaves none out.
 */
export async function tail({ source, cursors, print, followSeconds }: Tail): Promise<void> {
  let cursor = cursors.load();
  for (;;) {
    const page = await source.next(cursor);
    if (page.items.length > 0) await print(page.items);
    if (page.cursor !== cursor) cursors.save(page.cursor);
    ({ cursor } = page);
    if (page.hasMore) continue;
    if (followSeconds === null) return;
    await pause(followSeconds * 1000);
  }
}
