/** One measured row: names end in their unit. */
export interface Row {
  readonly row: string;
  readonly values: Readonly<Record<string, number>>;
}
