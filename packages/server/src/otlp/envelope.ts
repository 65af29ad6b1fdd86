import { BinaryReader } from '@bufbuild/protobuf/wire';
import { checkElement, readLength, readTag, skipValue, type Walk } from './check.js';
import type { MessageName } from './messages.js';
import { RefusedPart, TooManyParts, UndecodableRequest } from './rejections.js';
import { MESSAGES } from './schema.js';

/**
 * Resource groups, scope groups and items one request may hold, together; of metrics, metrics and points are both items. Real batches are
 * 512 (SDK) to some 10k (collector); an attacker can write 32 million empty groups into 64 MiB, each of which costs some hundred bytes here.
 */
export const MAX_PARTS_PER_REQUEST = 131_072;

export const LENGTH_DELIMITED = 2;

/** Bytes of a body, by offset. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A message that another one holds. */
export interface Held extends Range {
  /** Where its tag starts. */
  readonly from: number;
  /** Its field number. */
  readonly number: number;
}

/** Byte ranges of what a message says of itself, and of the messages that it is there to hold. */
export interface Parts {
  readonly source: readonly Range[];
  readonly held: readonly Held[];
  /** Why what it says of itself cannot be read; what it holds goes with it. */
  readonly fault: string | null;
}

/** How one level of an envelope is taken apart. */
export interface Level {
  readonly name: MessageName;
  /** Fields of the messages that it holds. */
  readonly holds: ReadonlySet<number>;
  /** What a fault of its own is told as: `resource`. */
  readonly part: string;
}

/** Takes a request apart, level by level, and counts its parts. */
export class Envelope {
  readonly walk: Walk;
  readonly #request: MessageName;
  readonly #noun: string;
  #parts = 0;

  /** `noun`: what the items of the request are called, in the singular. */
  constructor(bytes: Uint8Array, { request, noun }: { readonly request: MessageName; readonly noun: string }) {
    this.walk = { reader: new BinaryReader(bytes), bytes };
    this.#request = request;
    this.#noun = noun;
  }

  get whole(): Range {
    return { start: 0, end: this.walk.bytes.length };
  }

  /** @throws UndecodableRequest where the framing is broken, TooManyParts past the bound. */
  split(range: Range, { name, holds, part }: Level): Parts {
    const { reader } = this.walk;
    const source: Range[] = [];
    const held: Held[] = [];
    let fault: string | null = null;
    try {
      reader.pos = range.start;
      while (reader.pos < range.end) {
        const from = reader.pos;
        const tag = readTag(reader);
        if ((tag & 7) === LENGTH_DELIMITED && holds.has(tag >>> 3)) {
          this.#countPart();
          const end = readLength(reader, range.end);
          held.push({ from, start: reader.pos, end, number: tag >>> 3 });
          reader.pos = end;
          continue;
        }
        const valueStart = reader.pos;
        skipValue(reader, tag, range.end);
        const end = reader.pos;
        extend(source, { start: from, end });
        fault ??= this.#fault(name, part, tag, { start: valueStart, end });
        reader.pos = end;
      }
    } catch (error) {
      if (error instanceof TooManyParts) throw error;
      throw new UndecodableRequest(`not a protobuf ${this.#request}: ${reasonOf(error)} (in ${name})`);
    }
    return { source, held, fault };
  }

  #countPart(): void {
    this.#parts += 1;
    if (this.#parts > MAX_PARTS_PER_REQUEST) {
      throw new TooManyParts(
        `more than ${MAX_PARTS_PER_REQUEST} resource groups, scope groups and ${this.#noun}s in one request`,
      );
    }
  }

  #fault(name: MessageName, part: string, tag: number, value: Range): string | null {
    const { reader } = this.walk;
    try {
      reader.pos = value.start;
      checkElement(this.walk, value.end, MESSAGES[name], tag, 0);
      return null;
    } catch (error) {
      return `${part}: ${reasonOf(error)}`;
    }
  }
}

/** Adds a range, grown onto the last one where they touch: only the messages held between them keep two apart. */
function extend(ranges: Range[], next: Range): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.end === next.start) ranges[ranges.length - 1] = { start: last.start, end: next.end };
  else ranges.push(next);
}

/** One range is a view; several are copied together. */
export function join(bytes: Uint8Array, ranges: readonly Range[]): Uint8Array {
  const [first] = ranges;
  if (first === undefined) return new Uint8Array(0);
  if (ranges.length === 1) return bytes.subarray(first.start, first.end);
  const joined = new Uint8Array(lengthOf(ranges));
  let at = 0;
  for (const range of ranges) {
    joined.set(bytes.subarray(range.start, range.end), at);
    at += range.end - range.start;
  }
  return joined;
}

/** Bytes of all of them. */
export function lengthOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, range) => sum + range.end - range.start, 0);
}

/** The reader's own errors (end of input, overlong varint) are refusals of the sender's bytes too; anything else is a bug. */
export function reasonOf(error: unknown): string {
  if (error instanceof RefusedPart) return error.message;
  if (error instanceof RangeError) return 'the bytes end inside a field';
  if (error instanceof Error && READER_ERRORS.test(error.message)) return 'a varint or tag is malformed';
  throw error;
}

const READER_ERRORS = /^(invalid varint|illegal tag|invalid end group tag|maximum recursion depth|cant skip wire type)/;
