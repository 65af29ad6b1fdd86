import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Malformed, parseCheckpoint, type Checkpoint } from '@sworn/evidence';
import type { FileSinkAddress, SinkAddress } from '../sinkAddress.js';
import { newestNote, noteFileName, notedOrigins, openNoteFile } from './noteFile.js';
import { contradictionTo, type HeldAgainst, type Sink, SinkFailure } from './sink.js';

/**
 * A directory with a file a log, to which each checkpoint is appended that continues the last one there. One that does not is kept beside it, once,
 * as `<file>.contradicts`: together they are the evidence.
 */
export function openFileSink({ name, dir, outside }: FileSinkAddress, against: HeldAgainst): Sink {
  return {
    name,
    outside,
    async deliver(offered) {
      const file = await openNoteFile(dir, offered.origin);
      try {
        if (file.newest === offered.note) return { kind: 'confirmed' };
        const held = file.newest === null ? null : checkpointIn(file.newest);
        if (file.newest !== null && (held === null || !(await against.isOurs(offered, held, file.newest))))
          throw new SinkFailure('the file does not end in a checkpoint of this log');
        const how = held === null ? null : await contradictionTo(against, held, offered);
        if (held !== null && how !== null) {
          await keepBeside(join(dir, `${noteFileName(offered.origin)}.contradicts`), offered.note);
          return { kind: 'contradicted', how, held };
        }
        if (held?.size !== offered.size) await file.append(offered.note);
        return { kind: 'confirmed' };
      } finally {
        await file.close();
      }
    },
    origins: () => notedOrigins(dir),
  };
}

/** What a sink remembers of a log: nothing is verified. */
export interface Remembered {
  /** Name of the sink. */
  readonly source: string;
  readonly note: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** What sinks hold, where that can be read: the files (check V2 compares with it). A file that does not end in a checkpoint says nothing. */
export interface SinkMemory {
  /** The newest checkpoint of a log in each sink that has one. */
  newest(origin: string): Promise<readonly Remembered[]>;
  /** Every log that any of them has a file of. */
  origins(): Promise<readonly string[]>;
}

/** Reads the file sinks among these anew each time. */
export function rememberedBySinks(sinks: readonly SinkAddress[]): SinkMemory {
  const files = sinks.filter((sink) => sink.kind === 'file');
  return {
    async newest(origin) {
      const remembered: Remembered[] = [];
      for (const { dir, name } of files) {
        const note = await newestNote(dir, origin);
        const held = note === null ? null : checkpointIn(note);
        if (note === null || held?.origin !== origin) continue;
        remembered.push({ source: name, note, size: held.size, root: held.root });
      }
      return remembered;
    },
    async origins() {
      const lists = await Promise.all(files.map(({ dir }) => notedOrigins(dir)));
      return [...new Set(lists.flat())];
    },
  };
}

function checkpointIn(note: string): Checkpoint | null {
  try {
    return parseCheckpoint(note);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

async function keepBeside(path: string, note: string): Promise<void> {
  try {
    await writeFile(path, note, { flag: 'wx', mode: 0o600, flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
