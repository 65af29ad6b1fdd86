import type pg from 'pg';
import type { Tx } from './database.js';
import { toStoreFailure } from './failure.js';

/** Column types that `insertRows` can write. */
export type ColumnType =
  | 'uuid'
  | 'text'
  | 'bytea'
  | 'int8'
  | 'int4'
  | 'int2'
  | 'bool'
  | 'timestamptz'
  | 'text[]'
  | 'bytea[]';

/** Name and type of a column, in the order of the row's values. */
export type Column = readonly [name: string, type: ColumnType];

/** A value of a row: uuid and timestamptz (RFC 3339, UTC) as text. */
export type ColumnValue = string | number | boolean | Uint8Array | readonly string[] | readonly Uint8Array[] | null;

/**
 * Inserts rows into `sworn.<table>`: by COPY BINARY where row-level security does not bind the role, else through `unnest` under the insert
 * policy, because PostgreSQL refuses COPY FROM there. Both write the same rows. Table and column names are code, never data.
 */
export async function insertRows(
  tx: Tx,
  table: string,
  columns: readonly Column[],
  rows: readonly (readonly ColumnValue[])[],
): Promise<void> {
  if (rows.length === 0) return;
  const names = columns.map(([name]) => name).join(', ');
  try {
    if (tx.bypassesRowSecurity) {
      await copyIn(
        tx.client,
        `copy sworn.${table} (${names}) from stdin with (format binary)`,
        encodeTuples(columns, rows),
      );
    } else {
      await tx.client.query({
        text: unnestText(table, columns),
        values: columns.map((_, c) => columnArray(columns, rows, c)),
      });
    }
  } catch (error) {
    throw toStoreFailure(error);
  }
}

/** An array of arrays would lose its inner bounds in `unnest`, so inner arrays travel as text and are cast row by row. */
function unnestText(table: string, columns: readonly Column[]): string {
  const names = columns.map(([name]) => name).join(', ');
  const values = columns.map(([, type], i) => (isArray(type) ? `c${i}::${type}` : `c${i}`)).join(', ');
  const arrays = columns.map(([, type], i) => `$${i + 1}::${isArray(type) ? 'text' : type}[]`).join(', ');
  return `insert into sworn.${table} (${names}) select ${values} from unnest(${arrays}) as r(${columns.map((_, i) => `c${i}`).join(', ')})`;
}

function columnArray(columns: readonly Column[], rows: readonly (readonly ColumnValue[])[], c: number): unknown[] {
  const type = columns[c]?.[1];
  if (type === undefined || !isArray(type)) return rows.map((row) => row[c] ?? null);
  return rows.map((row) => (row[c] == null ? null : arrayLiteral(row[c] as readonly (string | Uint8Array)[])));
}

function isArray(type: ColumnType): boolean {
  return type === 'text[]' || type === 'bytea[]';
}

function arrayLiteral(elements: readonly (string | Uint8Array)[]): string {
  const texts = elements.map((e) => (typeof e === 'string' ? e : `\\x${Buffer.from(e).toString('hex')}`));
  return `{${texts.map((e) => `"${e.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',')}}`;
}

/**
 * Sends one COPY and waits for its end. Own, in place of pg-copy-streams: the rows are in memory already, so a COPY is three writes and one
 * answer, and there is no stream between the server's refusal and ours.
 */
function copyIn(client: pg.PoolClient, text: string, data: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query({
      text,
      // The driver wraps this when a query timeout is set; there is none.
      callback: () => undefined,
      submit(connection: pg.Connection) {
        connection.query(text);
      },
      handleCopyInResponse(connection: pg.Connection & { stream: NodeJS.WritableStream }) {
        const head = Buffer.alloc(5);
        head.write('d');
        head.writeUInt32BE(data.length + 4, 1);
        connection.stream.write(head);
        connection.stream.write(data);
        connection.stream.write(COPY_DONE);
      },
      // The server throws away what is still under way; pg takes up the next query at ReadyForQuery.
      handleError: reject,
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () => resolve(),
    } as unknown as pg.Submittable);
  });
}

const COPY_DONE = Buffer.from([0x63, 0, 0, 0, 4]);
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const TEXT_OID = 25;
const BYTEA_OID = 17;

/** The rows in PostgreSQL's binary COPY format, in one buffer. */
function encodeTuples(columns: readonly Column[], rows: readonly (readonly ColumnValue[])[]): Buffer {
  const out = new TupleWriter(SIGNATURE.length + 2 + estimate(rows) + rows.length * (2 + columns.length * 4));
  out.raw(SIGNATURE);
  for (const row of rows) {
    out.int2(columns.length);
    for (let c = 0; c < columns.length; c++) writeField(out, (columns[c] as Column)[1], row[c] ?? null);
  }
  out.int2(-1);
  return out.done();
}

