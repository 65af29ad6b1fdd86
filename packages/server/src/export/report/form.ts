/** What one form of a report can show; what it leaves out it says. */
export interface Form {
  /** Rows of what happened: as many from the beginning as from the end. */
  readonly rows: number;
  /** Rows of what was said of rules: the first. */
  readonly decisions: number;
  /** What else a reader of this form has to know of what it does not show. */
  readonly notes: readonly string[];
}
