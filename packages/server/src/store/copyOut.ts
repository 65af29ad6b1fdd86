import type pg from 'pg';
import type { Tx } from './database.js';
import { toStoreFailure } from './failure.js';

/** What a COPY sends at once is kept in one buffer that grows to it; a chunk of leaves with bodies is some megabytes. */
const FIRST_BYTES = 1 << 20;
/** More than that is nothing that anybody recorded: a leaf has 16 KiB, and long bodies are asked for one by one. */
const MOST_BYTES = 1 << 30;

/**
 * The rows of a query in PostgreSQL's binary format: a fifth of the cost of rows that the driver parses, for those who read whole logs.
 * `query` is code; COPY takes no parameters, so values stand in it by `literal` only.
 * @throws StoreFailure
 */
export async function copyOut(tx: Tx, query: string): Promise<Tuples> {
  try {
    return new Tuples(await receive(tx.client, `copy (${query}) to stdout with (format binary)`));
  } catch (error) {
    throw toStoreFailure(error);
  }
}

/** A UUID or the name of a log as a literal. @throws Error for any other text: whoever owns the database may have put it there. */
export function literal(value: string): string {
  if (!/^[a-z0-9.-]{1,64}$/.test(value)) throw new Error('not a value that may stand in a COPY');
  return `'${value}'`;
}

function receive(client: pg.PoolClient, text: string): Promise<Buffer> {
  let buffer = Buffer.allocUnsafe(FIRST_BYTES);
  let length = 0;
  let isTooMuch = false;
  return new Promise((resolve, reject) => {
    client.query({
      text,
      callback: () => undefined,
      submit(connection: pg.Connection) {
        connection.query(text);
      },
      // The driver hands out a piece of its own buffer, which it uses again.
      handleCopyData({ chunk }: { readonly chunk: Buffer }) {
        // Thrown here, it would end the process.
        isTooMuch ||= length + chunk.length > MOST_BYTES;
        if (isTooMuch) return;
        if (length + chunk.length > buffer.length) {
          const grown = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + chunk.length));
          buffer.copy(grown, 0, 0, length);
          buffer = grown;
        }
        length += chunk.copy(buffer, length);
      },
      handleError: reject,
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () =>
        isTooMuch ? reject(new Error('rows of more than 1 GiB together')) : resolve(buffer.subarray(0, length)),
    } as unknown as pg.Submittable);
  });
}

const HEADER_BYTES = 19;
const MICROS_TO_2000 = Date.UTC(2000, 0, 1) * 1000;

/** The second since 1970 of a stored time that no double holds exactly: a sender may say 2554. */
function exactSecond(buffer: Buffer, at: number): number {
  return Number((exactMicros(buffer, at) - BigInt(exactRest(buffer, at))) / 1_000_000n);
}

/** The microseconds of that second. */
function exactRest(buffer: Buffer, at: number): number {
  return Number(((exactMicros(buffer, at) % 1_000_000n) + 1_000_000n) % 1_000_000n);
}

function exactMicros(buffer: Buffer, at: number): bigint {
  return buffer.readBigInt64BE(at) + BigInt(MICROS_TO_2000);
}

/** Rows of a binary COPY, read field by field in the order of the columns. Bytes are views of one buffer. */
export class Tuples {
  readonly #buffer: Buffer;
  #at = HEADER_BYTES;
  /** Texts of the seconds that were met: times of a column lie close to one another, and two columns take turns. */
  readonly #seconds = new Map<number, string>();

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** Bytes that the database sent. */
  get bytesRead(): number {
    return this.#buffer.length;
  }

  /** Goes to the next row; false: that was the last. */
  next(): boolean {
    const columns = this.#buffer.readInt16BE(this.#at);
    this.#at += 2;
    return columns >= 0;
  }

  bytes(): Buffer | null {
    const length = this.#field();
    return length < 0 ? null : this.#buffer.subarray(this.#at - length, this.#at);
  }

  text(): string | null {
    const length = this.#field();
    return length < 0 ? null : this.#buffer.toString('utf8', this.#at - length, this.#at);
  }

  /** int2, int4 or int8; one beyond 2^53−1 comes rounded, which equals nothing that a leaf says. */
  number(): number | null {
    const length = this.#field();
    if (length < 0) return null;
    const from = this.#at - length;
    if (length === 8) return this.#buffer.readInt32BE(from) * 2 ** 32 + this.#buffer.readUInt32BE(from + 4);
    if (length === 4) return this.#buffer.readInt32BE(from);
    // A column that was made another type has numbers that are none.
    return length === 2 ? this.#buffer.readInt16BE(from) : Number.NaN;
  }

  flag(): boolean | null {
    const bytes = this.bytes();
    return bytes === null ? null : bytes[0] === 1;
  }

  uuid(): string | null {
    const length = this.#field();
    if (length < 0) return null;
    const hex = this.#buffer.toString('hex', this.#at - length, this.#at);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** RFC 3339 with six digits; what no leaf can say (`infinity`, other years) comes as a text that is no time. */
  time(): string | null {
    const at = this.#at + 4;
    const since2000 = this.number();
    if (since2000 === null) return null;
    const micros = since2000 + MICROS_TO_2000;
    const isExact = Number.isSafeInteger(since2000) && Number.isSafeInteger(micros);
    const second = isExact ? Math.floor(micros / 1_000_000) : exactSecond(this.#buffer, at);
    let text = this.#seconds.get(second);
    if (text === undefined) {
      const date = new Date(second * 1000);
      text = Number.isNaN(date.getTime()) ? 'beyond time ' : date.toISOString().slice(0, 20);
      this.#seconds.set(second, text);
    }
    const rest = isExact ? micros - second * 1_000_000 : exactRest(this.#buffer, at);
    return `${text}${String(rest).padStart(6, '0')}Z`;
  }

  texts(): string[] | null {
    return this.#list((bytes) => bytes.toString('utf8'));
  }

  bytesList(): Buffer[] | null {
    return this.#list((bytes) => bytes);
  }

  /** Goes past the next field. Returns its length, negative for NULL: it ends where the reader then stands. */
  #field(): number {
    const length = this.#buffer.readInt32BE(this.#at);
    this.#at += 4 + Math.max(length, 0);
    return length;
  }

  /** A one-dimensional array; a null element or another form, which no row of ours has, comes as a text of its own. */
  #list<T>(read: (bytes: Buffer) => T): T[] | null {
    const array = this.bytes();
    if (array === null) return null;
    const items: T[] = [];
    if (array.length === ARRAY_OF_NOTHING && array.readInt32BE(0) === 0) return items;
    if (array.length < ARRAY_HEADER || array.readInt32BE(0) !== 1 || array.readInt32BE(16) !== 1)
      return [read(NULL_ELEMENT)];
    for (let at = ARRAY_HEADER; at < array.length; ) {
      const length = array.readInt32BE(at);
      at += 4;
      items.push(read(length < 0 ? NULL_ELEMENT : array.subarray(at, at + length)));
      at += Math.max(length, 0);
    }
    return items;
  }
}

/** Bytes of an array without elements, and before the first element of a one-dimensional one. */
const ARRAY_OF_NOTHING = 12;
const ARRAY_HEADER = 20;
const NULL_ELEMENT = Buffer.from('\0null');
