import type { BundleScope, Statement, StatementHead } from '@sworn/evidence';
import type { ReadDeps } from '../read/reading.js';
import type { StoredCheckpoint } from '../store/checkpointRead.js';
import type { Identity } from './identity.js';
import type { WrittenRecords } from './records.js';
import type { ReportedLog } from './report/report.js';
import type { ScratchFile } from './scratchFile.js';

/** The leaves of one log that a bundle is about, and the checkpoint that they are proven against. */
export interface ScopedLog {
  readonly log: string;
  readonly origin: string;
  /** Ascending. */
  readonly indexes: readonly number[];
  /** The first one that covers the last of them. */
  readonly checkpoint: StoredCheckpoint;
  /** Leaves that are proven with them and are not in the bundle as records. Absent: none. */
  readonly beside?: {
    /** Of the scope, there as bare hashes; ascending. */
    readonly withheld: readonly number[];
    /** Around it, there whole, for what they say of where it ends; ascending. */
    readonly boundary: readonly number[];
  };
}

/** Sizes of logs, by name, at which an earlier export was made. */
export type Pins = ReadonlyMap<string, number>;

/** A scope that was found and pinned: which leaves it is, and what its kind of bundle has beside them. */
export interface FoundScope {
  readonly scope: BundleScope;
  /** For tools that know bags only. */
  readonly name: string;
  /** Of several runs: which. Part of the identity. */
  readonly runs?: Identity['runs'];
  /** In the order of their names. */
  readonly logs: readonly ScopedLog[];
  /** Leaves of a log that have a proof each, for tools that read one leaf at a time. */
  singlyProven(log: ScopedLog): readonly number[];
  /** Writes what is made of the records, and the reports; says what the bundle is. */
  writeFiles(made: WrittenLeaves): Promise<Statement>;
}

/** What a file of a bundle is written from. */
export type Pieces = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** The leaves of a bundle once they are written, and where to add files. */
export interface WrittenLeaves {
  readonly read: ReadDeps;
  readonly head: StatementHead;
  /** In the order of the logs, as `logs`. */
  readonly written: readonly WrittenRecords[];
  readonly logs: readonly ReportedLog[];
  add(name: string, pieces: Pieces): Promise<ScratchFile>;
  /** The same of one of many, which is written at once and is small. */
  addSmall(name: string, pieces: Pieces): Promise<void>;
  /** The files of a run are written. */
  readonly onRun: (run: number, of: number) => void;
}