/** An upper bound of the bytes of all values, without the length words: a UTF-16 unit takes at most three bytes of UTF-8. */
function estimate(rows: readonly (readonly ColumnValue[])[]): number {
  let bytes = 0;
  for (const row of rows) {
    for (const value of row) {
      if (typeof value === 'string') bytes += Math.max(16, value.length * 3);
      else if (value instanceof Uint8Array) bytes += value.length;
      else if (Array.isArray(value))
        for (const element of value as (string | Uint8Array)[]) bytes += 24 + element.length * 3;
      else bytes += 8;
      if (Array.isArray(value)) bytes += 20;
    }
  }
  return bytes;
}

function writeField(out: TupleWriter, type: ColumnType, value: ColumnValue): void {
  if (value === null) {
    out.int4(-1);
    return;
  }
  switch (type) {
    case 'text':
      return out.text(value as string);
    case 'bytea':
      return out.bytes(value as Uint8Array);
    case 'uuid':
      return out.uuid(value as string);
    case 'int8':
      out.int4(8);
      return out.int8(value as number);
    case 'int4':
      out.int4(4);
      return out.int4(value as number);
    case 'int2':
      out.int4(2);
      return out.int2(value as number);
    case 'bool':
      out.int4(1);
      return out.byte(value === true ? 1 : 0);
    case 'timestamptz':
      out.int4(8);
      return out.int8(microsSince2000(value as string));
    case 'text[]':
      return writeArray(out, TEXT_OID, value as readonly string[], (text) => out.text(text));
    case 'bytea[]':
      return writeArray(out, BYTEA_OID, value as readonly Uint8Array[], (bytes) => out.bytes(bytes));
  }
}

function writeArray<E>(out: TupleWriter, oid: number, elements: readonly E[], write: (element: E) => void): void {
  const start = out.reserveLength();
  out.int4(elements.length === 0 ? 0 : 1);
  out.int4(0);
  out.int4(oid);
  if (elements.length > 0) {
    out.int4(elements.length);
    out.int4(1);
    for (const element of elements) write(element);
  }
  out.fillLength(start);
}

const EPOCH_2000_MS = Date.UTC(2000, 0, 1);

/** `2026-01-02T03:04:05.678901Z` → microseconds since 2000, PostgreSQL's own count: exact for the years 1 to 9999, a bigint beyond 2^53. */
function microsSince2000(time: string): number | bigint {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?Z$/.exec(time);
  if (match === null) throw new Error('a time to store is RFC 3339 in UTC');
  const [, year, month, day, hour, minute, second, fraction] = match;
  const ms = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  // Date.UTC takes the years 0 to 99 for those of the last century.
  const since = (Number(year) < 100 ? new Date(ms).setUTCFullYear(Number(year)) : ms) - EPOCH_2000_MS;
  const rest = Number((fraction ?? '').padEnd(6, '0'));
  const micros = since * 1000 + rest;
  return Number.isSafeInteger(micros) ? micros : BigInt(since) * 1000n + BigInt(rest);
}

/** Writes big-endian fields into one growing buffer. */
class TupleWriter {
  #buffer: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#buffer = Buffer.allocUnsafe(size);
  }

  byte(value: number): void {
    this.#at = this.#buffer.writeUInt8(value, this.#at);
  }

  int2(value: number): void {
    this.#at = this.#buffer.writeInt16BE(value, this.#at);
  }

  int4(value: number): void {
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
  }

  int8(value: number | bigint): void {
    if (typeof value === 'bigint') {
      this.#at = this.#buffer.writeBigInt64BE(value, this.#at);
      return;
    }
    this.#at = this.#buffer.writeInt32BE(Math.floor(value / 2 ** 32), this.#at);
    this.#at = this.#buffer.writeUInt32BE(value - Math.floor(value / 2 ** 32) * 2 ** 32, this.#at);
  }

  bytes(value: Uint8Array): void {
    this.int4(value.length);
    this.raw(value);
  }

  raw(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  text(value: string): void {
    const start = this.reserveLength();
    this.#at += this.#buffer.write(value, this.#at, 'utf8');
    this.fillLength(start);
  }

  uuid(value: string): void {
    this.int4(16);
    const written = this.#buffer.write(value.replaceAll('-', ''), this.#at, 'hex');
    if (written !== 16) throw new Error('a UUID to store has 32 hex digits');
    this.#at += written;
  }

  reserveLength(): number {
    this.#at += 4;
    return this.#at;
  }

  fillLength(start: number): void {
    this.#buffer.writeInt32BE(this.#at - start, start - 4);
  }

  done(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }
}
