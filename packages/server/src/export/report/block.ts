/** A line of a cell or a value: text that is shown as `piecesOf` says. */
export interface Line {
  readonly text: string;
  /** Before it, in words of ours. */
  readonly label?: string;
  /** Hashes, keys, ids: characters of one width. */
  readonly mono?: true;
  /** The main line of its cell. */
  readonly strong?: true;
  /** Characters shown; absent: `NAME_CHARS`. */
  readonly max?: number;
}

/** A value: its lines. None: nothing was said. */
export type Value = readonly Line[];

/** A row of a table, or what stands where rows were left out. */
export type Row = readonly Value[] | { readonly left: string };

/** A column: its head, and its share of the width. */
export interface Column {
  readonly head: string;
  readonly share: number;
}

/** A part of a report, before it is HTML or PDF. */
export type Block =
  | { readonly kind: 'title'; readonly text: string; readonly about: string }
  | { readonly kind: 'heading'; readonly text: string }
  | { readonly kind: 'subheading'; readonly text: string }
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'facts'; readonly facts: readonly Fact[] }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'code'; readonly text: string }
  | {
      readonly kind: 'table';
      readonly caption: string;
      readonly columns: readonly Column[];
      readonly rows: Iterable<Row> | AsyncIterable<Row>;
    };

/** A term and what is said of it. */
export interface Fact {
  readonly term: string;
  readonly value: Value;
}

/** A line of plain text; of nothing, no line. */
export function said(text: string | number | null | undefined, how: Omit<Line, 'text'> = {}): Value {
  return text === null || text === undefined || text === '' ? [] : [{ ...how, text: String(text) }];
}
