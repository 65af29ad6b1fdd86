import { existsSync, readFileSync } from 'node:fs';
import { writeDurably } from '../durableFile.js';

/** What a tail is of: a cursor of one is refused by another. */
export interface TailOf {
  readonly url: string;
  readonly log: string;
}

/** Where a tail goes on, in a file. */
export interface CursorFile {
  /** Null: from the beginning of the log. @throws Error when the file is another's, or no cursor file. */
  load(): string | null;
  /** Durable when it returns; the old cursor or the new one, whatever happens meanwhile. */
  save(cursor: string): void;
}

const VERSION = 1;

/** The cursor file of a tail. */
export function cursorFile(path: string, of: TailOf): CursorFile {
  return {
    load() {
      if (!existsSync(path)) return null;
      const held = parse(readFileSync(path, 'utf8'));
      if (held === null) throw new Error(`${path} is not a cursor file of sworn tail: choose another, or remove it`);
      if (held.url !== of.url || held.log !== of.log)
        throw new Error(`${path} is the cursor of ${held.log} at ${held.url}: each tail needs a file of its own`);
      return held.cursor;
    },
    save: (cursor) => writeDurably(path, `${JSON.stringify({ version: VERSION, ...of, cursor })}\n`),
  };
}

function parse(text: string): (TailOf & { readonly cursor: string }) | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { version, url, log, cursor } = value as Readonly<Record<string, unknown>>;
  if (version !== VERSION || typeof url !== 'string' || typeof log !== 'string' || typeof cursor !== 'string')
    return null;
  return { url, log, cursor };
}
