import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Checkpoint } from '@sworn/evidence';
import { writeDurably } from '../durableFile.js';
import { judgeNote, type Pin } from './pin.js';

/** Pairs of notes kept of one log, about a kilobyte each: a fork that goes on growing is another pair at every look. Beyond, only the latest. */
const MAX_KEPT = 1000;

/** A checkpoint that this watcher saw and proved, and its note as it came. */
export interface Remembered {
  readonly checkpoint: Checkpoint;
  /** Place among the pinned keys of the one that signed it. */
  readonly key: number;
  readonly bytes: Uint8Array;
  /** Absolute path of the file that holds it. */
  readonly file: string;
}

/** Where two notes that contradict each other were kept. */
export interface Kept {
  /** Null: nothing was remembered yet. */
  readonly remembered: string | null;
  readonly seen: string;
}

/** What a watcher remembers of one log, in a directory of its own: the newest checkpoint that follows from all before it. */
export interface WatchMemory {
  /** Null: nothing yet. @throws Error when the file does not hold a checkpoint that the pinned key signed: nothing is compared with it. */
  load(): Remembered | null;
  /** Durable when it returns. Never goes back: a larger one that another watcher wrote meanwhile stays. */
  save(bytes: Uint8Array, checkpoint: Checkpoint): void;
  /** Keeps both notes, under a name that the same seen note always gets. Durable when it returns. */
  keep(finding: string, seen: Uint8Array): Kept;
}

/** The memory of the log that the key is of, under `stateDir`; its directory is made, 0700. */
export function openMemory(stateDir: string, pin: Pin): WatchMemory {
  const dir = join(stateDir, sha256Hex(pin.origin));
  const file = join(dir, 'checkpoint');
  mkdirSync(dir, { recursive: true, mode: 0o700 });

  function load(): Remembered | null {
    if (!existsSync(file)) return null;
    const bytes = readFileSync(file);
    const judged = judgeNote(bytes, pin);
    if (judged.kind === 'signed') return { checkpoint: judged.checkpoint, key: judged.key, bytes, file };
    const why = judged.kind === 'wrong' ? judged.detail : 'not a signed note';
    throw new Error(
      `${file} is not a checkpoint under the pinned key (${why}): pin the right key, or choose another --state`,
    );
  }

  return {
    load,
    save(bytes, checkpoint) {
      const held = load();
      if (held !== null && held.checkpoint.size >= checkpoint.size) return;
      writeDurably(file, bytes);
    },
    keep(finding, seen) {
      const found = join(dir, 'found');
      mkdirSync(found, { recursive: true, mode: 0o700 });
      const name = `${finding.toLowerCase()}-${sha256Hex(seen).slice(0, 16)}`;
      const isKept = existsSync(join(found, name)) || readdirSync(found).length < MAX_KEPT;
      const to = join(found, isKept ? name : 'latest');
      mkdirSync(to, { recursive: true, mode: 0o700 });
      const held = existsSync(file) ? readFileSync(file) : null;
      const kept = { remembered: held === null ? null : join(to, 'remembered'), seen: join(to, 'seen') };
      if (kept.remembered !== null && held !== null) writeDurably(kept.remembered, held);
      writeDurably(kept.seen, seen);
      return kept;
    },
  };
}

function sha256Hex(value: string | Uint8Array): string {
  return createHash('sha256').update(value).digest('hex');
}
