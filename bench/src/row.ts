/** One measured row: names end in their unit. */
export interface Row {
  readonly row: string;
  readonly values: Readonly<Record<string, number>>;
  /** Where one row is many measurements: a table, all lines with the same members. */
  readonly lines?: readonly Readonly<Record<string, string | number>>[];
}

/** What the command line says of how to measure. */
export interface RowOptions {
  /** Generated runs of the rows that need a filled deployment. */
  readonly runs: number;
  /** Directory for filled deployments: each is filled once, and used again by every row that asks for as many runs. */
  readonly dataDir: string;
}
