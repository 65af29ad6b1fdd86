import {
  countRunRows,
  type RecordFile,
  type RunRecords,
  type RunRow,
  type RunStatement,
  runEnvelope,
  runGovernance,
  runRows,
} from '@sworn/evidence';
import { type Survey, surveyOf } from './survey.js';

/**
 * What a report is made of. Everything in it is of the records, or of the checkpoints that they are proven against: the same bundle has the same report,
 * whoever makes it, wherever and whenever.
 */
export interface Report {
  readonly statement: RunStatement;
  /** Where the files that are made of the run lie. */
  readonly directory: string;
  readonly envelope: ReturnType<typeof runEnvelope>;
  /** In the order of time. */
  readonly governance: ReturnType<typeof runGovernance>['events'];
  /** How many rows `rowsOf` has. */
  readonly rows: number;
  /** What happened, in the order of time: the rows of `events.csv` from the `first` to before the `below`. */
  rowsOf(first: number, below: number): AsyncIterable<RunRow>;
  /** Steps that say no time, and so are in no row. */
  readonly untimed: number;
  readonly survey: Survey;
  /** In the order of their names, one for each of the statement's. */
  readonly logs: readonly ReportedLog[];
  /** When which revision of the run was written: OPENED, then RUN leaf by RUN leaf. */
  readonly seals: readonly Seal[];
  /** What is disclosed of a record's body, for reading; null where nothing is disclosed. */
  readonly contentOf: ContentOf;
}

/** Looks up what is disclosed of one record. */
export type ContentOf = (log: string, index: number) => Promise<RowContent | null>;

/** Content of a record, as text. The sender's own words: any Unicode, any length. */
export interface RowContent {
  readonly name: string | null;
  readonly parts: readonly { readonly label: string; readonly text: string }[];
}

/** How a log of the bundle is proven. */
export interface ReportedLog {
  readonly log: string;
  readonly origin: string;
  /** Of the checkpoint. */
  readonly size: number;
  /** 64 hex. */
  readonly root: string;
  /** The checkpoint as it was signed, a C2SP signed note. */
  readonly note: string;
  /** SHA-256 of the raw Ed25519 public key (32 bytes) that is valid for this size, 64 hex. */
  readonly keyFingerprint: string;
}

/** A leaf that opened the run or sealed it. */
export interface Seal {
  /** 0: opened. */
  readonly revision: number;
  readonly recordedAt: string;
  readonly log: string;
  readonly index: number;
  /** `sha256:` and the leaf hash. */
  readonly checksum: string;
}

/** What the maker of a bundle has at hand. */
export interface ReportParts {
  readonly statement: RunStatement;
  readonly run: RunRecords;
  /** Without it `data`. */
  readonly directory?: string;
  readonly files: readonly RecordFile[];
  readonly logs: readonly ReportedLog[];
  readonly contentOf?: ContentOf;
}

/** Makes the report of a run's bundle; reads every leaf of it once. */
export async function reportOf(parts: ReportParts): Promise<Report> {
  const { statement, run, files, logs, contentOf, directory = 'data' } = parts;
  const rows = countRunRows(run);
  const envelope = runEnvelope(run);
  return {
    statement,
    directory,
    envelope,
    governance: runGovernance(run).events,
    rows,
    rowsOf: (first, below) => runRows(run, first, below),
    untimed: run.steps.length + run.events.length + run.around.length - rows,
    survey: await surveyOf(files),
    logs,
    seals: envelope.revisions.map((one) => ({
      revision: one.revision,
      recordedAt: one.recorded_at ?? '',
      log: run.newest.log,
      index: one.leaf_index,
      checksum: one.checksum,
    })),
    contentOf: contentOf ?? (async () => null),
  };
}
