/** A value that may stand at a `${}` of a `sql` text: it always travels as a parameter, never as text. */
export type SqlValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | null
  | readonly (string | number | boolean | Uint8Array | null)[];

/** A piece of SQL with its parameters. Pieces nest: `${piece}` inside `sql` is spliced in and its parameters are renumbered. */
export interface Sql {
  readonly strings: readonly string[];
  readonly values: readonly (SqlValue | Sql)[];
}

/** A statement as PostgreSQL takes it. */
export interface Statement {
  /** SQL with `$1`, `$2`, … */
  readonly text: string;
  readonly values: readonly SqlValue[];
  /**
   * Name of the prepared statement; null for a text that was put together from pieces. A text that stands in the code as one literal
   * has one name for ever, so the number of prepared statements of a connection is bounded by the code, not by data.
   */
  readonly name: string | null;
}

/**
 * Writes SQL with its parameters in place.
 *
 * @example
 * const mine = sql`tenant_id = ${tenantId}::uuid`;
 * await tx.query(sql`select log from sworn.log_head where ${mine} and topic = ${'audit'}`);
 */
export function sql(strings: TemplateStringsArray, ...values: readonly (SqlValue | Sql)[]): Sql {
  return { strings, values };
}

/** Puts pieces behind one another with `separator` between them; of no pieces, an empty piece. `separator` is code, never data. */
sql.join = (pieces: readonly Sql[], separator: ' and ' | ' or ' | ', ' | ' union all ' | ' '): Sql => ({
  strings: pieces.length === 0 ? [''] : ['', ...pieces.slice(1).map(() => separator), ''],
  values: pieces,
});

/** A piece that adds nothing. */
sql.empty = { strings: [''], values: [] } as Sql;

/** Numbers the parameters and joins the pieces. */
export function render(piece: Sql): Statement {
  const values: SqlValue[] = [];
  // Only the strings of a template literal are frozen; those that `sql.join` makes come and go.
  if (piece.values.some(isSql) || !Object.isFrozen(piece.strings))
    return { text: flatten(piece, values), values, name: null };
  const known = literals.get(piece.strings);
  if (known !== undefined) return { ...known, values: piece.values as readonly SqlValue[] };
  const text = flatten(piece, values);
  const name = `s${literals.size}_${text.trim().slice(0, 20).replace(/\W+/g, '_')}`;
  literals.set(piece.strings, { text, name });
  return { text, values, name };
}

/** Texts without nested pieces, by the template they come from: JavaScript keeps one strings array for each place in the code. */
const literals = new Map<readonly string[], { readonly text: string; readonly name: string }>();

function flatten(piece: Sql, values: SqlValue[]): string {
  let text = piece.strings[0] ?? '';
  piece.values.forEach((value, i) => {
    text += isSql(value) ? flatten(value, values) : `$${values.push(value)}`;
    text += piece.strings[i + 1] ?? '';
  });
  return text;
}

function isSql(value: SqlValue | Sql): value is Sql {
  return typeof value === 'object' && value !== null && 'strings' in value;
}
