import type { JsonObject, Statement } from '@sworn/evidence';
import type { BundleFiles } from './files.js';
import type { TellBundle } from './finding.js';
import type { CheckedRecords } from './records.js';

/** A bundle from before, as far as it was read. */
export interface OlderBundle {
  readonly statement: Statement;
  /** Root (hex) of the checkpoint of each log; unsigned, as far as this one knows. */
  readonly roots: ReadonlyMap<string, string>;
}

/** What is looked at in bundles of one kind, beyond what all have. */
export interface ScopeRules<S extends Statement> {
  /** Names under `data/` of the files that are made of the records. */
  readonly derived: readonly string[];
  /** Files that such a bundle must have beside these and those of each log. */
  needed(statement: S): readonly string[];
  /** Holds the records, each found to be a leaf of its log, against what the statement says of them, and what is made of them against that. */
  check(statement: S, files: BundleFiles, records: readonly CheckedRecords[], tell: TellBundle): Promise<void>;
  /** What it is about, for people. */
  about(statement: S): string;
  /** The same in terms and values. */
  facts(statement: S): readonly (readonly [string, string])[];
  /** What an older bundle that it is held against says of it, beyond that leaves both have are the same. */
  checkOlder?(statement: S, older: OlderBundle, records: readonly CheckedRecords[], tell: TellBundle): void;
  /** In what sense VERIFIED says that nothing was left out. */
  readonly isComplete: string;
  /** What it does not prove, in sentences, beside what no bundle does. */
  unproven(statement: S): readonly string[];
  /** What the record of the export says of its scope; an absent member is absent there. */
  recordedAs(statement: S): { readonly run_id?: string; readonly scope?: JsonObject };
}
