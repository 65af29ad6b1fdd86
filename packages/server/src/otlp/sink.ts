/** First size of the buffer; it doubles. */
const INITIAL_BYTES = 4096;

/** One byte is kept for a length prefix, as most messages are shorter than 128 bytes; a longer one is moved once. */
const LENGTH_ROOM = 1;

/** Where an element of a message lies while the message is being written. */
export interface Mark {
  readonly number: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Writes protobuf into one growing buffer. Unlike BinaryWriter it can be wound back (a span that turns out to be bad)
 * and can put the elements of a message into field order after the fact (JSON members come in any order).
 */
export class Sink {
  #buffer = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#buffer.buffer);
  /** Bytes written. Setting it lower forgets the rest. */
  pos = 0;

  /** The bytes written so far: a view, valid until the next write. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.pos);
  }

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType);
  }

  /** An unsigned varint up to 2^53 − 1. */
  varint(value: number): void {
    this.#room(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.pos++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.pos++] = rest;
  }

  /** A varint of 64 bits; a negative number as its two's complement, 10 bytes. */
  varint64(value: bigint): void {
    this.#room(10);
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.#buffer[this.pos++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.pos++] = Number(rest);
  }

  fixed64(value: bigint): void {
    this.#room(8);
    this.#view.setBigUint64(this.pos, value, true);
    this.pos += 8;
  }

  fixed32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.pos, value, true);
    this.pos += 4;
  }

  double(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.pos, value, true);
    this.pos += 8;
  }

  /** Length and bytes. */
  lengthDelimited(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.pos);
    this.pos += bytes.length;
  }

  /** Begins a message whose length is not known yet; `join` takes the result. */
  fork(): number {
    this.#room(LENGTH_ROOM);
    this.pos += LENGTH_ROOM;
    return this.pos;
  }

  join(start: number): void {
    const length = this.pos - start;
    const extra = varintLength(length) - LENGTH_ROOM;
    if (extra > 0) {
      this.#room(extra);
      this.#buffer.copyWithin(start + extra, start, this.pos);
    }
    this.pos = start - LENGTH_ROOM;
    this.varint(length);
    this.pos += length;
  }

  /** Puts the elements written since `start` into ascending field order; those of one field keep theirs. */
  order(start: number, marks: Mark[]): void {
    if (marks.every((mark, i) => i === 0 || mark.number >= (marks[i - 1] as Mark).number)) return;
    const written = this.#buffer.slice(start, this.pos);
    let at = start;
    for (const mark of marks.toSorted((a, b) => a.number - b.number)) {
      this.#buffer.set(written.subarray(mark.start - start, mark.end - start), at);
      at += mark.end - mark.start;
    }
  }

  #room(bytes: number): void {
    const needed = this.pos + bytes;
    if (needed <= this.#buffer.length) return;
    let size = this.#buffer.length;
    while (size < needed) size *= 2;
    const grown = new Uint8Array(size);
    grown.set(this.#buffer);
    this.#buffer = grown;
    this.#view = new DataView(grown.buffer);
  }
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}
