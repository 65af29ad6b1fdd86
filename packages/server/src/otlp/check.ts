import { isUtf8 } from 'node:buffer';
import type { BinaryReader } from '@bufbuild/protobuf/wire';
import { RefusedPart } from './rejections.js';
import type { MessageSchema } from './schema.js';

/** Messages inside each other below a span, a resource or a scope. Protobuf's own readers stop at 100; so does ours. */
export const MAX_NESTING = 100;

/** Bytes of a varint on the wire (10 × 7 bits hold 64). */
const MAX_VARINT_BYTES = 10;

/** Below this length a loop over bytes is cheaper than a call into the runtime. */
const SHORT_STRING = 48;

/** A walk over one body: the reader's position and the bytes it walks. */
export interface Walk {
  readonly reader: BinaryReader;
  readonly bytes: Uint8Array;
}

/**
 * Checks everything of a message that the schema knows, up to `end`: framing, UTF-8 of strings, nesting.
 * Leaves the reader at `end`. Throws RefusedPart, or RangeError or Error from the reader at a broken varint.
 */
function checkMessage(walk: Walk, end: number, schema: MessageSchema, nesting: number): void {
  const { reader } = walk;
  if (nesting > MAX_NESTING) throw new RefusedPart(`nested deeper than ${MAX_NESTING} messages`);
  while (reader.pos < end) {
    const tag = readTag(reader);
    checkElement(walk, end, schema, tag, nesting);
  }
  if (reader.pos !== end) throw new RefusedPart('a field runs past the end of its message');
}

/** As `checkMessage`, for the one element whose tag has just been read. */
export function checkElement(walk: Walk, end: number, schema: MessageSchema, tag: number, nesting: number): void {
  const { reader } = walk;
  const field = schema.byNumber[tag >>> 3];
  const isText = field?.type === 'message' || field?.type === 'string';
  if (field === undefined || field.wireType !== (tag & 7) || (!isText && field.packed === null)) {
    skipValue(reader, tag, end);
    return;
  }
  const valueEnd = readLength(reader, end);
  if (field.packed !== null) {
    checkPacked(walk, valueEnd, field.packed);
    return;
  }
  if (field.type === 'message') {
    checkMessage(walk, valueEnd, field.message, nesting + 1);
    return;
  }
  if (!validUtf8(walk.bytes, reader.pos, valueEnd)) throw new RefusedPart('a string is not valid UTF-8');
  reader.pos = valueEnd;
}

/** Numbers one after the other, up to `end` and not beyond. */
function checkPacked({ reader }: Walk, end: number, wireType: 0 | 1): void {
  if (wireType === 1) {
    if ((end - reader.pos) % 8 !== 0) throw new RefusedPart('packed numbers are cut off');
    reader.pos = end;
    return;
  }
  while (reader.pos < end) skipVarint(reader);
  if (reader.pos !== end) throw new RefusedPart('packed numbers are cut off');
}

/** A field's tag: number × 8 + wire type. Refuses number 0 and wire types 6 and 7. */
export function readTag(reader: BinaryReader): number {
  const start = reader.pos;
  const tag = reader.uint32();
  if (tag < 8 || (tag & 7) > 5 || reader.pos - start > 5) throw new RefusedPart('a field has no valid tag');
  return tag;
}

/** Reads a length prefix and returns where the value ends, inside `end`. */
export function readLength(reader: BinaryReader, end: number): number {
  const length = reader.uint32();
  const valueEnd = reader.pos + length;
  if (valueEnd > end) throw new RefusedPart('a field runs past the end of its message');
  return valueEnd;
}

/** Moves past a value of any wire type, groups included (unknown fields of whatever age are kept, not understood). */
export function skipValue(reader: BinaryReader, tag: number, end: number): void {
  switch (tag & 7) {
    case 0:
      skipVarint(reader);
      break;
    case 1:
      reader.pos += 8;
      break;
    case 2:
      reader.pos = readLength(reader, end);
      break;
    case 3:
      reader.skip(tag & 7, tag >>> 3);
      break;
    case 5:
      reader.pos += 4;
      break;
    default:
      throw new RefusedPart('a group ends that never began');
  }
  if (reader.pos > end) throw new RefusedPart('a field runs past the end of its message');
}

function skipVarint(reader: BinaryReader): void {
  const start = reader.pos;
  reader.uint32();
  if (reader.pos - start > MAX_VARINT_BYTES) throw new RefusedPart('a varint is longer than 10 bytes');
}

function validUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > SHORT_STRING) return isUtf8(bytes.subarray(start, end));
  for (let at = start; at < end; at++) {
    if ((bytes[at] as number) > 0x7f) return isUtf8(bytes.subarray(start, end));
  }
  return true;
}
