import { BinaryReader } from '@bufbuild/protobuf/wire';
import { skipValue } from './check.js';
import { cachedName } from './nameCache.js';
import type { Field, MessageSchema } from './schema.js';

/**
 * A message inside checked bytes. All messages of one span share one reader over it: a reader for each attribute would cost
 * more than reading it. While `elements` visits a field, the readers of a value (`text`, `int64`, …) read that field's.
 */
export class Message {
  readonly #bytes: Buffer;
  readonly #reader: BinaryReader;
  readonly #start: number;
  readonly #end: number;
  #valueEnd = 0;

  private constructor(bytes: Buffer, reader: BinaryReader, start: number, end: number) {
    this.#bytes = bytes;
    this.#reader = reader;
    this.#start = start;
    this.#end = end;
  }

  /** The message that `bytes` are, as the wire reader has checked them or the redactor has written them. */
  static of(bytes: Uint8Array): Message {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    return new Message(buffer, new BinaryReader(buffer), 0, buffer.length);
  }

  /**
   * A singular message that came in several parts: protobuf merges them, which is what reading them one after the other does.
   * Joined once: a sender may write a million parts. No parts: the empty message.
   */
  static merged(parts: readonly Message[] | undefined): Message {
    const first = parts?.[0];
    if (parts === undefined || first === undefined) return EMPTY;
    if (parts.length === 1) return first;
    return Message.of(Buffer.concat(parts.map((part) => part.#bytes.subarray(part.#start, part.#end))));
  }

  /** Calls `visit` for each element whose field the schema knows; unknown fields are passed over. */
  elements(schema: MessageSchema, visit: (field: Field) => void): void {
    const reader = this.#reader;
    reader.pos = this.#start;
    while (reader.pos < this.#end) {
      const tag = reader.uint32();
      const field = schema.byNumber[tag >>> 3];
      const wireType = tag & 7;
      if (field === undefined || (field.wireType !== wireType && field.packed !== wireType)) {
        skipValue(reader, tag, this.#end);
      } else if (wireType === 2) {
        const valueEnd = reader.uint32() + reader.pos;
        this.#valueEnd = valueEnd;
        visit(field);
        reader.pos = valueEnd;
      } else {
        this.#valueEnd = NO_LENGTH;
        const valueStart = reader.pos;
        visit(field);
        // Nobody asked for it.
        if (reader.pos === valueStart) skipValue(reader, tag, this.#end);
      }
    }
  }

  /** Whether the message's bytes hold those of `needle`, wherever. */
  holds(needle: string): boolean {
    return this.#bytes.subarray(this.#start, this.#end).includes(needle);
  }

  /** Calls `read` before each number of a packed field, whole ones only; of an element that is not packed, once. */
  numbers(wireType: 0 | 1, read: () => void): void {
    if (this.#valueEnd === NO_LENGTH) {
      read();
      return;
    }
    const end = this.#valueEnd - (wireType === 1 ? 7 : 0);
    while (this.#reader.pos < end) read();
  }

  inner(): Message {
    return new Message(this.#bytes, this.#reader, this.#reader.pos, this.#valueEnd);
  }

  text(): string {
    return this.#bytes.toString('utf8', this.#reader.pos, this.#valueEnd);
  }

  /** As `text`, for short texts that come again and again. */
  name(): string {
    return cachedName(this.#bytes, this.#reader.pos, this.#valueEnd);
  }

  hex(): string {
    return this.#bytes.toString('hex', this.#reader.pos, this.#valueEnd);
  }

  base64(): string {
    return this.#bytes.toString('base64', this.#reader.pos, this.#valueEnd);
  }

  /** A view. */
  bytes(): Uint8Array {
    return new Uint8Array(
      this.#bytes.buffer,
      this.#bytes.byteOffset + this.#reader.pos,
      this.#valueEnd - this.#reader.pos,
    );
  }

  /** As BigInt: no double holds it. The library gives a string where the runtime has none. */
  int64(): bigint {
    return BigInt(this.#reader.int64());
  }

  uint64(): bigint {
    return BigInt(this.#reader.uint64());
  }

  sint32(): number {
    return this.#reader.sint32();
  }

  sfixed64(): bigint {
    return BigInt(this.#reader.sfixed64());
  }

  fixed64(): bigint {
    return BigInt(this.#reader.fixed64());
  }

  fixed32(): number {
    return this.#reader.fixed32();
  }

  uint32(): number {
    return this.#reader.uint32();
  }

  enum(): number {
    return this.#reader.int32();
  }

  double(): number {
    return this.#reader.double();
  }

  bool(): boolean {
    return this.#reader.bool();
  }
}

/** End of a value that has no length. */
const NO_LENGTH = -1;

/** Nothing is ever read from it, so that all may share it. */
const EMPTY = Message.of(new Uint8Array(0));
