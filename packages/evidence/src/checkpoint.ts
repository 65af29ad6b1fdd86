import { base64, equalBytes, unbase64 } from './bytes.js';
import { Malformed } from './malformed.js';
import { type Note, parseNote } from './note.js';
import { EMPTY_ROOT, HASH_BYTES } from './tree.js';
import { isKeyName } from './vkey.js';

/** What a checkpoint says: the log `origin` had `size` leaves, and this root. */
export interface TreeHead {
  readonly origin: string;
  /** 0 to 2^53−1. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** A checkpoint as read: what it says, and the note that carries the signatures. Nothing is verified yet. */
export interface Checkpoint extends TreeHead {
  readonly note: Note;
}

/** The three lines that are signed (C2SP tlog-checkpoint): origin, size, root in base64. A head that cannot be one is a bug of the caller. */
export function checkpointBody({ origin, size, root }: TreeHead): string {
  if (!isKeyName(origin) || !Number.isSafeInteger(size) || size < 0 || root.length !== HASH_BYTES)
    throw new RangeError('not a tree head');
  return `${origin}\n${size}\n${base64(root)}\n`;
}

/**
 * Reads a signed checkpoint of exactly three lines: Sworn writes no extension lines and accepts none.
 * @throws Malformed `note`, `checkpoint`
 */
export function parseCheckpoint(signed: string): Checkpoint {
  const note = parseNote(signed);
  const [, origin, sizeText, rootText] =
    /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n$/.exec(note.text) ?? [];
  if (origin === undefined || sizeText === undefined || rootText === undefined)
    throw new Malformed('checkpoint', 'not the three lines of a checkpoint');
  const size = Number(sizeText);
  if (!isKeyName(origin) || !Number.isSafeInteger(size)) throw new Malformed('checkpoint', 'not an origin and a size');
  const root = rootOf(rootText);
  if (size === 0 && !equalBytes(root, EMPTY_ROOT))
    throw new Malformed('checkpoint', 'a root over nothing that is not the hash of nothing');
  return { origin, size, root, note };
}

function rootOf(text: string): Uint8Array {
  try {
    return unbase64(text);
  } catch {
    throw new Malformed('checkpoint', 'a root that is not base64');
  }
}
